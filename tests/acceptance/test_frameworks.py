"""Scripts of every framework, as the SDKs' documentation writes them, in the environments of their images."""

import json
import tarfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from tests.acceptance.live import FOLDER, Live
from tests.wheels import make_wheel

from wildsage.cli.server import default_cache_dir
from wildsage.images.environments import Environments
from wildsage.images.frameworks import environment_spec
from wildsage.images.layers import Layer

SCRIPTS = FOLDER / "scripts"
GROUP = "/aws/sagemaker/TrainingJobs"


def run_script(server: Live, python: str, name: str, folder: Path) -> Path:
    """Run one script with shorter waits in an empty folder; return the file it wrote."""
    server.run(python, str(SCRIPTS / name), str(folder / "results"), cwd=folder, options=["--fast-waits"])
    (results,) = folder.glob("results*")
    return results


def log_of(server: Live, name: str, group: str = GROUP) -> list[str]:
    logs = server.client("logs")
    (stream,) = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
    page = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)
    return [event["message"] for event in page["events"]]


@pytest.mark.acceptance
def test_sdk_v3_installs_requirements_once(server: Live, sdk3: str, frameworks: Path, tmp_path: Path):
    version = f"1.{int(time.time())}"  # the cache outlives the tests
    make_wheel(Path(server.environ["PIP_FIND_LINKS"]), "wildwords", version)
    (tmp_path / "requirements.txt").write_text(f"wildwords=={version}\n")
    layer = Layer(environment_spec("sklearn-1.2"), (f"wildwords=={version}",))
    try:
        first, second = json.loads(run_script(server, sdk3, "v3_requirements.py", tmp_path).read_text())
    finally:
        Environments(default_cache_dir()).remove(layer)
    assert "The layer sklearn-1.2+requirements is ready." in log_of(server, first)
    lines = log_of(server, second)
    assert f"imported {version}" in lines
    assert any(line.startswith(f"Requirement already satisfied: wildwords=={version}") for line in lines)
    assert not [
        line for line in lines if line.startswith(("Preparing", "Collecting", "Installing collected"))
    ]


@pytest.mark.acceptance
def test_sdk_v2_xgboost_script_from_s3(server: Live, sdk2: str, xgboost_image: Path, tmp_path: Path):
    results = np.load(run_script(server, sdk2, "v2_xgboost.py", tmp_path))
    parts = urlsplit(str(results["model"]))
    server.client("s3").download_file(parts.netloc, parts.path.lstrip("/"), str(tmp_path / "model.tar.gz"))
    with tarfile.open(tmp_path / "model.tar.gz") as archive:
        model = json.load(archive.extractfile("model.json"))
    assert model["version"] == [1, 7, 4]
    assert len(model["learner"]["gradient_booster"]["model"]["trees"]) == 20


@pytest.mark.acceptance
def test_sdk_v2_pytorch_script_with_a_dependency(
    server: Live, sdk2: str, pytorch_image: Path, tmp_path: Path
):
    make_wheel(Path(server.environ["PIP_FIND_LINKS"]), "wildwords", "1.0")
    results = np.load(run_script(server, sdk2, "v2_pytorch.py", tmp_path))
    error = np.abs(results["predictions"].ravel() - results["targets"]).mean()
    assert error < 0.3 * np.abs(results["targets"]).mean()
    name, endpoint = str(results["name"]), str(results["endpoint"])
    job = server.client("sagemaker").describe_training_job(TrainingJobName=name)
    (metric,) = job["FinalMetricDataList"]
    assert metric["MetricName"] == "loss"
    assert metric["Value"] < 0.5
    assert "trained with wildwords 1.0" in log_of(server, name)
    served = log_of(server, "AllTraffic", f"/aws/sagemaker/Endpoints/{endpoint}")
    assert any("What requirements.txt asks for is installed already" in line for line in served)
    Environments(default_cache_dir()).remove(Layer(environment_spec("pytorch-2"), ("wildwords==1.0",)))


@pytest.mark.frameworks
def test_sdk_v2_hugging_face(server: Live, sdk2: str, huggingface_image: Path, tmp_path: Path):
    answers = json.loads(run_script(server, sdk2, "v2_huggingface.py", tmp_path).read_text())
    assert [answer[0]["label"] for answer in answers] == ["good", "good", "bad", "bad"]
    assert all(0.5 < answer[0]["score"] <= 1 for answer in answers)


@pytest.mark.frameworks
def test_sdk_v2_tensorflow(server: Live, sdk2: str, tensorflow_image: Path, tmp_path: Path):
    results = json.loads(run_script(server, sdk2, "v2_tensorflow.py", tmp_path).read_text())
    predictions = np.ravel(results["answer"]["predictions"])
    np.testing.assert_allclose(predictions, results["targets"], atol=0.3)


@pytest.mark.frameworks
def test_sdk_v2_tensorflow_tuner(server: Live, sdk2: str, tensorflow_image: Path, tmp_path: Path):
    found = json.loads(run_script(server, sdk2, "v2_tensorflow_tuner.py", tmp_path).read_text())
    assert len(found["jobs"]) == 2
    assert found["best"] == found["jobs"][found["losses"].index(min(found["losses"]))]
    for name in found["jobs"]:
        assert f"model_dir {found['model_dir']}/{name}/model" in log_of(server, name)
