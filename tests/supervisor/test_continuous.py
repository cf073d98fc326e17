"""Outputs that are sent while the container runs: what is finished, each version once, and nothing from elsewhere."""

import os

import pytest

from wildsage.supervisor.artifacts import take
from wildsage.supervisor.continuous import Continuous
from wildsage.supervisor.contract import Output, Program

from .conftest import eventually

OUTPUT = Output("processing/out", "0", is_continuous=True)


@pytest.fixture
def made(tmp_path):
    (tmp_path / "ml/processing/out/sub").mkdir(parents=True)
    return tmp_path / "ml/processing/out"


@pytest.fixture
def continuous(made, tmp_path):
    return Continuous((OUTPUT,), tmp_path, tmp_path / "ml")


def sent(tmp_path):
    folder = tmp_path / "sent/0"
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


def test_a_file_is_sent_when_two_looks_find_it_the_same(made, continuous, tmp_path):
    (made / "sub/x").write_text("a")
    continuous.look(OUTPUT)
    assert sent(tmp_path) == {}
    with (made / "sub/x").open("a") as file:
        file.write("b")
    continuous.look(OUTPUT)
    assert sent(tmp_path) == {}
    continuous.look(OUTPUT)
    assert sent(tmp_path) == {"sub/x": "ab"}
    assert (made / "sub/x").read_text() == "ab"


def test_a_file_that_stays_open_is_not_sent(made, continuous, tmp_path):
    with (made / "x").open("w") as file:
        file.write("a")
        file.flush()
        for _ in range(3):
            continuous.look(OUTPUT)
        assert sent(tmp_path) == {}
    continuous.look(OUTPUT)
    assert sent(tmp_path) == {"x": "a"}


def test_a_later_version_waits_until_the_first_was_taken_away(made, continuous, tmp_path):
    (made / "x").write_text("a")
    continuous.look(OUTPUT)
    continuous.look(OUTPUT)
    (made / "x").write_text("later")
    continuous.look(OUTPUT)
    continuous.look(OUTPUT)
    assert sent(tmp_path) == {"x": "a"}
    (tmp_path / "sent/0/x").unlink()
    continuous.look(OUTPUT)
    assert sent(tmp_path) == {"x": "later"}
    (tmp_path / "sent/0/x").unlink()
    continuous.look(OUTPUT)
    assert sent(tmp_path) == {}


def test_what_was_sent_is_not_taken_again_at_the_end(made, continuous, tmp_path):
    (made / "same").write_text("same")
    (made / "changed").write_text("old")
    continuous.look(OUTPUT)
    continuous.look(OUTPUT)
    (made / "changed").write_text("new and longer")
    (made / "new").write_text("new")
    (tmp_path / "out").mkdir()
    assert take(tmp_path / "ml", tmp_path / "out", (OUTPUT,), continuous.sent) == {"0": 21}
    assert {path.name for path in (tmp_path / "out/0").iterdir()} == {"changed", "new"}


def test_links_lead_nowhere(made, continuous, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/x").write_text("secret")
    (made / "file").symlink_to(tmp_path / "secret/x")
    (made / "folder").symlink_to(tmp_path / "secret")
    os.mkfifo(made / "fifo")
    for _ in range(3):
        continuous.look(OUTPUT)
    assert sent(tmp_path) == {}
    (made.parent / "out").rename(made.parent / "gone")
    made.symlink_to(tmp_path / "secret")
    for _ in range(3):
        continuous.look(OUTPUT)
    made.unlink()
    made.parent.rename(tmp_path / "ml/elsewhere")
    (tmp_path / "secret/out").mkdir()
    (tmp_path / "secret/out/x").write_text("secret")
    (tmp_path / "ml/processing").symlink_to(tmp_path / "secret")
    for _ in range(3):
        continuous.look(OUTPUT)
    assert sent(tmp_path) == {}


def test_a_full_disk_holds_nothing_up(made, continuous, tmp_path, monkeypatch):
    (made / "x").write_text("a")
    continuous.look(OUTPUT)
    with monkeypatch.context() as patch:
        patch.setattr("wildsage.supervisor.continuous.os.fsync", _full)
        continuous.look(OUTPUT)
    assert sent(tmp_path) == {}
    continuous.look(OUTPUT)
    assert sent(tmp_path) == {"x": "a"}


def _full(*_arguments):
    raise OSError(28, "No space left on device")


def test_files_leave_while_the_container_runs(run):
    place = "/opt/ml/processing/out"
    command = (
        f"echo first > {place}/first; until [ -e /opt/ml/go ]; do sleep 0.02; done; echo last > {place}/last"
    )
    program = Program(("/bin/sh", "-c", command), {})
    run.start("noop", purpose="process", program=program, outputs=(OUTPUT,))
    eventually((run.folder.sent / "0/first").exists)
    assert not (run.folder.out / "0").exists()
    (run.folder.ml / "go").touch()
    record = run.wait()
    assert (record.outcome, dict(record.artifacts)) == ("completed", {"0": 11})
    assert [path.name for path in (run.folder.out / "0").iterdir()] == ["last"]
    assert (run.folder.sent / "0/first").read_text() == "first\n"
