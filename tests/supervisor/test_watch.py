"""What comes of a container's end and a stop that meet, by a process that stands in for the container."""

import time

import pytest
from tests.supervisor.test_journal import new_run

from wildsage.supervisor.folder import RunFolder


class Stub:
    """A container that ends with 0 after some looks, and begins to listen after some others."""

    def __init__(self, looks=100, deaf=0):
        self.looks, self.deaf, self.told = looks, deaf, 0

    def wait(self, _timeout=None):
        self.looks -= 1
        return None if self.looks >= 0 else 0

    def terminate(self):
        self.told += 1
        if self.told > self.deaf:
            self.looks = 0
        return self.told > self.deaf


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def test_who_ends_by_itself_just_before_it_is_told_has_completed(folder):
    run, container = new_run(folder), Stub(looks=1)
    folder.request_stop("interrupted")
    assert run.watch(container, time.monotonic()) == (0, None)
    assert container.told == 0


def test_who_is_told_has_stopped(folder):
    run, container = new_run(folder), Stub()
    folder.request_stop("interrupted")
    assert run.watch(container, time.monotonic()) == (0, "interrupted")
    assert container.told == 1


def test_who_does_not_listen_yet_is_told_again(folder):
    run, container = new_run(folder), Stub(deaf=3)
    folder.request_stop()
    assert run.watch(container, time.monotonic()) == (0, "requested")
    assert container.told == 4
