"""What a processing job asks for and leaves, in the words of the machinery. How jobs run: tests/test_processing.py."""

import json

import pytest

from wildsage.jobs.kind import Delivery
from wildsage.jobs.processing import PROCESSING
from wildsage.store.resources import Key, Resource
from wildsage.supervisor.contract import ExitRecord, Output

KEY = Key("1", "r", "processing-job", "job")


def job(**members):
    body = {
        "RoleArn": "arn:aws:iam::1:role/R",
        "AppSpecification": {"ImageUri": "image:1"},
        "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1}},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **members,
    }
    return Resource(1, KEY, "arn", "InProgress", 10.0, 10.0, body)


def output(name, uri, path="/opt/ml/processing/out/", mode="EndOfJob", **members):
    place = {"S3Uri": uri, "LocalPath": path, "S3UploadMode": mode}
    return {"OutputName": name, "S3Output": place, **members}


def outputs(*items):
    return job(ProcessingOutputConfig={"Outputs": list(items)})


@pytest.fixture
def setting_of():
    """Return the setting of a job's first host."""
    return lambda job: PROCESSING.setting_of(job, PROCESSING.cluster_of(job.body).hosts[0])


def test_outputs_go_where_they_are_wanted(setting_of):
    asked = outputs(
        output("plain-1", "s3://b/x/"),
        output("../../etc", "https://b.s3.eu-west-1.amazonaws.com/y", "/opt/ml/processing/o2", "Continuous"),
        output("own", "s3://b/z", AppManaged=True),
        output(".", "s3://b", "/opt/ml/processing/o3"),
    )
    assert setting_of(asked).outputs == (
        Output("processing/out", "plain-1"),
        Output("processing/o2", "output 2", is_continuous=True),
        Output("processing/o3", "output 4"),
    )
    assert PROCESSING.deliveries_of(asked) == [
        Delivery("plain-1", "s3://b/x/"),
        Delivery("output 2", "s3://b/y", is_continuous=True),
        Delivery("output 4", "s3://b/"),
    ]


def test_what_is_not_asked_for_is_null_as_in_the_guide(setting_of):
    said = json.loads(setting_of(job()).config_files["config/processingjobconfig.json"])
    assert said["AppSpecification"] == {
        "ImageUri": "image:1",
        "ContainerEntrypoint": None,
        "ContainerArguments": None,
    }
    assert said["ProcessingOutputConfig"] == {"Outputs": [], "KmsKeyId": None}
    assert (said["ProcessingInputs"], said["Environment"]) == ([], {})
    assert "NetworkConfig" not in said


def test_an_input_is_a_channel_with_a_place():
    given = {
        "S3Uri": "s3://b/p",
        "LocalPath": "/opt/ml/processing/in",
        "S3DataType": "S3Prefix",
        "S3InputMode": "Pipe",
        "S3CompressionType": "Gzip",
        "S3DataDistributionType": "ShardedByS3Key",
    }
    own = {"InputName": "own", "AppManaged": True, "S3Input": given}
    (found,) = PROCESSING.inputs_of(
        job(ProcessingInputs=[{"InputName": "in", "AppManaged": False, "S3Input": given}, own]).body
    )
    assert (found.mode, found.target) == ("Pipe", "processing/in")
    assert found.channel == {
        "ChannelName": "in",
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": "s3://b/p",
                "S3DataDistributionType": "ShardedByS3Key",
            }
        },
        "CompressionType": "Gzip",
    }


def test_an_end_is_never_before_the_beginning():
    record = ExitRecord("completed", 100.0, exit_code=0, failure="said", billable_seconds=5.0)
    assert PROCESSING.times_of(job(), 100.0, record) == {"ProcessingEndTime": 100.0}
    assert PROCESSING.times_of(job(ProcessingStartTime=200.0), 100.0, record) == {"ProcessingEndTime": 205.0}
    assert PROCESSING.times_of(job(), 7.0, None) == {"ProcessingEndTime": 7.0}
    assert PROCESSING.results_of([record], []) == {"ExitMessage": "said"}
    assert PROCESSING.failure_of(record) == ""


def test_what_several_containers_say_is_one_message_cut_like_one():
    said = [ExitRecord("completed", 1.0, exit_code=0, failure=text) for text in ("one\n", "", "ä" * 1024)]
    assert PROCESSING.results_of(said, []) == {"ExitMessage": "one\n" + "ä" * 1020}
    assert PROCESSING.results_of([ExitRecord("completed", 1.0)], []) == {}
