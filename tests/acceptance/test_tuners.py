"""What the tuners of both SDKs can do besides a plain search, unmodified, on a live server."""

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.live import FOLDER, REGION, Live, until
from tests.acceptance.test_scripts import ReportWall, run_script

pytestmark = pytest.mark.acceptance

CONTAINERS = {
    "curve:1": FOLDER.parent / "containers" / "curve" / "train.py",
    "checkpointing:1": FOLDER.parent / "faults" / "checkpointing.py",
}


@pytest.fixture
def images(server: Live) -> Live:
    """A server with an image whose loss its hyperparameters decide, and one that goes on from checkpoints."""
    for name, script in CONTAINERS.items():
        server.wildsage("images", "add", name, shlex.join([sys.executable, "-S", "-u", str(script)]))
    return server


@pytest.mark.usefixtures("frameworks", "xgboost_image")
def test_sdk_v2_tuners(images: Live, sdk2: str, tmp_path: Path, report_wall: ReportWall):
    path = run_script(images, sdk2, "v2_tuners.py", tmp_path, report_wall, options=["--fast-waits"])
    found = json.loads(path.read_text())

    several = found["several"]
    of_trees = [value for value, name in by_definition(several) if name == "trees"]
    assert sorted(several["definitions"]) == ["own", "own", "trees", "trees"]
    assert several["attached"] == [["own", "trees"], several["best"]]
    assert min(several["values"]) == min(of_trees)
    assert several["estimator"].keys() >= {"eta", "num_round"}

    autotuned, script = found["autotuned"], found["autotuned script"]
    assert ranges_of(autotuned) == {"eta", "max_depth"}
    assert autotuned["static"].keys() == {"objective", "num_round", "_tuning_objective_metric"}
    assert ranges_of(script) == {"max_depth", "ccp_alpha"}
    assert script["static"]["criterion"] == '"gini"'

    parents = [{"HyperParameterTuningJobName": f"tuners-parent-{number}"} for number in range(2)]
    for name in ("identical_dataset_and_algorithm", "transfer_learning"):
        assert sorted(found[name]["parents"], key=str) == parents
    check_warm_start(found, "parent-0", "parent-1", "identical_dataset_and_algorithm", "transfer_learning")
    assert found["refused"]["Code"] == "ValidationException"
    assert "The parent tuning job [tuners-running] is InProgress" in found["refused"]["Message"]
    check_searches(found, grid=6)
    assert found["target"]["status"] == "Completed"
    assert min(found["target"]["values"]) <= 0.5
    assert sum(value <= 0.5 for value in found["target"]["values"]) == 1


@pytest.mark.usefixtures("frameworks", "xgboost_image")
def test_sdk_v3_tuners(images: Live, sdk3: str, tmp_path: Path, report_wall: ReportWall):
    path = run_script(images, sdk3, "v3_tuners.py", tmp_path, report_wall, options=["--fast-waits"])
    found = json.loads(path.read_text())
    assert found["autotuned"]["tuned"] == ["eta"]
    assert found["script-again"]["overall"] in found["script"]["jobs"] + found["script-again"]["jobs"]
    assert max(found["script-again"]["values"]) > 0.9
    check_warm_start(found, "low", "high", "identical", "transfer")
    check_searches(found, grid=4)


def by_definition(found: Mapping[str, Any]) -> list[tuple[float, str]]:
    return list(zip(found["values"], found["definitions"], strict=True))


def ranges_of(found: Mapping[str, Any]) -> set[str]:
    kinds = found["config"]["ParameterRanges"]
    return {one["Name"] for kind in kinds if kind != "AutoParameters" for one in kinds[kind]}


def check_warm_start(found: Mapping[str, Any], low: str, high: str, identical: str, transferred: str) -> None:
    """The best x is between those of the parents: a child knows it at once."""
    known = [*found[low]["values"], *found[high]["values"]]
    assert found[identical]["values"][0] < min(known)
    assert found[identical]["overall"] == found[identical]["best"]
    assert found[transferred]["overall"] is None
    assert min(found[transferred]["values"]) < min(known)


def check_searches(found: Mapping[str, Any], *, grid: int) -> None:
    assert (len(found["grid"]["jobs"]), min(found["grid"]["values"])) == (grid, 0)
    early = found["early"]
    assert early["statuses"] == ["Completed"] * 3 + ["Stopped"] * 2
    assert early["values"][4] > 36, "it would have come to 36"
    assert len(found["hyperband"]["jobs"]) == 8
    assert set(found["hyperband"]["statuses"]) == {"Completed", "Stopped"}
    assert found["instances"]["statuses"] == ["Completed", "Completed"]
    assert found["instances"]["values"] == pytest.approx(found["hyperband"]["values"][:2]), "of one seed"
    assert found["stopped"] == "Stopped"


@pytest.mark.parametrize("sdk", ["sdk2", "sdk3"])
def test_spot_trials_go_on_from_checkpoints_of_their_own(
    images: Live, sdk: str, tmp_path: Path, request: pytest.FixtureRequest
):
    python, name = request.getfixturevalue(sdk), f"tuner-spot-{sdk}"
    sagemaker, s3 = images.client("sagemaker"), images.client("s3")
    script = str(FOLDER / "scripts" / f"v{sdk[-1]}_tuner_spot.py")
    tune = images.start(python, script, name, cwd=tmp_path)

    def trials() -> list[str]:
        found = sagemaker.list_training_jobs(NameContains=name)["TrainingJobSummaries"]
        return sorted(one["TrainingJobName"] for one in found)

    def described(trial: str) -> dict[str, Any]:
        job: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=trial)
        return job

    def is_stored(trial: str) -> bool:
        bucket, _, key = described(trial)["CheckpointConfig"]["S3Uri"].removeprefix("s3://").partition("/")
        assert key == f"{name}/{trial}"
        return "Contents" in s3.list_objects_v2(Bucket=bucket, Prefix=f"{key}/step-3")

    try:
        until(lambda: len(trials()) == 2, "the trials", seconds=60)
        for trial in trials():
            until(lambda trial=trial: is_stored(trial), f"the checkpoint of {trial}", seconds=60)
            assert "goes on" in images.wildsage("interrupt", trial, "--region", REGION)
        stdout, stderr = tune.communicate(timeout=120)
    finally:
        if tune.poll() is None:
            tune.terminate()
            tune.communicate(timeout=30)
    assert tune.returncode == 0, stdout + stderr
    assert f"best: {trials()[0]}" in stdout
    for trial in trials():
        job = described(trial)
        assert job["TrainingJobStatus"] == "Completed"
        assert job["RetryStrategy"] == {"MaximumRetryAttempts": 2}
        passed = [step["Status"] for step in job["SecondaryStatusTransitions"]]
        assert passed.count("Interrupted") == 1
        (loss,) = [one["Value"] for one in job["FinalMetricDataList"] if one["MetricName"] == "loss"]
        assert loss == 5.25
        logged = images.wildsage("logs", trial, "--region", REGION)
        assert [line for line in ("from step 0", "from step 4") if line in logged] == [
            "from step 0", "from step 4",
        ]  # fmt: skip
