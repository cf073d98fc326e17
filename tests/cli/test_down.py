"""`wildsage down` returns when the next server can have the data directory."""

import subprocess
import sys

from tests.clients.support import say_server

from wildsage.cli.main import main
from wildsage.upkeep.ending import end_server

# Says that it is gone before it has let go of the data directory, as every server does.
SERVER = """
import fcntl, json, os, pathlib, signal, socket, sys, time
root = pathlib.Path(sys.argv[1])
lock = open(root / "server.lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
listener = socket.create_server(("127.0.0.1", 0))
said = {"url": f"http://127.0.0.1:{listener.getsockname()[1]}", "pid": os.getpid(), "account": "1", "region": "r"}
(root / "server.json").write_text(json.dumps(said))
print("ready", flush=True)
signal.sigwait([signal.SIGTERM])
listener.close()
(root / "server.json").unlink()
time.sleep(0.3)
(root / "closed").touch()
"""


def test_it_waits_for_the_end_of_the_process(layout, capsys):
    command = [sys.executable, "-c", SERVER, str(layout.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        assert main(["down", "--data-dir", str(layout.root)]) == 0
        assert (layout.root / "closed").exists()
    assert "Wildsage is down." in capsys.readouterr().out


def test_a_process_that_is_gone_already_is_no_error(layout, server, capsys):
    say_server(layout, server.port)
    said = layout.server.read_text()
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    layout.server.write_text(said.replace('"pid": 1', f'"pid": {gone.pid}'))
    layout.lock.touch()
    assert main(["down", "--data-dir", str(layout.root)]) == 0
    assert capsys.readouterr().out == "Wildsage is down.\n"


def test_all_where_nothing_runs_says_so(layout, capsys):
    assert main(["down", "--all", "--data-dir", str(layout.root)]) == 0
    assert capsys.readouterr().out == f"Nothing of {layout.root} is running.\n"


# Holds the data directory, answers connections, and does nothing when it is asked to end.
HANGING = """
import fcntl, os, pathlib, signal, sys
root = pathlib.Path(sys.argv[1])
lock = open(root / "server.lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
lock.write(f"{os.getpid()}")
lock.flush()
(root / "server.json").write_text("{}")
signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True))
print("ready", flush=True)
while True:
    signal.pause()
"""


def test_a_server_that_hangs_is_killed_by_all_and_by_nothing_less(layout, capsys, monkeypatch):
    monkeypatch.setattr(end_server, "__kwdefaults__", {"kill": False, "patience": 0.2})
    command = [sys.executable, "-c", HANGING, str(layout.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        assert main(["down", "--data-dir", str(layout.root)]) == 1
        assert process.stdout.readline() == b"asked\n"
        said = capsys.readouterr().err
        assert f"the server (process {process.pid}) has not ended" in said
        assert "`wildsage down --all` kills it" in said
        assert main(["down", "--all", "--data-dir", str(layout.root)]) == 0
        assert process.wait(5) == -9
    assert "Wildsage is down." in capsys.readouterr().out
    assert not layout.server.exists()


def test_where_nothing_runs_it_says_how_to_start(layout, capsys):
    assert main(["down", "--data-dir", str(layout.root)]) == 1
    assert "start it with `wildsage up -d" in capsys.readouterr().err
