"""A live server, jobs of built-in algorithms and of images that a test writes, what they leave."""

import io
import itertools
import tarfile
import time

import pytest
from tests.served import REGION, ServedApplication

from wildsage.images.registered import RegisteredImages

KMEANS = f"174872318107.dkr.ecr.{REGION}.amazonaws.com/kmeans:1"
ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServedApplication(tmp_path_factory.mktemp("server")) as made:
        made.client("s3").create_bucket(
            Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        yield made


@pytest.fixture(scope="module")
def put(server):
    s3 = server.client("s3")

    def put(key, content):
        s3.put_object(Bucket="bucket", Key=key, Body=content)

    return put


@pytest.fixture(scope="module")
def image_of(server, tmp_path_factory):
    """Make an image whose training is a shell script, begun where the channels are; return its name."""

    def image_of(script):
        folder = tmp_path_factory.mktemp("image")
        (folder / "train").write_text(f'#!/bin/sh\ncd "$SAGEMAKER_BASE_DIR/input/data"\n{script}\n')
        (folder / "train").chmod(0o755)
        name = f"script-{next(NUMBERS)}"
        RegisteredImages(server.layout.images).add_directory(name, folder)
        return name

    return image_of


@pytest.fixture(scope="module")
def start(server):
    """Start a job and return its name."""
    sagemaker = server.client("sagemaker")

    def start(image, *channels, hyperparameters=None):
        name = f"modes-{next(NUMBERS)}"
        sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
            RoleArn=ROLE,
            HyperParameters=hyperparameters or {},
            InputDataConfig=list(channels),
            OutputDataConfig={"S3OutputPath": "s3://bucket/out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )
        return name

    return start


@pytest.fixture(scope="module")
def ended(server):
    """Wait for a job's end and return how Describe shows it."""
    sagemaker = server.client("sagemaker")

    def ended(name):
        deadline = time.monotonic() + 60
        while True:
            job = sagemaker.describe_training_job(TrainingJobName=name)
            if job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"):
                return job
            assert time.monotonic() < deadline, job
            time.sleep(0.05)

    return ended


@pytest.fixture(scope="module")
def train(start, ended):
    """Run a job on one channel and return how Describe shows its end."""

    def train(source, image=KMEANS, hyperparameters=None, **channel):
        if hyperparameters is None and image == KMEANS:
            hyperparameters = {"k": "3", "feature_dim": "4"}
        channel = {"ChannelName": "train", "DataSource": source, **channel}
        return ended(start(image, channel, hyperparameters=hyperparameters))

    return train


@pytest.fixture(scope="module")
def model(server):
    """Return the files of a completed job's model."""
    s3 = server.client("s3")

    def model(job):
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
        content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            return {
                one.name.removeprefix("./"): archive.extractfile(one).read()
                for one in archive
                if one.isfile()
            }

    return model


def prefix(key, **members):
    """Return the data source of all objects whose keys begin so."""
    return {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://bucket/{key}", **members}}
