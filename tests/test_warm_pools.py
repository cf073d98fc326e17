"""Warm pools over the wire: two jobs after each other, and the end of the second one's pool."""

import time

import pytest
from botocore.exceptions import ClientError
from tests.served import REGION, ServedApplication

from wildsage.images.registered import RegisteredImages

ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
PERIOD = "KeepAlivePeriodInSeconds"


@pytest.fixture(scope="module")
def sagemaker(tmp_path_factory):
    with ServedApplication(tmp_path_factory.mktemp("server")) as made:
        made.client("s3").create_bucket(
            Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        RegisteredImages(made.layout.images).add_command("nothing:1", ["/bin/true"])
        yield made.client("sagemaker")


def train(sagemaker, name, **members):
    config = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1, PERIOD: 600}
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "nothing:1", "TrainingInputMode": "File"},
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": "s3://bucket/out"},
        ResourceConfig=config,
        **{"StoppingCondition": {"MaxRuntimeInSeconds": 60}, **members},
    )
    deadline = time.monotonic() + 40
    while (job := sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] == "InProgress":
        assert job["WarmPoolStatus"] == {"Status": "InUse"}
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert job["TrainingJobStatus"] == "Completed", job
    return job


def test_a_pool_goes_from_job_to_job_and_ends(sagemaker):
    assert train(sagemaker, "one")["WarmPoolStatus"] == {"Status": "Available"}
    train(sagemaker, "two")
    one = sagemaker.describe_training_job(TrainingJobName="one")["WarmPoolStatus"]
    assert (one["Status"], one["ReusedByJob"]) == ("Reused", "two")
    shown = sagemaker.list_training_jobs(SortBy="Name", SortOrder="Ascending")["TrainingJobSummaries"]
    assert [job["WarmPoolStatus"]["Status"] for job in shown] == ["Reused", "Available"]
    sagemaker.update_training_job(TrainingJobName="two", ResourceConfig={PERIOD: 0})
    two = sagemaker.describe_training_job(TrainingJobName="two")
    assert two["WarmPoolStatus"]["Status"] == "Terminated"
    assert two["ResourceConfig"][PERIOD] == 0


def test_a_spot_job_has_none(sagemaker):
    with pytest.raises(ClientError, match="warm pools cannot be used with EnableManagedSpotTraining"):
        train(
            sagemaker,
            "spot",
            EnableManagedSpotTraining=True,
            StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
        )
