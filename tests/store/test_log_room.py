"""The write-ahead log has room before commits need it, and what is in the room is nothing."""

import resource
import shutil

import pytest

from wildsage.store.database import Database
from wildsage.store.log_room import LogRoom

PUT = "INSERT INTO tag (arn, key, value) VALUES (?, ?, ?)"


@pytest.fixture
def database(tmp_path):
    made = Database(tmp_path / "x.db", "state")
    yield made
    made.close()


def put(database, number, value="v"):
    database.write_blocking(lambda t: t.execute(PUT, ("a", str(number), value)))


def test_most_commits_overwrite(database):
    sizes = []
    for number in range(400):
        put(database, number, "v" * 1000)
        sizes.append(database.statistics().log_size)
    assert len(set(sizes)) < 10
    assert (
        sizes[-1] < 3 * 400 * 3 * 4120
    )  # three pages each: the log is no longer than about twice what it holds


def test_a_log_with_room_is_recovered_after_a_crash(database, tmp_path):
    for number in range(50):
        put(database, number)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in ("x.db", "x.db-wal"):
        shutil.copy(tmp_path / name, crashed / name)
    again = Database(crashed / "x.db", "state")
    assert again.read_one("SELECT COUNT(*) AS n FROM tag")["n"] == 50
    put(again, "after")
    again.close()
    last = Database(crashed / "x.db", "state")
    assert last.read_one("SELECT COUNT(*) AS n FROM tag")["n"] == 51
    last.close()


def test_what_is_less_durable_needs_no_room(tmp_path):
    telemetry = Database(tmp_path / "t.db", "telemetry", durable=False)
    log = tmp_path / "t.db-wal"
    before = log.stat().st_size
    telemetry.write_blocking(lambda _t: None)
    assert log.stat().st_size == before
    telemetry.close()


def test_room_is_made_once_for_each_growth(tmp_path):
    log = tmp_path / "x.db-wal"
    room = LogRoom(tmp_path / "x.db")
    room.extend()  # no log yet: nothing to do
    log.write_bytes(b"x" * 1000)
    room.extend()
    room.extend()
    assert log.read_bytes() == b"x" * 1000 + bytes(1000)
    with log.open("ab") as file:
        file.write(b"y")
    room.extend()
    assert log.stat().st_size == 2 * 2001


def test_a_disk_that_takes_no_more_is_no_failure_and_not_asked_again(tmp_path):
    log = tmp_path / "x.db-wal"
    log.write_bytes(b"x" * 1000)
    room = LogRoom(tmp_path / "x.db")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        room.extend()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    room.extend()
    assert log.stat().st_size == 1000
