"""An image built FROM scratch trains and is hosted, through podman and docker, for an unmodified client."""

import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.engines import compiled, imported, packed
from tests.served import REGION, ServedApplication

from wildsage.compute.containers import can_share_network
from wildsage.compute.engine import ENGINES
from wildsage.services.sagemaker import cluster_size
from wildsage.supervisor.folder import RunFolder

pytestmark = pytest.mark.engines

EXAMPLE = Path(__file__).parents[1] / "examples" / "own-container"
ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
INSTANCE = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}


@pytest.fixture(scope="module", params=[pytest.param(engine, id=engine.name) for engine in ENGINES])
def engine(request):
    if not request.param.probe().available:
        pytest.skip(f"{request.param.name}: {request.param.probe().reason}")
    return request.param


@pytest.fixture(scope="module")
def image(engine, tmp_path_factory):
    """As the how-to builds it, under the name that a registry of AWS would give it."""
    folder = tmp_path_factory.mktemp("image")
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    if compiled(folder / "mean.c", folder) is None:
        pytest.skip("no C compiler here makes static programs")
    name = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/mean-of-{engine.name}-{os.getpid()}:1"
    build = [engine.name, "build", "--quiet", "-t", name, "-f", folder / "Containerfile", folder]
    done = subprocess.run(build, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    yield name
    subprocess.run([engine.name, "image", "rm", "--force", name], check=False, capture_output=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServedApplication(tmp_path_factory.mktemp("server")) as made:
        s3 = made.client("s3")
        s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="bucket", Key="train/a.csv", Body="1\n2\n")
        s3.put_object(Bucket="bucket", Key="train/b.csv", Body="6\n")
        yield made


def channel(name):
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/train/"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def trained(sagemaker, name, image, **members):
    sagemaker.create_training_job(
        **{
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "mean", "Regex": "mean=([0-9.]+);"}],
            },
            "RoleArn": ROLE,
            "InputDataConfig": [channel("train")],
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
            "ResourceConfig": INSTANCE,
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            **members,
        }
    )
    return until(
        lambda: sagemaker.describe_training_job(TrainingJobName=name),
        lambda job: job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"),
    )


def until(look, is_over, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not is_over(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)
    return seen


@contextmanager
def hosted(sagemaker, name, image, model, **members):
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": image, "ModelDataUrl": model},
        **members,
    )
    variant = {
        "VariantName": "a",
        "ModelName": name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 2,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    described = until(
        lambda: sagemaker.describe_endpoint(EndpointName=name),
        lambda one: one["EndpointStatus"] != "Creating",
    )
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    yield
    sagemaker.delete_endpoint(EndpointName=name)


@pytest.mark.parametrize("isolated", [False, True])
def test_an_image_from_scratch_trains_and_is_hosted(server, engine, image, isolated):
    """Both workers of the endpoint listen on port 8080."""
    sagemaker, runtime = server.client("sagemaker"), server.client("sagemaker-runtime")
    name = f"mean-{engine.name}-{isolated}".lower()
    job = trained(sagemaker, name, image, EnableNetworkIsolation=isolated)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert [metric["Value"] for metric in job["FinalMetricDataList"]] == [3.0]
    model = job["ModelArtifacts"]["S3ModelArtifacts"]
    with hosted(sagemaker, name, image, model, EnableNetworkIsolation=isolated):
        for body, far in (("5", "2.000"), ("3", "0.000"), ("-1.5", "-4.500"), ("7", "4.000")):
            reply = runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType="text/plain")
            assert reply["Body"].read().decode() == far
        carriers = supervisors(server)
        assert len(containers(engine, carriers)) == 2
    until(lambda: containers(engine, carriers), lambda names: not names)


def supervisors(server):
    events = [event for run in server.layout.runs.iterdir() for event in RunFolder(run).events()]
    return {event.detail["pid"] for event in events if event.kind == "started"}


def containers(engine, carriers):
    said = (
        engine._call("ps", "--all", "--format", "{{.Names}}", "--filter", "name=wildsage-").decode().split()
    )
    return [name for name in said for pid in carriers if f"-{pid}-" in name]


@pytest.fixture(scope="module")
def peers(engine, tmp_path_factory):
    """An image whose containers meet each other."""
    source = Path(__file__).parent / "containers" / "scratch" / "peers.c"
    program = compiled(source, tmp_path_factory.mktemp("peers"))
    if program is None:
        pytest.skip("no C compiler here makes static programs")
    with imported(engine.name, packed({"peers": program}), 'ENTRYPOINT ["/peers"]') as name:
        yield name


@pytest.mark.parametrize("isolated", [False, True])
def test_two_instances_meet_and_share_the_data(server, engine, peers, isolated):
    if isolated and not can_share_network(engine.name):
        pytest.skip(f"{engine.name} of this user has no such network, and the job is refused")
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": "s3://bucket/train/",
        "S3DataDistributionType": "ShardedByS3Key",
    }
    job = trained(
        server.client("sagemaker"),
        f"peers-{engine.name}-{isolated}".lower(),
        peers,
        ResourceConfig={**INSTANCE, "InstanceCount": 2},
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        EnableNetworkIsolation=isolated,
    )
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert lines_of(server, job["TrainingJobName"]) == [
        "algo-1 has 1 files and met algo-2",
        "algo-2 has 1 files and met algo-1",
    ]


def lines_of(server, name):
    """Return the last line of each host's log."""
    logs, group = server.client("logs"), "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
    return [
        logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"][-1][
            "message"
        ]
        for stream in streams
    ]


def test_several_isolated_instances_are_refused_where_the_engine_has_no_network_for_them(
    server, engine, peers, monkeypatch
):
    monkeypatch.setattr(cluster_size, "can_share_network", lambda _engine: False)
    sagemaker = server.client("sagemaker")
    with pytest.raises(sagemaker.exceptions.ClientError, match=f"2 instances with an image of {engine.name}"):
        trained(
            sagemaker,
            "refused",
            peers,
            ResourceConfig={**INSTANCE, "InstanceCount": 2},
            EnableNetworkIsolation=True,
        )


def test_the_failure_file_becomes_the_reason(server, engine, image):
    sagemaker = server.client("sagemaker")
    job = trained(sagemaker, f"without-{engine.name}", image, InputDataConfig=[channel("test")])
    assert job["TrainingJobStatus"] == "Failed"
    assert "there is no channel `train`" in job["FailureReason"]


def test_an_image_that_is_not_there_is_refused_with_what_to_do(server, engine):
    sagemaker = server.client("sagemaker")
    name = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/absent:7"
    with pytest.raises(sagemaker.exceptions.ClientError) as refused:
        trained(sagemaker, "absent", name)
    message = refused.value.response["Error"]["Message"]
    assert f"build -t {name} ." in message
    assert "Wildsage itself never pulls" in message


def test_it_is_listed(engine, image):
    assert image in engine.names()
    assert json.loads(engine._call("image", "inspect", image))[0]["Config"]["Entrypoint"] == ["/mean"]
