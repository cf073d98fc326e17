"""The journal and the exit record on a disk that is full."""

import errno
import os

import pytest

from wildsage.supervisor import run as run_module
from wildsage.supervisor.contract import ExitRecord, JobFile, Program, archived_outputs
from wildsage.supervisor.folder import RunFolder
from wildsage.supervisor.journal import Journal
from wildsage.supervisor.run import Ended, Run


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def kinds(folder):
    return [(event.sequence, event.kind) for event in folder.events()]


@pytest.mark.parametrize("taken", [None, 0, 5])
def test_an_event_that_finds_no_space_comes_before_the_next(folder, monkeypatch, taken):
    journal = Journal(folder.path / "journal.jsonl")
    journal.write("started")
    write = os.write

    def full(file, data):
        if taken is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data[:taken])

    monkeypatch.setattr(os, "write", full)
    journal.write("downloading")
    journal.write("launched")
    assert kinds(folder) == [(1, "started")]
    monkeypatch.undo()
    journal.flush()
    assert kinds(folder) == [(1, "started"), (2, "downloading"), (3, "launched")]
    journal.write("exited")
    assert kinds(folder)[-1] == (4, "exited")


def test_a_journal_goes_on_behind_its_last_whole_line(folder):
    path = folder.path / "journal.jsonl"
    Journal(path).write("started")
    with path.open("ab") as file:
        file.write(b'{"sequence": 2, "at"')
    Journal(path).write("launched")
    assert kinds(folder) == [(1, "started"), (2, "launched")]


def new_run(folder):
    outputs = archived_outputs(compressed=True)
    job = JobFile("r", "train", Program((), {}), "", "", "", "", outputs=outputs)
    (folder.path / "job.json").write_text(job.to_json())
    return Run(folder.path)


def test_the_exit_record_waits_for_space(folder, monkeypatch):
    """Without it the server would launch a run again that has ended well."""
    run = new_run(folder)
    monkeypatch.setattr(run, "_record", lambda: ExitRecord("completed", 1.0, exit_code=0))
    write, attempts = run_module.write_durably, []

    def full(path, text):
        attempts.append(path.name)
        if len(attempts) < 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, text)

    monkeypatch.setattr(run_module, "write_durably", full)
    monkeypatch.setattr(run_module, "_FULL_DISK_SECONDS", 0.0)
    run.carry()
    assert attempts == ["exit.json"] * 4
    assert folder.exit_record().outcome == "completed"


@pytest.mark.parametrize(
    ("before", "after"), [("completed", "disk_full"), ("stopped", "disk_full"), ("failed", "failed")]
)
def test_artifacts_that_find_no_space_end_the_run_and_free_what_they_took(folder, monkeypatch, before, after):
    """Not as a platform error: a second run would fill the disk again."""

    def full(_ml, out, _outputs, _sent):
        (out / "model.tar.gz").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_module, "take", full)
    run = new_run(folder)
    monkeypatch.setattr(run, "stage", lambda: None)
    monkeypatch.setattr(
        run, "_contain", lambda: Ended(7, None, 2.0, out_of_memory=False, log_tail=(), at=1.0)
    )
    monkeypatch.setattr(run, "_judge", lambda _: ExitRecord(before, 1.0, exit_code=7, billable_seconds=2.0))
    record = run.carry()
    assert (record.outcome, record.exit_code, record.billable_seconds) == (after, 7, 2.0)
    if after == "disk_full":
        assert "disk is full (No space left on device): the artifacts could not be packed" in record.message
    assert not folder.out.exists()


def test_inputs_that_find_no_space_end_the_run(folder, monkeypatch):
    run = new_run(folder)

    def full():
        raise OSError(errno.EDQUOT, "Disk quota exceeded", "/some/path")

    monkeypatch.setattr(run, "stage", full)
    record = run.carry()
    assert record.outcome == "disk_full"
    assert "/some/path" not in record.message
