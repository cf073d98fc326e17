"""What is garbage goes, what somebody needs stays: with a server and without one."""

import asyncio
import json
import os
import time

import pytest
from tests.served import ServedApplication

from wildsage.cli.main import main
from wildsage.core.errors import ServiceError
from wildsage.core.streams import ByteStream
from wildsage.images.environments import Environments
from wildsage.images.registered import RegisteredImages
from wildsage.store.buckets import Buckets
from wildsage.store.layout import Layout
from wildsage.store.log_retention import LogRetention
from wildsage.store.logs import LogStreams
from wildsage.store.objects import Objects
from wildsage.store.resources import Key
from wildsage.store.runs import Runs
from wildsage.store.uploads import Uploads
from wildsage.supervisor.liveness import LOCK_FILE, take_lock
from wildsage.upkeep.garbage import Garbage

DAY = 86_400.0
JOB = Key("123456789012", "us-west-2", "training-job", "job")


@pytest.fixture
def house(tmp_path, state, telemetry, clock):
    layout = Layout(tmp_path)
    layout.make()
    clock.time = time.time()
    return Garbage(
        layout,
        Buckets(state, Objects(layout.objects), clock),
        LogStreams(telemetry, layout.logs),
        Environments(tmp_path / "cache"),
        clock,
    )


def collect(house, older=7 * DAY, *, dry_run=False):
    found = asyncio.run(house.collect(older, dry_run=dry_run))
    return {one.what: one.count for one in found if one.count}


def age(path, days=8):
    at = time.time() - days * DAY
    os.utime(path, (at, at))
    return path


def folder(path, days=8):
    path.mkdir(parents=True)
    (path / "file").write_text("x" * 10_000)
    return age(path, days)


def old_session(house):
    """As a later server sees what this one stored."""
    return Garbage(
        house.layout, Buckets(house.buckets.database, Objects(house.layout.objects), house.clock), house.logs,
        house.environments, house.clock,
    )  # fmt: skip


def test_nothing_is_garbage_at_first(house):
    assert collect(house) == {}


def test_an_upload_that_nobody_touched_is_aborted_and_one_that_grows_is_not(house, clock):
    async def story():
        await house.buckets.create_bucket("bucket", "1", "us-west-2")
        uploads = Uploads(house.buckets)
        for name, part_days in (("dead", 9), ("alive", 1)):
            clock.time = time.time() - 10 * DAY
            upload = await uploads.create("bucket", name, "STANDARD", {})
            clock.time = time.time() - part_days * DAY
            await uploads.put_part(upload, 1, await house.buckets.objects.put(ByteStream.of(b"part")))
        clock.time = time.time()
        return uploads

    uploads = asyncio.run(story())
    assert collect(house, dry_run=True) == {"abandoned multipart uploads": 1}
    assert collect(house) == {"abandoned multipart uploads": 1}
    assert [upload.key for upload in uploads.page("bucket", "", ("", ""), 10)] == ["alive"]
    assert len(list(house.layout.objects.glob("??/*"))) == 1
    assert collect(house) == {}


def test_content_without_an_object_goes_and_content_of_objects_or_readers_stays(house):
    async def story():
        await house.buckets.create_bucket("bucket", "1", "us-west-2")
        await house.buckets.put_bytes("bucket", "key", b"kept")
        orphan = await house.buckets.objects.put(ByteStream.of(b"orphan"))
        read = await house.buckets.objects.put(ByteStream.of(b"being read"))
        later = old_session(house)
        lease = later.buckets.objects.lease([read.id])
        counts = [
            {one.what: one.count for one in await later.collect(0, dry_run=dry_run) if one.count}
            for dry_run in (True, False)
        ]
        assert not house.layout.content(orphan.id).exists()
        assert house.layout.content(read.id).exists()
        del lease
        return counts

    expected = {"content files without an object": 1}
    assert asyncio.run(story()) == [expected, expected]
    assert asyncio.run(house.buckets.read_bytes("bucket", "key", 100)) == b"kept"


def test_what_this_server_is_just_storing_is_no_garbage(house):
    blob = asyncio.run(house.buckets.objects.put(ByteStream.of(b"no row yet")))
    assert collect(house, 0) == {}
    assert house.layout.content(blob.id).exists()


def test_folders_of_runs(house):
    runs, kept = house.layout.runs, house.layout.kept
    gone = [folder(runs / "train-gone"), folder(kept / "train-kept-long")]
    stays = [folder(runs / "train-young", 1), folder(runs / "train-alive"), folder(runs / "train-wanted")]
    stays += [folder(kept / "train-kept"), folder(kept / "train-open")]
    age(kept / "train-kept", 2)
    locks = [take_lock(path / LOCK_FILE) for path in (runs / "train-alive", kept / "train-open")]
    for path in (runs / "train-alive", kept / "train-open"):
        age(path)
    house.buckets.database.write_blocking(lambda t: Runs.queue(t, "train-wanted", JOB, 1, 0.0))
    expected = {"folders of ended runs": 1, "kept folders of failed runs": 1}
    assert collect(house, dry_run=True) == expected
    assert all(path.exists() for path in gone)
    assert collect(house) == expected
    assert [path.exists() for path in gone + stays] == [False] * 2 + [True] * 5
    for lock in locks:
        os.close(lock)


def test_logs_go_when_their_group_says_so(house, clock):
    logs = house.logs

    async def story():
        for name, days in (("short", 3), ("long", 30), ("for-ever", None)):
            stream = await logs.attach("1", "us-west-2", name, "stream", clock.time)
            await logs.append(stream, [(int((clock.time - 5 * DAY) * 1000), "a line")], clock.time)
            await logs.set_retention(logs.group("1", "us-west-2", name), days)

    asyncio.run(story())
    assert collect(house, dry_run=True) == {"log streams past their retention": 1}
    assert collect(house) == {"log streams past their retention": 1}
    sizes = {}
    for name in ("short", "long", "for-ever"):
        stream = logs.stream(logs.group("1", "us-west-2", name), "stream")
        sizes[name] = len(logs.read_forward(stream, 0, 10))
    assert sizes == {"short": 0, "long": 1, "for-ever": 1}
    assert collect(house) == {}
    stream = logs.stream(logs.group("1", "us-west-2", "short"), "stream")
    asyncio.run(logs.append(stream, [(int(clock.time * 1000), "after")], clock.time))  # the stream goes on
    assert logs.stream_by_id(stream.id).last_event_ms == int(clock.time * 1000)


def test_a_log_that_is_being_written_is_left_alone(house, clock):
    import fcntl

    async def story():
        stream = await house.logs.attach("1", "us-west-2", "group", "stream", clock.time)
        await house.logs.append(stream, [(1000, "a line")], clock.time)
        return stream

    stream = asyncio.run(story())
    with stream.path.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert asyncio.run(LogRetention(house.logs).expire(stream, 10**15)) == 0
    assert stream.path.exists()


def environment(house, name, days, marker="wildsage.json"):
    path = folder(house.layout.root / "cache" / "environments" / name)
    (path / marker).write_text(json.dumps({"environment": name, "pins": []}))
    age(path / marker, days)
    return path


def test_environments_that_nobody_used_go(house):
    unused, used, mounted = (environment(house, name, days) for name, days in (("a", 8), ("b", 1), ("c", 8)))
    run = folder(house.layout.runs / "alive")
    (run / "job.json").write_text(json.dumps({"program": {"mounts": [{"source": str(mounted)}]}}))
    lock = take_lock(run / LOCK_FILE)
    try:
        assert collect(house) == {"environments": 1}
    finally:
        os.close(lock)
    assert [path.exists() for path in (unused, used, mounted)] == [False, True, True]


def test_content_of_images_that_were_removed_goes(house, tmp_path):
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "train").write_text("#!/bin/sh\n")
    (tmp_path / "image" / "train").chmod(0o755)
    images = RegisteredImages(house.layout.images)
    kept = images.content(images.add_directory("mine", tmp_path / "image"))
    left = folder(kept.parent / ".adding.123")
    age(kept)
    assert collect(house) == {"content of removed images": 1}
    assert (kept.exists(), left.exists()) == (True, False)


def test_copies_and_what_an_interrupted_backup_left_go(house):
    gone = [
        folder(house.layout.root / ".backup-1234"),
        age(_touch(house.layout.upgrades / "state-schema-1.db")),
    ]
    stays = [
        folder(house.layout.root / ".backup-5678", 0),
        _touch(house.layout.upgrades / "state-schema-2.db"),
    ]
    assert collect(house) == {"interrupted backups": 1, "copies from before upgrades": 1}
    assert [path.exists() for path in gone + stays] == [False, False, True, True]


def _touch(path):
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize(
    "members",
    [{}, {"older": -1, "dry_run": True}, {"older": "7d", "dry_run": True}, {"older": 1, "dry_run": 1}],
)
def test_a_call_that_makes_no_sense_is_refused(house, members):
    with pytest.raises(ServiceError, match="gc takes older"):
        asyncio.run(house.answer(members))


def test_the_command_asks_a_running_server_and_works_without_one(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with ServedApplication(tmp_path) as server:
        server.layout.server.write_text(
            json.dumps(
                {"url": server.url, "pid": os.getpid(), "account": "123456789012", "region": "us-west-2"}
            )
        )
        words = ["--data-dir", str(server.layout.root)]
        left = folder(server.layout.runs / "gone")
        assert main(["gc", "--dry-run", *words]) == 0
        assert "folders of ended runs  1" in capsys.readouterr().out
        assert left.exists()
        assert main(["gc", *words]) == 0
        assert not left.exists()
    server.layout.server.unlink()
    left = folder(server.layout.runs / "gone")
    assert main(["gc", "--older", "30d", *words]) == 0
    assert "There is nothing to remove." in capsys.readouterr().out
    assert main(["gc", *words]) == 0
    assert not left.exists()
    with pytest.raises(SystemExit):
        main(["gc", "--older", "soon", *words])
    assert "'soon' is no time" in capsys.readouterr().err
