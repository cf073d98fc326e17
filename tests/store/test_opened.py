"""A data directory is open as a whole, or not at all."""

import sqlite3

import pytest

from wildsage.store.layout import Layout
from wildsage.store.opened import OpenStore

ACCOUNT = "123456789012"


@pytest.fixture
def layout(tmp_path):
    made = Layout(tmp_path / "data")
    made.make()
    return made


def test_what_was_written_is_there_when_it_is_opened_again(layout):
    with OpenStore(layout, ACCOUNT) as store:
        key = store.owner
        store.state.write_blocking(lambda t: t.execute("CREATE TABLE mine (x)"))
    assert not list(layout.root.glob("*-wal"))
    with OpenStore(layout, ACCOUNT) as store:
        assert store.owner == key
        assert store.state.read("SELECT x FROM mine") == []


@pytest.mark.parametrize(
    ("damaged", "error"),
    [
        (lambda layout: layout.credentials.write_text("{"), ValueError),
        (lambda layout: layout.telemetry_database.write_bytes(b"x" * 8192), sqlite3.DatabaseError),
        (lambda layout: (layout.objects.rmdir(), layout.objects.touch()), OSError),
    ],
)
def test_where_one_part_refuses_nothing_stays_open(layout, damaged, error):
    damaged(layout)
    with pytest.raises(error):
        OpenStore(layout, ACCOUNT)
    assert not list(layout.root.glob("state.db-wal"))
