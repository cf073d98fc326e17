"""What /proc shows of others."""

import os
import socket
import subprocess
import sys

from wildsage.upkeep.processes import (
    arguments_of,
    descendants,
    is_running,
    listening_on,
    processes_about,
)

PARENT = "import subprocess, sys; c = subprocess.Popen(['cat']); print(c.pid, flush=True); c.wait()"


def test_who_listens_is_found_by_its_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        owner = listening_on(listener.getsockname()[1])
        assert owner.pid == os.getpid()
        assert owner.data_dir is None
        port = listener.getsockname()[1]
    assert listening_on(port) is None


def test_a_process_its_words_and_its_children(tmp_path):
    word = str(tmp_path / "a b")
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, word], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        child = int(process.stdout.readline())
        assert arguments_of(process.pid)[-1] == word
        assert [(one.pid, one.command.endswith(f"'{word}'")) for one in processes_about(str(tmp_path))] == [
            (process.pid, True)
        ]
        assert descendants(process.pid) == [child]
        assert is_running(child)
    assert not is_running(child)
    assert arguments_of(child) == []
