"""What stands against a start is one line."""

import json
import os
import socket
import sqlite3
import subprocess
import sys

import pytest

from wildsage import __version__
from wildsage.cli.console import CommandError
from wildsage.cli.main import main
from wildsage.cli.server import Wishes, data_directory, serve
from wildsage.store.database import Database
from wildsage.store.layout import Layout
from wildsage.supervisor.liveness import LOCK_FILE, take_lock


def start(layout, **wishes):
    with pytest.raises(CommandError) as caught:
        serve(Wishes(layout.root, port=0, **wishes), on_ready=lambda _server: None)
    return str(caught.value)


@pytest.fixture
def empty(tmp_path):
    layout = Layout(tmp_path / "data")
    layout.make()
    return layout


def test_a_damaged_key_is_told(empty):
    empty.credentials.write_text("{")
    assert f"{empty.credentials} is damaged" in start(empty)


def test_a_state_of_a_newer_version_is_told(empty):
    Database(empty.state_database, "state").close()
    with sqlite3.connect(empty.state_database) as connection:
        connection.execute("INSERT INTO schema_version (version) VALUES (9999)")
    connection.close()
    assert "newer Wildsage" in start(empty)


@pytest.mark.parametrize("rate", ["often", "-1", "36001", "nan"])
def test_a_rate_that_is_none_is_told(empty, capsys, rate):
    with pytest.raises(SystemExit):
        main(["up", "--data-dir", str(empty.root), "--spot-interruptions", rate])
    assert f"{rate!r} is no rate: give 0 to 36000 interruptions an hour" in capsys.readouterr().err


def test_a_database_that_is_none_is_told(empty):
    empty.state_database.write_bytes(b"x" * 8192)
    assert f"cannot serve {empty.root}: file is not a database" in start(empty)


@pytest.mark.parametrize("content", ["", "[]", '{"account": "123456789012"}', '{"port": "x"}'])
def test_damaged_settings_are_told(empty, content):
    empty.settings.write_text(content)
    assert f"{empty.settings} is damaged" in start(empty)


def test_another_account_is_told(empty):
    empty.settings.write_text(json.dumps({"account": "1" * 12, "region": "us-east-1", "port": 1}))
    assert "belongs to account 111111111111, not 222222222222" in start(empty, account="2" * 12)


def test_the_default_port_gives_way_and_a_chosen_one_does_not(empty, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        monkeypatch.setattr("wildsage.cli.server._DEFAULT_PORT", taken)
        # A start that fails, but after its port is decided.
        empty.credentials.write_text("{")
        with pytest.raises(CommandError, match="damaged"):
            serve(Wishes(empty.root), on_ready=lambda _server: None)
        assert json.loads(empty.settings.read_text())["port"] not in (0, taken)
        with pytest.raises(CommandError, match=f"port {taken} of 127.0.0.1 is in use"):
            serve(Wishes(empty.root, port=taken), on_ready=lambda _server: None)


def test_a_server_does_not_move_while_containers_know_its_port(empty):
    empty.settings.write_text('{"account": "123456789012", "region": "us-east-1", "port": 4321}')
    (empty.runs / "run").mkdir()
    lock = take_lock(empty.runs / "run" / LOCK_FILE)
    try:
        assert "1 containers (jobs, endpoint workers) run and know this server at port 4321" in start(empty)
    finally:
        os.close(lock)


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_a_port_that_is_none_is_told(empty, capsys, port):
    with pytest.raises(SystemExit):
        main(["up", "--data-dir", str(empty.root), f"--port={port}"])
    assert f"'{port}' is no port: give 1 to 65535" in capsys.readouterr().err


def test_the_owner_of_a_data_directory_is_ended_by_its_own_command(empty):
    with data_directory(empty):
        assert f"`wildsage down --data-dir {empty.root}`" in start(empty)


def test_a_terminated_server_closes_its_store(tmp_path):
    layout = Layout(tmp_path / "data")
    command = [sys.executable, "-m", "wildsage", "up", "--port", "0", "--data-dir", str(layout.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert "Wildsage is up" in server.stdout.readline()
        assert layout.server.exists()
        server.terminate()
        assert server.wait(20) == 0
    assert not layout.server.exists()
    assert not list(layout.root.glob("*-wal"))


LISTENER = """
import fcntl, pathlib, socket, sys
if len(sys.argv) > 1:
    lock = open(pathlib.Path(sys.argv[1]) / "server.lock", "w")
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("is_server", [False, True])
def test_a_port_in_use_names_its_owner(empty, tmp_path, is_server):
    other = Layout(tmp_path / "the other")
    other.make()
    words = [sys.executable, "-c", LISTENER, *([str(other.root)] if is_server else [])]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        port = int(owner.stdout.readline())
        with pytest.raises(CommandError) as caught:
            serve(Wishes(empty.root, port=port), on_ready=lambda _server: None)
    said = str(caught.value)
    assert f"port {port} of 127.0.0.1 is in use by" in said
    assert f"process {owner.pid}" in said
    assert sys.executable in said
    assert "--port" in said
    assert ("the Wildsage server of" in said) is is_server
    assert (f"wildsage down --data-dir '{other.root}'" in said) is is_server


@pytest.mark.parametrize("detach", [["-d"], []])
@pytest.mark.parametrize("place", ["/proc/nope", "{file}", "{file}/below"])
def test_a_folder_that_cannot_hold_state_is_told(tmp_path, capsys, detach, place):
    (tmp_path / "file").touch()
    place = place.format(file=tmp_path / "file")
    assert main(["up", *detach, "--data-dir", place]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"wildsage: cannot keep state in {place}: ")
    assert said.count("\n") == 1


def test_a_newer_state_is_refused_with_versions_and_a_way_back_and_left_alone(empty):
    Database(empty.state_database, "state").close()
    with sqlite3.connect(empty.state_database) as connection:
        connection.execute("INSERT INTO schema_version (version) VALUES (9999)")
    connection.close()
    settings = json.dumps({"account": "1" * 12, "region": "us-east-1", "port": 1, "version": "9.8.7"})
    empty.settings.write_text(settings)
    copy = empty.upgrades / "state-schema-5.db"
    empty.upgrades.mkdir()
    copy.touch()
    said = start(empty)
    for part in (
        "its schema is 9999",
        "Wildsage 9.8.7",
        f"this is {__version__}",
        str(copy),
        "wildsage restore",
    ):
        assert part in said
    assert empty.settings.read_text() == settings
