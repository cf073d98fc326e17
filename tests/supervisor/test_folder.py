"""The server's side of a run's folder."""

import fcntl
import json
import os

import pytest

from wildsage.supervisor.contract import (
    Channel,
    InputObject,
    JobFile,
    Limits,
    Mount,
    Output,
    Program,
    archived_outputs,
)  # fmt: skip
from wildsage.supervisor.folder import RunFolder
from wildsage.supervisor.liveness import RunInUseError, take_lock


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run-1")


def a_job(**changes):
    values = {
        "run_id": "run-1",
        "purpose": "train",
        "program": Program(("train",), {"A": "ä"}, (Mount("/a", "/b", writable=True),), "/opt/ml"),
        "endpoint_url": "http://127.0.0.1:1",
        "region": "eu-west-1",
        "credentials_url": "http://127.0.0.1:1/credentials",
        "log_path": "/tmp/log",
        "channels": (Channel("train", (InputObject("b", "k", "k", 3, "e"),)),),
        "limits": Limits(1.5, 1 << 30, 99),
    }
    return JobFile(**{**values, **changes})


def test_a_job_reads_back_equal(folder):
    job = a_job(
        model=(InputObject("b", "m", "m", 1, "e"),),
        config_files={"config/x.json": "{}"},
        outputs=(Output("out", "0"),),
    )
    folder.write_job(job, "secret")
    assert folder.job() == job
    assert (folder.path / "token").stat().st_mode & 0o777 == 0o600
    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_a_secret_that_hosts_share_is_where_the_container_finds_it(folder):
    folder.write_job(a_job(), "secret", "shared")
    place = folder.path / "run" / "peers"
    assert place.read_text() == "shared"
    assert place.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("compressed", [True, False])
def test_a_job_file_of_the_first_release_is_read(compressed):
    """It knew training jobs and workers of endpoints only."""
    raw = json.loads(a_job().to_json())
    for name in ("folders", "outputs", "message_path"):
        del raw[name]
    for channel in raw["channels"]:
        del channel["target"]
    raw |= {"compress_output": compressed, "config_files": {"hyperparameters.json": "{}"}}
    assert JobFile.from_json(json.dumps(raw)) == a_job(
        outputs=archived_outputs(compressed=compressed),
        config_files={"input/config/hyperparameters.json": "{}"},
    )
    assert JobFile.from_json(json.dumps({**raw, "purpose": "serve"})).outputs == ()


def test_a_run_that_never_started_is_not_alive_and_has_no_events(folder):
    folder.write_job(a_job(), "secret")
    assert not folder.is_alive()
    assert folder.events() == []
    assert folder.exit_record() is None


def test_the_lock_is_the_sign_of_life(folder):
    folder.write_job(a_job(), "secret")
    descriptor = take_lock(folder.path / "lock")
    assert folder.is_alive()
    assert folder.is_alive()
    os.close(descriptor)
    assert not folder.is_alive()


def test_a_second_supervisor_is_refused(folder, monkeypatch):
    monkeypatch.setattr("wildsage.supervisor.liveness._PATIENCE_SECONDS", 0.05)
    folder.write_job(a_job(), "secret")
    descriptor = take_lock(folder.path / "lock")
    with pytest.raises(RunInUseError, match="carries this run"):
        folder.launch()
    os.close(descriptor)


def test_a_probing_reader_does_not_keep_a_supervisor_out(folder):
    folder.write_job(a_job(), "secret")
    probe = os.open(folder.path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(probe, fcntl.LOCK_SH)
    os.close(probe)
    os.close(take_lock(folder.path / "lock"))


def test_events_continue_behind_a_sequence_and_stop_at_a_torn_line(folder):
    folder.write_job(a_job(), "secret")
    lines = [json.dumps({"sequence": n, "at": n, "kind": "started", "detail": {}}) for n in (1, 2, 3)]
    (folder.path / "journal.jsonl").write_text("\n".join(lines) + "\n" + '{"sequence": 4, "a')
    assert [event.sequence for event in folder.events()] == [1, 2, 3]
    assert [event.sequence for event in folder.events(2)] == [3]


def test_the_first_reason_to_stop_stays(folder):
    folder.write_job(a_job(), "secret")
    folder.request_stop("max_wait")
    folder.request_stop()
    assert json.loads((folder.path / "stop").read_text()) == {"reason": "max_wait"}


def test_delete_removes_folders_that_are_closed_one_in_another(ordinary):
    folder = RunFolder(ordinary / "run-1")
    folder.write_job(a_job(), "secret")
    inner = folder.ml / "model" / "closed" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    (inner / "alias").symlink_to(ordinary)
    for path in (inner / "file", inner, inner.parent, inner.parent.parent):
        path.chmod(0)
    folder.delete()
    assert not folder.path.exists()
    folder.delete()
    assert list(ordinary.iterdir()) == []


def test_delete_removes_folders_nested_deeper_than_any_path(folder):
    folder.write_job(a_job(), "secret")
    here = os.open(folder.ml, os.O_PATH)
    for _ in range(3000):
        os.mkdir("deeper", dir_fd=here)
        below = os.open("deeper", os.O_PATH, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    folder.delete()
    assert not folder.path.exists()


def test_a_run_whose_folder_is_gone_is_not_asked_to_stop(tmp_path):
    RunFolder(tmp_path / "gone").request_stop("interrupted")
    assert not (tmp_path / "gone").exists()
