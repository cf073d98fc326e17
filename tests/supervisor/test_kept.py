"""What is kept of failed runs: no secrets, no more than the limits, the newest first."""

import pytest

from wildsage.supervisor.contract import Channel, JobFile, Program
from wildsage.supervisor.folder import RunFolder
from wildsage.supervisor.kept import KeepLimits, KeptRuns, copy_inputs
from wildsage.supervisor.replay import held


@pytest.fixture
def make(tmp_path):
    (tmp_path / "runs").mkdir()

    def make(name, inputs=b"12345", model=b""):
        folder = RunFolder(tmp_path / "runs" / name)
        for place in ("ml/input/data/train", "ml/model", "run", "out", "root/tmp", "stage"):
            (folder.path / place).mkdir(parents=True)
        (folder.ml / "input/data/train/x").write_bytes(inputs)
        (folder.ml / "model/w").write_bytes(model)
        for place in ("token", "run/token", "root/tmp/secret", "stop"):
            (folder.path / place).write_text("the-token")
        return folder

    return make


@pytest.fixture
def kept(tmp_path):
    return lambda **limits: KeptRuns(tmp_path / "kept", KeepLimits(**limits))


def ids(kept):
    return [run.run_id for run in kept.list()]


def test_a_kept_run_has_opt_ml_and_no_secret(make, kept):
    folder = make("train-1.1")
    kept().keep(folder, "arn:job", 100.0)
    (run,) = kept().list()
    assert (run.run_id, run.job, run.kept_at, run.has_inputs) == ("train-1.1", "arn:job", 100.0, True)
    assert run.size >= 5
    assert (run.folder.ml / "input/data/train/x").read_bytes() == b"12345"
    assert not folder.path.exists()
    assert not [path for path in run.path.rglob("*") if path.is_file() and "the-token" in path.read_text()]


def test_large_inputs_are_not_kept(make, kept):
    kept(input_bytes=4).keep(make("train-1.1"), "arn:job", 100.0)
    (run,) = kept().list()
    assert not run.has_inputs
    assert not (run.folder.ml / "input/data").exists()
    assert (run.folder.ml / "model/w").exists()


def test_a_run_that_never_began_and_one_too_many_leave_nothing(make, kept, tmp_path):
    never = RunFolder(tmp_path / "runs" / "train-0.1")
    never.path.mkdir()
    kept().keep(never, "arn:job", 1.0)
    none = make("train-1.1")
    kept(runs=0).keep(none, "arn:job", 1.0)
    assert not never.path.exists()
    assert not none.path.exists()
    assert ids(kept()) == []


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ({"runs": 2}, ["train-3.1", "train-2.1"]),
        ({"total_bytes": 2500}, ["train-3.1", "train-2.1"]),
        ({"total_bytes": 1}, ["train-3.1"]),  # the newest stays however large it is
        ({"days": 1.0}, ["train-3.1"]),
    ],
)
def test_the_oldest_go_first(make, kept, limits, left):
    for number, day in ((1, 0), (2, 1), (3, 2)):
        kept().keep(make(f"train-{number}.1", model=bytes(1000)), f"arn:{number}", day * 86_400.0)
    kept(**limits).prune(2 * 86_400.0 + 5)
    assert ids(kept()) == left


def test_what_is_not_wanted_goes_and_what_somebody_works_in_stays(make, kept):
    for number in (1, 2):
        kept().keep(make(f"train-{number}.1"), f"arn:{number}", float(number))
    with held(kept().newest_of({"train-1.1"}).folder):
        kept().prune(3.0, lambda run: False)
        assert ids(kept()) == ["train-1.1"]
        assert not kept().remove(kept().newest_of({"train-1.1"}))
    assert kept().remove(kept().newest_of({"train-1.1"}))
    assert ids(kept()) == []


def test_what_is_no_kept_run_is_passed_over(make, kept, tmp_path):
    kept().keep(make("train-1.1"), "arn:1", 1.0)
    (tmp_path / "kept" / "torn").mkdir()
    (tmp_path / "kept" / "torn" / "kept.json").write_text('{"run_id": ')
    assert ids(kept()) == ["train-1.1"]


def test_a_run_is_kept_again_after_a_crash_in_between(make, kept):
    for _ in range(2):
        kept().keep(make("train-1.1"), "arn:1", 1.0)
    assert ids(kept()) == ["train-1.1"]


def test_copied_inputs_leave_the_kept_ones_alone(make, kept, tmp_path):
    kept().keep(make("train-1.1"), "arn:1", 1.0)
    run = kept().newest_of({"train-1.1", "train-2.1"})
    copy_inputs(run, tmp_path / "ml")
    (tmp_path / "ml/input/data/train/x").write_text("changed")
    assert (run.folder.ml / "input/data/train/x").read_bytes() == b"12345"


def test_inputs_are_kept_and_copied_wherever_they_are(make, kept, tmp_path):
    folder = make("process-1.1")
    channels = (Channel("a", target="processing/in"), Channel("b", target="processing/in/nested"))
    job = JobFile("process-1.1", "process", Program((), {}), "", "", "", "", channels=channels)
    (folder.path / "job.json").write_text(job.to_json())
    (folder.ml / "processing/in/nested").mkdir(parents=True)
    (folder.ml / "processing/in/nested/x").write_bytes(b"12345")
    (folder.ml / "processing/out").mkdir()
    kept(input_bytes=10).keep(folder, "arn:1", 1.0)  # the five bytes of a channel of training are there too
    (run,) = kept().list()
    assert run.has_inputs
    copy_inputs(run, tmp_path / "ml")
    assert (tmp_path / "ml/processing/in/nested/x").read_bytes() == b"12345"
    assert not (tmp_path / "ml/processing/out").exists()
    again = make("process-2.1")
    (run.path / "ml/processing").rename(again.ml / "processing")
    (again.path / "job.json").write_text(job.to_json())
    kept(input_bytes=9).keep(again, "arn:2", 2.0)
    assert not kept().newest_of({"process-2.1"}).has_inputs
    assert [path.name for path in (tmp_path / "kept/process-2.1/ml/processing").iterdir()] == ["out"]
