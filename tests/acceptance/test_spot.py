"""Spot jobs of the SDKs, interrupted by the owner while the SDK waits: it sees one job that completes."""

import hashlib
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.acceptance.live import FOLDER, REGION, Live, until

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("sdk", ["sdk2", "sdk3"])
def test_a_spot_job_is_interrupted_while_the_sdk_waits(
    server: Live, sdk: str, tmp_path: Path, request: pytest.FixtureRequest
):
    python, prefix = request.getfixturevalue(sdk), f"spot-{sdk}"
    container = [sys.executable, "-S", "-u", str(FOLDER.parent / "faults" / "checkpointing.py")]
    server.wildsage("images", "add", "checkpointing:1", shlex.join(container))
    script = str(FOLDER / "scripts" / f"v{sdk[-1]}_spot.py")
    stdout, model = interrupted_fit(
        server, [python, script, prefix], prefix, ("step-2", "step-4", "step-7"), tmp_path
    )
    if sdk == "sdk2":
        assert "Managed Spot Training savings: " in stdout
    assert model["state"] == _chain(12)


def test_an_xgboost_script_goes_on_from_its_checkpoints(
    server: Live, sdk2: str, xgboost_image: Path, tmp_path: Path
):
    script, prefix = str(FOLDER / "scripts" / "v2_spot_xgboost.py"), "spot-xgboost"
    wanted = ("round-04.json", "round-09.json")
    stdout, model = interrupted_fit(server, [sdk2, script, prefix], prefix, wanted, tmp_path)
    assert [line for line in ("from round 0", "from round 4", "from round 9") if line in stdout] == [
        "from round 0", "from round 4", "from round 9",
    ]  # fmt: skip
    train = str(FOLDER / "scripts" / "spot_xgboost_source" / "train.py")
    environ = {"SM_CHANNEL_TRAIN": str(tmp_path), "SM_MODEL_DIR": str(tmp_path)}
    done = subprocess.run([xgboost_image, train], check=False, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert model["trees.txt"] == (tmp_path / "trees.txt").read_text(), "as without an interruption"
    assert model["trees.txt"].count("0:[") == 12


def interrupted_fit(
    server: Live, command: list[str], prefix: str, checkpoints: tuple[str, ...], folder: Path
) -> tuple[str, dict[str, str]]:
    """Run a client that waits for a spot job, interrupted when each of its checkpoints is stored.

    Returns
    -------
    What the client said, and the files of the model.
    """
    sagemaker, s3 = server.client("sagemaker"), server.client("s3")
    fit = server.start(*command, cwd=folder)

    def job() -> dict:
        found = sagemaker.list_training_jobs(NameContains=prefix)["TrainingJobSummaries"]
        return sagemaker.describe_training_job(TrainingJobName=found[0]["TrainingJobName"]) if found else {}

    def is_stored(name: str) -> bool:
        bucket, _, key = job()["CheckpointConfig"]["S3Uri"].removeprefix("s3://").partition("/")
        return "Contents" in s3.list_objects_v2(Bucket=bucket, Prefix=f"{key}/{name}")

    try:
        until(job, "the job", seconds=60)
        for name in checkpoints:
            until(lambda name=name: is_stored(name), f"the checkpoint {name}")
            assert "goes on" in server.wildsage("interrupt", job()["TrainingJobName"], "--region", REGION)
        stdout, stderr = fit.communicate(timeout=120)
    finally:
        if fit.poll() is None:
            fit.terminate()
            fit.communicate(timeout=30)
    assert fit.returncode == 0, stdout + stderr

    ended = job()
    assert ended["TrainingJobStatus"] == "Completed"
    passed = [step["Status"] for step in ended["SecondaryStatusTransitions"]]
    assert passed.count("Interrupted") == len(checkpoints)
    assert ended["BillableTimeInSeconds"] <= ended["TrainingTimeInSeconds"]
    parts = urlsplit(ended["ModelArtifacts"]["S3ModelArtifacts"])
    assert parts.geturl() in stdout
    s3.download_file(parts.netloc, parts.path.lstrip("/"), str(folder / "model.tar.gz"))
    with tarfile.open(folder / "model.tar.gz") as archive:
        files = {item.name: archive.extractfile(item) for item in archive if item.isfile()}
        return stdout, {name: file.read().decode() for name, file in files.items() if file}


def _chain(steps: int) -> str:
    state = ""
    for step in range(steps):
        state = hashlib.sha256(f"{state}{step}".encode()).hexdigest()
    return state
