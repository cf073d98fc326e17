"""Bring a database to the newest schema, and refuse one that a newer Wildsage has changed.

Each numbered file of a folder below ``migrations/`` runs once, in a transaction of its own with the number that
says so: an interrupted upgrade goes on at the next start where it was. Numbers may have gaps, which later files
may fill. Before the first change the database is
copied to ``upgrades/NAME-schema-N.db`` beside it, for whoever wants to go back.
"""

import os
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

UPGRADES = "upgrades"
"""Beside a database: copies from before its upgrades."""


class NewerSchemaError(RuntimeError):
    """A newer Wildsage has changed the database: this one would not understand it."""


def newest_schema(folder: str) -> int:
    """Return the number of the schema that this Wildsage writes."""
    return _scripts(folder)[-1][0]


def schema_of(path: Path) -> int:
    """Return the number of a database's schema; 0 where it has none or is not there. Changes nothing.

    Raises
    ------
    sqlite3.DatabaseError
        If the file is no database.
    """
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").fetchone() is None:
            return 0
        return _current(connection)


def check_schema(current: int, folder: str) -> None:
    """Refuse a schema that is newer than ours.

    Raises
    ------
    NewerSchemaError
        With both numbers.
    """
    newest = newest_schema(folder)
    if current > newest:
        raise NewerSchemaError(
            f"the {folder} was written by a newer Wildsage (its schema is {current}, this one knows {newest}):"
            " upgrade this one"
        )


def migrate(connection: sqlite3.Connection, path: Path, folder: str) -> None:
    """Bring a database to the newest schema.

    Parameters
    ----------
    connection
        Open on the file at `path`; nobody else writes it.
    folder
        Which numbered files make the schema.

    Raises
    ------
    NewerSchemaError
        If the database was written by a newer Wildsage.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
    current = _current(connection)
    check_schema(current, folder)
    applied = {row[0] for row in connection.execute("SELECT version FROM schema_version")}
    missing = [(number, script) for number, script in _scripts(folder) if number not in applied]
    if missing and current:
        copy_database(connection, path.parent / UPGRADES / f"{path.stem}-schema-{current}.db")
    for number, script in missing:
        sql = script.read_text()
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{sql}\nINSERT INTO schema_version (version) VALUES ({number});\nCOMMIT;"
        )


def copy_database(connection: sqlite3.Connection, target: Path) -> None:
    """Copy a whole database as of one moment, durably; `target` appears when it is complete."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.incomplete")
    _remove(temporary)  # of a process that was killed
    temporary.touch(mode=0o600)
    try:
        with closing(sqlite3.connect(temporary)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, whatever the original has beside it
        _sync(temporary)
        temporary.rename(target)
        _sync(target.parent)
    finally:
        _remove(temporary)


def _remove(database: Path) -> None:
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()


def _scripts(folder: str) -> Sequence[tuple[int, Traversable]]:
    return sorted(
        (
            (int(found[1]), entry)
            for entry in (files("wildsage.store.migrations") / folder).iterdir()
            if (found := re.fullmatch(r"(\d{4})_\w+\.sql", entry.name))
        ),
        key=lambda item: item[0],
    )


def _current(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT MAX(version) FROM schema_version").fetchone()
    return row[0] or 0


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
