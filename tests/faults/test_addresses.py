"""A request may name any address; the server and the supervisor fetch from none but their own store."""

import contextlib
import json
import socket

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.served import ServedApplication

from wildsage.images.registered import RegisteredImages

ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
ADDRESSES = (
    "http://169.254.169.254/latest/meta-data/iam/",
    "https://169.254.169.254/model.tar.gz",
    "http://127.0.0.1:{port}/model.tar.gz",
    "https://localhost:{port}/model.tar.gz",
    "https://[::1]:{port}/model.tar.gz",
    "https://bucket.s3.amazonaws.com@127.0.0.1:{port}/model.tar.gz",
    "https://bucket.s3.amazonaws.com.127.0.0.1:{port}/model.tar.gz",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "gopher://127.0.0.1:{port}/x",
    "/etc/passwd",
    "s3:///etc/passwd",
)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    with ServedApplication(folder) as made:
        image = folder / "image"
        image.mkdir()
        for program in ("train", "serve"):
            (image / program).write_text("#!/bin/sh\nexit 0\n")
            (image / program).chmod(0o755)
        RegisteredImages(made.layout.images).add_directory("good:1", image)
        s3 = made.client("s3")
        s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        s3.put_object(Bucket="bucket", Key="data/x", Body=b"1")
        yield made


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.setblocking(False)
        yield made
        with pytest.raises(BlockingIOError):  # nobody called
            made.accept()


@pytest.fixture
def sagemaker(served):
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    return served.session.client("sagemaker", endpoint_url=served.url, config=config)


def job(uri=None, output="s3://bucket/out", image="good:1", kind="S3Prefix"):
    request = {
        "TrainingJobName": "job",
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": output},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    if uri is not None:
        source = {"S3DataType": kind, "S3Uri": uri}
        request["InputDataConfig"] = [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}]
    return request


def model(**container):
    return {
        "ModelName": "model",
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": "good:1", **container},
    }


def source(uri, kind):
    return {"S3DataSource": {"S3Uri": uri, "S3DataType": kind, "CompressionType": "None"}}


REQUESTS = {
    "an input": ("create_training_job", job),
    "a manifest": ("create_training_job", lambda uri: job(uri, kind="ManifestFile")),
    "the output": ("create_training_job", lambda uri: job(output=uri)),
    "the training image": ("create_training_job", lambda uri: job(image=uri)),
    "the model data": ("create_model", lambda uri: model(ModelDataUrl=uri)),
    "a model's source": ("create_model", lambda uri: model(ModelDataSource=source(uri, "S3Object"))),
    "a model's folder": ("create_model", lambda uri: model(ModelDataSource=source(uri, "S3Prefix"))),
    "the model's image": ("create_model", lambda uri: model(Image=uri)),
}


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("what", REQUESTS)
def test_an_address_that_is_no_place_in_s3_is_refused(sagemaker, listener, what, address):
    operation, request = REQUESTS[what]
    uri = address.format(port=listener.getsockname()[1])
    with pytest.raises(ClientError) as refused:
        getattr(sagemaker, operation)(**request(uri))
    error = refused.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert error["Error"]["Code"] == "ValidationException"
    assert uri in error["Error"]["Message"] or "pattern" in error["Error"]["Message"]
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
    assert sagemaker.list_models()["Models"] == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}/", "file:///etc/", "https://169.254.169.254/"])
def test_a_manifest_that_points_elsewhere_fails_its_job(served, sagemaker, listener, address):
    prefix = address.format(port=listener.getsockname()[1])
    manifest = json.dumps([{"prefix": prefix}, "passwd"]).encode()
    served.client("s3").put_object(Bucket="bucket", Key="manifest", Body=manifest)
    sagemaker.create_training_job(**job("s3://bucket/manifest", kind="ManifestFile"))
    try:
        waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
        with contextlib.suppress(Exception):
            waiter.wait(TrainingJobName="job", WaiterConfig={"Delay": 0.1, "MaxAttempts": 200})
        ended = sagemaker.describe_training_job(TrainingJobName="job")
        assert ended["TrainingJobStatus"] == "Failed"
        assert ended["FailureReason"].startswith("ClientError: ")
        assert prefix in ended["FailureReason"]
        assert "is no S3 location" in ended["FailureReason"]
    finally:
        sagemaker.delete_training_job(TrainingJobName="job")
