"""SIGTERM for a container that is slow to begin, by processes that stand in for its start."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from wildsage.compute import process as process_module
from wildsage.compute.limits import Confinement
from wildsage.compute.process import ContainerProcess


@pytest.fixture
def starting(monkeypatch):
    """A container whose outermost process runs, and what tells it of the leader."""
    monkeypatch.setattr(process_module, "_PATIENCE_SECONDS", 0.05)
    status, report = os.pipe()
    outermost = subprocess.Popen(["sleep", "60"])
    container = ContainerProcess(outermost, status, Confinement((), {}, {}))
    yield container, lambda leader: os.write(report, json.dumps({"child-pid": leader}).encode() + b"\n")
    outermost.kill()
    outermost.wait()
    container.release()
    os.close(report)


LEADER = """\
import signal, subprocess, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
sys.stdin.readline()
command = subprocess.Popen(["sleep", "60"], preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM]))
sys.exit(128 - command.wait())
"""


@pytest.fixture
def leader():
    """A process that takes no notice of SIGTERM, and starts a command when it reads a line."""
    argv = [sys.executable, "-c", LEADER]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True) as started:
        yield started
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)


def test_sigterm_is_sent_when_the_command_is_there_however_late(starting, leader):
    container, tell = starting
    assert container.terminate() is False, "nobody knows whom to tell"
    tell(leader.pid)
    assert container.terminate() is False, "only the first process of the namespace is there"
    leader.stdin.write(b"go\n")
    leader.stdin.flush()
    process_module._PATIENCE_SECONDS = 10.0
    assert container.terminate() is True
    assert leader.wait(10) == 128 + signal.SIGTERM, "the command ended by the signal"


def test_after_the_end_there_is_nobody_to_tell(starting):
    container, _ = starting
    container._process.kill()
    container._process.wait()
    assert container.terminate() is True
