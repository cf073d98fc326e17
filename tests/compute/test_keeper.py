"""What a keeper makes of what it sees. The suite of the contract has it keep containers."""

import os
import subprocess

import pytest

from wildsage.compute.keeper import State, is_abandoned, started_at


@pytest.fixture
def ended():
    """A process that has ended and that nobody has waited for."""
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    yield process.pid
    process.wait()


def test_a_process_ends_before_anybody_has_waited_for_it(ended):
    assert started_at(os.getpid()).isdigit()
    assert started_at(ended) == ""
    assert started_at(4_194_305) == ""


@pytest.mark.parametrize("name", ["mine", "wildsage-2-1-1-1", "wildsage-1-", "wildsage-1-x-1-1"])
def test_what_is_not_ours_is_never_abandoned(name):
    assert not is_abandoned(name, "wildsage-1-")


def test_a_container_is_abandoned_with_the_end_of_its_launcher(ended):
    assert is_abandoned(f"wildsage-1-{ended}-7-1", "wildsage-1-")
    assert not is_abandoned(f"wildsage-1-{os.getpid()}-{started_at(os.getpid())}-1", "wildsage-1-")


def test_a_container_that_was_made_and_never_started_has_not_run():
    state = State(b'{"StartedAt": "0001-01-01T00:00:00Z", "Pid": 0, "ExitCode": 0}')
    assert (state.known, state.has_run) == (True, False)
    assert not State(b"").known
