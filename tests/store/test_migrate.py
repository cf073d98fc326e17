"""Upgrades: a copy before them, none of them half, none of them backwards."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from wildsage.store import migrate as module
from wildsage.store.database import Database
from wildsage.store.migrate import NewerSchemaError, copy_database, migrate, newest_schema, schema_of

TAG = "INSERT INTO tag (arn, key, value) VALUES ('arn', 'k', 'v')"

# Upgrades copies of a database, and kills itself at the first, second, ... statement of each. Forks, because it has
# one thread; the test's own process has more.
KILL = """
import json, os, shutil, sqlite3, sys
from pathlib import Path
from wildsage.store.migrate import migrate

old, folder = Path(sys.argv[1]), Path(sys.argv[2])
number, code = 0, None
while code != 0:
    number += 1
    path = folder / str(number) / "state.db"
    path.parent.mkdir()
    shutil.copy(old, path)
    child = os.fork()
    if not child:
        left = [number]

        def count(statement):
            left[0] -= 1
            if not left[0]:
                os._exit(9)

        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")  # a kill is no power cut
        connection.set_trace_callback(count)
        migrate(connection, path, "state")
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9), code
print(number - 1)
"""


def schema(path):
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    tags = connection.execute("SELECT arn, key, value FROM tag").fetchall()
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    versions = connection.execute("SELECT version FROM schema_version ORDER BY version").fetchall()
    connection.close()
    return rows, tags, versions


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A database of the first schema, with a row."""
    path = tmp_path / "old" / "state.db"
    path.parent.mkdir()
    first = module._scripts("state")[:1]
    with monkeypatch.context() as patch:
        patch.setattr(module, "_scripts", lambda _: first)
        database = Database(path, "state")
        database.write_blocking(lambda t: t.execute(TAG))
        database.close()
    return path


def test_a_new_database_has_the_newest_schema_and_no_copy(tmp_path):
    Database(tmp_path / "x.db", "state").close()
    Database(tmp_path / "x.db", "state").close()
    assert schema_of(tmp_path / "x.db") == newest_schema("state")
    assert not (tmp_path / "upgrades").exists()


def test_an_upgrade_leaves_a_copy_of_what_was(old):
    before = schema(old)
    Database(old, "state").close()
    assert schema_of(old) == newest_schema("state")
    copy = old.parent / "upgrades" / "state-schema-1.db"
    assert schema(copy) == before
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_an_upgrade_without_room_for_its_copy_changes_nothing(old, monkeypatch):
    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(module, "copy_database", full)
    with pytest.raises(sqlite3.OperationalError):
        Database(old, "state")
    assert schema_of(old) == 1


def test_an_upgrade_killed_at_any_statement_goes_on(old, tmp_path):
    straight = tmp_path / "straight" / "state.db"
    straight.parent.mkdir()
    shutil.copy(old, straight)
    Database(straight, "state").close()
    expected = schema(straight)
    killed = tmp_path / "killed"
    killed.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", KILL, str(old), str(killed)], capture_output=True, text=True, check=True
    )
    statements = int(done.stdout)
    assert statements > 20
    for number in range(1, statements + 1):
        path = killed / str(number) / "state.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            migrate(connection, path, "state")
        assert schema(path) == expected, number
        for copy in (path.parent / "upgrades").iterdir():
            assert schema(copy)[1] == [("arn", "k", "v")]


def test_a_copy_that_was_killed_is_made_again(old):
    leftover = old.parent / "upgrades" / ".state-schema-1.db.incomplete"
    leftover.parent.mkdir()
    leftover.write_bytes(b"half")
    Database(old, "state").close()
    assert [path.name for path in leftover.parent.iterdir()] == ["state-schema-1.db"]


def test_a_newer_state_is_refused_with_both_numbers_and_left_as_it_is(tmp_path):
    path = tmp_path / "state.db"
    Database(path, "state").close()
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO schema_version (version) VALUES (9999)")
    connection.commit()
    with pytest.raises(
        NewerSchemaError, match=f"its schema is 9999, this one knows {newest_schema('state')}"
    ):
        migrate(connection, path, "state")
    connection.close()
    assert schema_of(path) == 9999


def test_what_is_no_database_has_no_schema(tmp_path):
    assert schema_of(tmp_path / "absent.db") == 0
    (tmp_path / "empty.db").touch()
    assert schema_of(tmp_path / "empty.db") == 0
    (tmp_path / "text.db").write_text(json.dumps({"a": 1}) * 100)
    with pytest.raises(sqlite3.DatabaseError):
        schema_of(tmp_path / "text.db")


def test_a_copy_has_what_is_still_in_the_log(tmp_path):
    database = Database(tmp_path / "state.db", "state")
    database.write_blocking(lambda t: t.execute(TAG))
    connection = sqlite3.connect(database.path)
    copy_database(connection, tmp_path / "copies" / "copy.db")
    connection.close()
    database.close()
    assert schema(tmp_path / "copies" / "copy.db")[1] == [("arn", "k", "v")]
