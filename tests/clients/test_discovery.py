"""Where the data directory is and which server runs on it."""

from pathlib import Path

import pytest
from tests.clients.support import free_port, say_server

from wildsage.clients.discovery import ServerNotRunningError, default_data_dir, find_server, read_server


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"WILDSAGE_DATA_DIR": "/a/b", "XDG_DATA_HOME": "/x"}, Path("/a/b")),
        ({"XDG_DATA_HOME": "/x"}, Path("/x/wildsage")),
        ({"XDG_DATA_HOME": ""}, Path("~/.local/share/wildsage").expanduser()),
    ],
)
def test_the_data_directory(environ, expected):
    assert default_data_dir(environ) == expected


def test_the_server_that_runs(layout, server):
    info = find_server(layout)
    assert (info.url, info.account, info.region) == (server.url, "123456789012", "eu-west-1")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"url": "http://127.0.0.1:1"}', '{"pid": "x"}'])
def test_a_half_written_file_is_no_server(layout, content):
    layout.server.write_text(content)
    assert read_server(layout) is None


def test_a_server_that_is_gone_is_no_server(layout):
    say_server(layout, free_port())
    assert read_server(layout) is not None
    with pytest.raises(
        ServerNotRunningError, match=f"{layout.root}: start it with `wildsage up -d --data-dir"
    ):
        find_server(layout)


def test_the_command_for_the_default_directory_is_short(layout, monkeypatch):
    monkeypatch.setenv("WILDSAGE_DATA_DIR", str(layout.root))
    with pytest.raises(ServerNotRunningError, match="`wildsage up -d`"):
        find_server(layout)
