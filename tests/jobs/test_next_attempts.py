"""What an attempt that was lost has cost."""

import os
import time

import pytest

from wildsage.jobs.next_attempts import seconds_of_lost
from wildsage.supervisor.contract import JOURNAL_FILE, JobFile, Program
from wildsage.supervisor.folder import RunFolder
from wildsage.supervisor.journal import Journal


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path / "run")
    program = Program(("true",), {})
    log = str(tmp_path / "log")
    made.write_job(JobFile("run", "train", program, "http://127.0.0.1:9", "eu-west-1", "", log), "secret")
    return made


def test_a_container_that_never_ran_cost_nothing(folder, tmp_path):
    (tmp_path / "log").touch()
    assert seconds_of_lost(folder) == 0
    Journal(folder.path / JOURNAL_FILE).write("started")
    assert seconds_of_lost(folder) == 0


def test_it_ran_until_its_last_line_not_until_somebody_noticed(folder, tmp_path):
    Journal(folder.path / JOURNAL_FILE).write("launched")
    assert seconds_of_lost(folder) == 0, "no log"
    (tmp_path / "log").touch()
    os.utime(tmp_path / "log", (time.time() + 30,) * 2)
    assert seconds_of_lost(folder) == pytest.approx(30, abs=5)
    os.utime(tmp_path / "log", (1, 1))
    assert seconds_of_lost(folder) == 0, "the last line is of an earlier attempt"
