"""What the bus says of real jobs and endpoints, beside what Describe says of them."""

import json
import time
from pathlib import Path

import pytest
from tests.served import ServedApplication

from wildsage.cli.main import main
from wildsage.images.registered import RegisteredImages
from wildsage.services.events.envelope import envelope
from wildsage.store.events import Events
from wildsage.store.readonly import ReadOnlyDatabase

CONTAINERS = Path(__file__).parents[2] / "containers"
ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
TAGS = [{"Key": "team", "Value": "a"}]
ENDED = ("Completed", "Failed", "Stopped")


def until(look, seconds=20):
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServedApplication(tmp_path_factory.mktemp("server")) as made:
        images = RegisteredImages(made.layout.images)
        for name in ("noop", "echo"):
            images.add_directory(f"{name}:1", CONTAINERS / name, relocatable=True)
        region = {"LocationConstraint": "us-west-2"}
        made.client("s3").create_bucket(Bucket="out", CreateBucketConfiguration=region)
        yield made


@pytest.fixture(scope="module")
def sagemaker(server):
    return server.client("sagemaker")


def reported(server, name):
    """Return all events about the resources of a name."""
    database = ReadOnlyDatabase(server.layout.state_database)
    found = [envelope(event) for event in Events(database).read(0, 10_000)]
    database.close()
    return [event for event in found if event["resources"][0].endswith(f"/{name}")]


def train(sagemaker, name, image="noop:1"):
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        RoleArn=ROLE, OutputDataConfig={"S3OutputPath": "s3://out"}, HyperParameters={"k": "1"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60}, Tags=TAGS,
    )  # fmt: skip

    def describe():
        return sagemaker.describe_training_job(TrainingJobName=name)

    until(lambda: describe()["TrainingJobStatus"] in ENDED)
    return describe()


def test_every_step_of_a_job_is_an_event(server, sagemaker):
    job = train(sagemaker, "steps")
    events = reported(server, "steps")
    assert {event["detail-type"] for event in events} == {"SageMaker Training Job State Change"}
    assert {(event["source"], event["account"], event["region"]) for event in events} == {
        ("aws.sagemaker", "123456789012", "us-west-2")
    }
    details = [event["detail"] for event in events]
    steps = [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert [detail["SecondaryStatus"] for detail in details] == steps
    assert [detail["TrainingJobStatus"] for detail in details[:-1]] == ["InProgress"] * (len(steps) - 1)
    assert all(detail["Tags"] == {"team": "a"} for detail in details)
    assert [len(detail["SecondaryStatusTransitions"]) for detail in details] == [*range(1, len(steps) + 1)]
    last = details[-1]
    assert (last["TrainingJobStatus"], last["TrainingJobArn"]) == ("Completed", job["TrainingJobArn"])
    assert last["HyperParameters"] == {"k": "1"}
    assert last["ModelArtifacts"] == job["ModelArtifacts"]
    assert last["TrainingEndTime"] == round(job["TrainingEndTime"].timestamp() * 1000)
    assert last["CreationTime"] == round(job["CreationTime"].timestamp() * 1000)
    ended = last["SecondaryStatusTransitions"][-1]["EndTime"]
    assert ended == round(job["SecondaryStatusTransitions"][-1]["EndTime"].timestamp() * 1000)
    assert not [name for detail in details for name in detail if name.startswith("_")]


def test_a_job_that_fails_says_why(server, sagemaker):
    RegisteredImages(server.layout.images).add_command("false:1", ["false"], relocatable=True)
    job = train(sagemaker, "fails", image="false:1")
    last = reported(server, "fails")[-1]["detail"]
    assert (last["TrainingJobStatus"], last["FailureReason"]) == ("Failed", job["FailureReason"])


def test_the_life_of_an_endpoint(server, sagemaker):
    model = {"Image": "echo:1"}
    sagemaker.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer=model, Tags=TAGS)
    variant = {"VariantName": "A", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    for name in ("c1", "c2"):
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])

    def status():
        return sagemaker.describe_endpoint(EndpointName="e")["EndpointStatus"]

    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c1", Tags=TAGS)
    until(lambda: status() == "InService")
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="c2")
    until(lambda: status() == "InService")
    sagemaker.delete_endpoint(EndpointName="e")
    until(lambda: not sagemaker.list_endpoints()["Endpoints"])
    sagemaker.delete_model(ModelName="m")
    sagemaker.delete_endpoint_config(EndpointConfigName="c1")
    events = reported(server, "e")
    states = [e["detail"] for e in events if e["detail-type"] == "SageMaker Endpoint State Change"]
    assert [detail["EndpointStatus"] for detail in states] == [
        "CREATING", "IN_SERVICE", "UPDATING", "IN_SERVICE", "DELETING", "DELETED"
    ]  # fmt: skip
    assert [detail["EndpointConfigName"] for detail in states] == ["c1", "c1", "c1", "c2", "c2", "c2"]
    (deployment,) = [e for e in events if e["detail-type"] == "SageMaker Endpoint Deployment State Change"]
    assert deployment["detail"]["PendingDeploymentSummary"]["EndpointConfigName"] == "c2"
    assert isinstance(deployment["detail"]["PendingDeploymentSummary"]["StartTime"], int)
    created, deleted = (event for event in reported(server, "m"))
    assert created["detail-type"] == deleted["detail-type"] == "SageMaker Model State Change"
    assert created["detail"]["PrimaryContainer"] == model
    assert (created["detail"]["Tags"], deleted["detail"]["Tags"]) == ({"team": "a"}, {})
    assert [event["detail-type"] for event in reported(server, "c1")] == [
        "SageMaker Endpoint Config State Change"
    ] * 2


def test_the_command_shows_them(server, sagemaker, capsys):
    train(sagemaker, "shown")
    data = ["--data-dir", str(server.layout.root)]
    assert main(["events", *data]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "training-job/shown" in line]
    assert lines[0].endswith("SageMaker Training Job State Change  training-job/shown  InProgress/Starting")
    assert lines[-1].endswith("training-job/shown  Completed")
    assert main(["events", *data, "--json", "--since", "5m"]) == 0
    parsed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event for event in parsed if event["resources"][0].endswith("/shown")] == reported(
        server, "shown"
    )
    for arguments in (["--since", "2999-01-01T00:00:00Z"], ["--region", "eu-west-1"], ["--since", "0s"]):
        assert main(["events", *data, *arguments]) == 0
        assert capsys.readouterr().out == ""
