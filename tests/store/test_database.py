"""The guarantees in the docstring of wildsage.store.database."""

import asyncio
import sqlite3
import threading
from functools import partial

import pytest

from wildsage.store.database import Database, DatabaseClosedError

PUT = "INSERT INTO tag (arn, key, value) VALUES (?, ?, ?)"


def test_a_reader_sees_what_was_acknowledged(state):
    state.write_blocking(lambda t: t.execute(PUT, ("a", "k", "v")))
    assert state.read_one("SELECT value FROM tag WHERE arn = 'a'")["value"] == "v"


def test_a_work_that_raises_is_rolled_back_alone(state):
    gate = threading.Event()

    def hold(_transaction):
        gate.wait(5)

    def good(transaction):
        transaction.execute(PUT, ("good", "k", "v"))

    def bad(transaction):
        transaction.execute(PUT, ("bad", "k", "v"))
        raise LookupError("no")

    async def together():
        first = asyncio.ensure_future(state.write(hold))
        await asyncio.sleep(0)
        rest = [asyncio.ensure_future(state.write(work)) for work in (good, bad)]
        await asyncio.sleep(0)
        gate.set()
        await first
        return await asyncio.gather(*rest, return_exceptions=True)

    results = asyncio.run(together())
    assert results[0] is None
    assert isinstance(results[1], LookupError)
    assert [row["arn"] for row in state.read("SELECT arn FROM tag")] == ["good"]


def test_works_that_arrive_together_share_a_commit(state):
    gate = threading.Event()
    commits = []
    state.listen("commit", lambda: commits.append(1))

    def put(number):
        def work(transaction):
            transaction.execute(PUT, (str(number), "k", "v"))
            transaction.notify("commit")

        return work

    async def together():
        first = asyncio.ensure_future(state.write(lambda _t: gate.wait(5)))
        await asyncio.sleep(0)
        rest = [asyncio.ensure_future(state.write(put(number))) for number in range(50)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, *rest)

    asyncio.run(together())
    assert state.read_one("SELECT COUNT(*) AS n FROM tag")["n"] == 50
    assert len(commits) <= 2


def test_listeners_hear_only_after_the_commit(state):
    seen = []
    state.listen("topic", lambda: seen.append(state.read_one("SELECT COUNT(*) AS n FROM tag")["n"]))

    def work(transaction):
        transaction.execute(PUT, ("a", "k", "v"))
        transaction.notify("topic")

    state.write_blocking(work)
    state.close()
    assert seen == [1]


def test_a_failed_commit_fails_every_work_and_keeps_nothing(state):
    def violate(transaction):
        transaction.execute("PRAGMA defer_foreign_keys = ON")
        transaction.execute(PUT, ("a", "k", "v"))
        transaction._connection.execute("ROLLBACK")  # as SQLite itself does on some I/O errors

    with pytest.raises(sqlite3.Error):
        state.write_blocking(violate)
    assert state.read("SELECT * FROM tag") == []
    state.write_blocking(lambda t: t.execute(PUT, ("b", "k", "v")))
    assert len(state.read("SELECT * FROM tag")) == 1


def test_every_work_of_a_lost_group_hears_why_it_was_lost(state):
    def lose(transaction):
        transaction._connection.execute("ROLLBACK")  # as SQLite itself does on some I/O errors
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        state.write_blocking(lose)


def test_a_work_is_cancelled_before_its_group_begins_or_not_at_all(state):
    async def together():
        loop = asyncio.get_running_loop()
        gate, late = threading.Event(), threading.Event()

        def cancel_late(_transaction):
            loop.call_soon_threadsafe(lambda: (second.cancel(), late.set()))
            late.wait(5)

        works = [
            lambda _t: gate.wait(5),
            lambda t: t.execute(PUT, ("dropped", "k", "v")),
            cancel_late,
            lambda t: t.execute(PUT, ("kept", "k", "v")),
        ]
        holding, dropped, first, second = [asyncio.ensure_future(state.write(work)) for work in works]
        await asyncio.sleep(0)
        dropped.cancel()
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(holding, dropped, first, second, return_exceptions=True)
        assert [dropped.cancelled(), second.cancelled()] == [True, True]
        await state.write(lambda _t: None)

    asyncio.run(together())
    assert [row["arn"] for row in state.read("SELECT arn FROM tag")] == ["kept"]


def test_closing_finishes_what_was_queued(tmp_path):
    database = Database(tmp_path / "x.db", "state")

    async def queue_and_close():
        works = [
            asyncio.ensure_future(database.write(lambda t, n=n: t.execute(PUT, (str(n), "k", "v")).rowcount))
            for n in range(20)
        ]
        await asyncio.sleep(0)
        database.close()
        return await asyncio.gather(*works)

    assert asyncio.run(queue_and_close()) == [1] * 20
    with pytest.raises(DatabaseClosedError):
        database.write_blocking(lambda _t: None)


def test_durable_means_full_synchronous(state, telemetry):
    full = state.write_blocking(lambda t: t.execute("PRAGMA synchronous").fetchone()[0])
    normal = telemetry.write_blocking(lambda t: t.execute("PRAGMA synchronous").fetchone()[0])
    assert (full, normal) == (2, 1)


def test_nobody_else_can_read_it(state):
    state.write_blocking(lambda t: t.execute(PUT, ("a", "k", "v")))
    files = list(state.path.parent.glob("state.db*"))
    assert len(files) == 3
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_listeners_hear_of_a_commit_before_its_writer_does(state):
    heard = []
    state.listen("topic", lambda: heard.append(len(state.read("SELECT * FROM tag"))))

    async def story():
        seen = []
        for number in range(50):
            await state.write(partial(_put_and_notify, number))
            seen.append(len(heard))
        return seen

    assert asyncio.run(story()) == list(range(1, 51))
    assert heard == list(range(1, 51))


def test_an_event_is_set_after_a_commit_and_nobody_minds_a_loop_that_is_gone(state):
    async def story():
        event = asyncio.Event()
        state.wake("topic", event)
        with pytest.raises(ZeroDivisionError):
            await state.write(_fail_after_notify)
        assert not event.is_set()
        await state.write(lambda transaction: transaction.notify("topic"))
        async with asyncio.timeout(5):
            await event.wait()

    asyncio.run(story())
    state.write_blocking(lambda transaction: transaction.notify("topic"))


def _put_and_notify(number, transaction):
    transaction.execute(PUT, ("a", str(number), "v"))
    transaction.notify("topic")


def _fail_after_notify(transaction):
    transaction.notify("topic")
    raise ZeroDivisionError


def test_a_closed_database_is_one_file(tmp_path):
    database = Database(tmp_path / "x.db", "state")
    database.write_blocking(lambda t: t.execute(PUT, ("a", "k", "v")))
    database.read("SELECT * FROM tag")
    database.close()
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]


def test_it_says_what_it_wrote_and_whether_it_can(state):
    before = state.statistics()
    state.write_blocking(lambda t: t.execute(PUT, ("a", "k", "v")))
    with pytest.raises(ZeroDivisionError):
        state.write_blocking(_fail_after_notify)
    state.write_blocking(lambda t: t.execute(PUT, ("b", "k", "v")))  # behind the end of the failed one
    after = state.statistics()
    assert after.works - before.works == 2
    assert after.commits - before.commits == 3
    assert (after.failures, after.waiting) == (0, 0)
    assert after.size > 0
    assert after.log_size > 0
    assert state.is_writing
    state.close()
    assert not state.is_writing


def test_works_that_a_loop_begins_together_share_a_commit(state):
    async def together(count):
        await asyncio.gather(*(state.write(lambda t: None) for _ in range(count)))

    before = state.statistics()
    asyncio.run(together(100))
    after = state.statistics()
    assert (after.works - before.works, after.commits - before.commits) == (100, 1)


def test_a_work_that_its_loop_never_handed_over_does_not_hold_up_the_next_loop(state):
    async def leave():
        left = asyncio.ensure_future(state.write(lambda t: t.execute(PUT, ("left", "k", "v"))))
        await asyncio.sleep(0)  # it is begun; the loop ends before it gets to its works
        return left

    assert asyncio.run(leave()).cancelled()
    asyncio.run(state.write(lambda t: t.execute(PUT, ("b", "k", "v"))))
    assert [row["arn"] for row in state.read("SELECT arn FROM tag")] == ["b"]


def test_a_write_to_a_closed_database_is_refused(state):
    state.close()
    with pytest.raises(DatabaseClosedError):
        asyncio.run(state.write(lambda t: None))
    with pytest.raises(DatabaseClosedError):
        state.write_blocking(lambda t: None)


def test_a_commit_waits_for_as_many_works_as_the_last_one_had(state):
    async def together(count):
        return await asyncio.gather(*(state.write(lambda _t: None) for _ in range(count)))

    def commits_of_works_that_come_one_by_one():
        state._last_commit = 5.0  # a slow disk: there is time
        before, taken = state._commits, state._taken

        async def one_by_one():
            first = asyncio.ensure_future(state.write(lambda _t: None))
            await asyncio.sleep(0)
            while state._taken == taken:  # until the writer has taken the first
                await asyncio.sleep(0)
            rest = [asyncio.ensure_future(state.write(lambda _t: None)) for _ in range(2)]
            await asyncio.gather(first, *rest)

        asyncio.run(one_by_one())
        return state._commits - before

    asyncio.run(together(3))
    state._last_group = 3
    assert commits_of_works_that_come_one_by_one() == 1
    assert state._last_group == 3
    state._last_commit = 0.0
    state.write_blocking(lambda _t: None)
    assert state._last_group == 1  # who is alone waits for nobody the next time
