"""Functions decorated with ``@remote``, and `RemoteExecutor`, of both SDKs, unmodified."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.acceptance.live import FOLDER, Live
from tests.wheels import make_wheel

pytestmark = pytest.mark.acceptance

SCRIPT = FOLDER / "scripts" / "remote_functions.py"
# pip runs in the folder that the SDK's archive was unpacked in, and has no index to ask here.
REQUIREMENTS = "--no-index\n./sagemaker_remote_function_workspace/tinywheel-1.5-py3-none-any.whl\n"


@pytest.mark.usefixtures("sdk_environments")
@pytest.mark.parametrize(("sdk", "version"), [("sdk2", "2.257.7"), ("sdk3", "3.27.0")])
def test_functions_run_as_jobs(
    server: Live,
    sdk: str,
    version: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    report_wall: Callable[[str, float], None],
):
    python = request.getfixturevalue(sdk)
    results = tmp_path / "results.json"
    work = tmp_path / "work"
    shutil.copytree(SCRIPT.parent / "remote_source", work)
    (work / "requirements.txt").write_text(REQUIREMENTS)
    make_wheel(work, "tinywheel", "1.5")
    (work / "plain.txt").write_text("wildwords==1.0\n")
    make_wheel(Path(server.environ["PIP_FIND_LINKS"]), "wildwords", "1.0")

    finished = server.run(python, str(SCRIPT), str(results), cwd=work, options=["--fast-waits"])

    report_wall(f"remote_functions.py of {sdk} with --fast-waits: six jobs", finished.seconds)
    assert finished.outside == []
    assert "is not known" not in finished.stderr
    assert "converting 1000000 values" in finished.stdout
    assert f"; running Python 3.{sys.version_info.minor}, sagemaker {version}," in finished.stdout
    said = json.loads(results.read_text())
    assert said["converted"] is True
    assert said["said"] == {
        "tinywheel": "1.5",
        "prepared": "made before the function\n",
        "unit": "inch",
        "bucket": "sagemaker-us-west-2-123456789012",
        "role": "arn:aws:iam::123456789012:role/service-role/MySageMakerRole",
    }
    version, place = said["layered"]
    assert version == "1.0"
    assert not place.startswith("/opt/ml/"), "it comes from what was installed outside of the job"
    assert said["loss"] == 0.25
    kind, text = said["unreachable"]
    assert kind == "RuntimeEnvironmentError"
    assert "Encountered error while running pre-execution commands. Reason: no such disk" in text
    assert said["met"] == ["a", "b"]
    assert failure_of(server, "fit-") == "AlgorithmError: NoFitError(0.25), exit code: 1."


def failure_of(server: Live, prefix: str) -> str:
    """Return why the latest job of a function failed, without the next step."""
    client = server.client("sagemaker")
    jobs = client.list_training_jobs(NameContains=prefix, SortBy="CreationTime", SortOrder="Descending")
    name = jobs["TrainingJobSummaries"][0]["TrainingJobName"]
    reason = client.describe_training_job(TrainingJobName=name)["FailureReason"]
    return reason.partition(" Next step:")[0]
