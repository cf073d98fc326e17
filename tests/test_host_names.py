"""Clients in a container that name AWS's hosts themselves reach this server: the SageMaker SDKs ask STS so."""

import sys
import textwrap
import time

import pytest
from tests.served import REGION, ServedApplication

from wildsage.compute.select import choose
from wildsage.images.registered import RegisteredImages

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/AmazonSageMaker-ExecutionRole"
# What `sagemaker.Session.default_bucket` of versions 2 and 3 does.
SCRIPT = f"""
import boto3, os
from botocore.config import Config
sts = boto3.client("sts", config=Config(retries={{"total_max_attempts": 1}}), region_name="{REGION}", endpoint_url="https://sts.{REGION}.amazonaws.com")
print("proxy", os.environ.get("https_proxy"))
print("caller", sts.get_caller_identity()["Arn"])
print("host", boto3.client("s3").meta.endpoint_url.startswith("http://127.0.0.1:"))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    (folder / "ask.py").write_text(textwrap.dedent(SCRIPT))
    with ServedApplication(folder) as made:
        s3 = made.client("s3")
        s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
        RegisteredImages(made.layout.images).add_command("ask:1", [sys.executable, str(folder / "ask.py")])
        yield made


def log_of(server, group, name):
    logs = server.client("logs")
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
    events = logs.get_log_events(logGroupName=group, logStreamName=streams[0]["logStreamName"])["events"]
    return [event["message"] for event in events]


def until_ended(describe, status):
    deadline = time.monotonic() + 40
    while (job := describe())[status] not in ("Completed", "Failed", "Stopped"):
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    return job


def train(server, name, **members):
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "ask:1", "TrainingInputMode": "File"},
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": "s3://bucket/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        **members,
    )
    job = until_ended(lambda: sagemaker.describe_training_job(TrainingJobName=name), "TrainingJobStatus")
    return job, log_of(server, "/aws/sagemaker/TrainingJobs", name)


def test_a_training_job_asks_sts_by_its_own_name(server):
    job, log = train(server, "ask")
    assert job["TrainingJobStatus"] == "Completed", log
    assert log[0].startswith("proxy http://127.0.0.1:")
    assert log[1].startswith(f"caller arn:aws:sts::{ACCOUNT}:assumed-role/AmazonSageMaker-ExecutionRole/")
    assert log[2:] == ["host True"]


def test_a_processing_job_does_so_too(server):
    sagemaker = server.client("sagemaker")
    sagemaker.create_processing_job(
        ProcessingJobName="ask",
        ProcessingResources={
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        },
        AppSpecification={"ImageUri": "ask:1"},
        RoleArn=ROLE,
    )
    job = until_ended(
        lambda: sagemaker.describe_processing_job(ProcessingJobName="ask"), "ProcessingJobStatus"
    )
    log = log_of(server, "/aws/sagemaker/ProcessingJobs", "ask")
    assert job["ProcessingJobStatus"] == "Completed", log
    assert ":assumed-role/AmazonSageMaker-ExecutionRole/" in log[1]


@pytest.mark.skipif(not choose().private, reason="network isolation needs a sandbox")
def test_a_job_without_a_network_has_no_proxy_either(server):
    job, log = train(server, "isolated", EnableNetworkIsolation=True)
    assert job["TrainingJobStatus"] == "Failed"
    assert log[0] == "proxy None"


def test_the_proxy_that_a_user_names_counts(server):
    job, log = train(server, "own", Environment={"HTTPS_PROXY": "http://127.0.0.1:9"})
    assert job["TrainingJobStatus"] == "Failed"
    assert log[0] == "proxy None"
    assert "Failed to connect to proxy" in log[-1]
