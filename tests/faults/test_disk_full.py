"""A disk that is full: a clear reason, nothing torn, and all goes on when there is space again."""

import sqlite3
import time

import pytest
from botocore.exceptions import ClientError
from tests.faults.disk.shim import Disk
from tests.faults.platform import IMAGE, ROLE, until

REGION = {"LocationConstraint": "us-west-2"}
LARGE = b"x" * 3_000_000


@pytest.fixture
def full(cold_platform, tmp_path):
    """A platform whose disk can be filled, with a bucket and an object."""
    disk = Disk(cold_platform.layout.root, tmp_path)
    cold_platform.start(**disk.environment)
    s3 = cold_platform.client("s3")
    s3.create_bucket(Bucket="out", CreateBucketConfiguration=REGION)
    s3.put_object(Bucket="out", Key="before", Body=LARGE)
    yield cold_platform, disk
    disk.close()


def refused(call, **members):
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 507
    assert error["ResponseMetadata"].get("RetryAttempts", 0) == 0
    assert error["Error"]["Code"] == "InsufficientStorage"
    assert "disk is full" in error["Error"]["Message"]
    assert "wildsage du" in error["Error"]["Message"]


def use_up_room(sagemaker, model):
    """Create models in what room is left in the databases' logs; return the names of those that found some."""
    for number in range(1000):
        try:
            sagemaker.create_model(**{**model, "ModelName": f"room-{number}"})
        except ClientError:
            return [f"room-{one}" for one in range(number)]
    raise AssertionError("the disk is not full")


def content_files(platform):
    return {path.name for path in platform.layout.objects.rglob("*") if path.is_file()}


def test_what_cannot_be_stored_is_refused_with_the_reason_and_nothing_is_torn(full):
    platform, disk = full
    s3, sagemaker, logs = (platform.client(name) for name in ("s3", "sagemaker", "logs"))
    logs.create_log_group(logGroupName="group")
    logs.create_log_stream(logGroupName="group", logStreamName="stream")
    upload = s3.create_multipart_upload(Bucket="out", Key="parts")["UploadId"]
    model = {"ModelName": "m", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE}}
    event = [{"timestamp": round(time.time() * 1000), "message": "x" * 10_000}]
    calls = [
        (s3.put_object, {"Bucket": "out", "Key": "new", "Body": LARGE}),
        (s3.put_object, {"Bucket": "out", "Key": "before", "Body": b"a few bytes"}),
        (
            s3.upload_part,
            {"Bucket": "out", "Key": "parts", "UploadId": upload, "PartNumber": 1, "Body": LARGE},
        ),
        (sagemaker.create_model, model),
        (sagemaker.create_training_job, platform.job_request("job", STEPS=1)),
        (logs.put_log_events, {"logGroupName": "group", "logStreamName": "stream", "logEvents": event}),
    ]
    stored = content_files(platform)
    disk.fill()
    kept = use_up_room(sagemaker, model)
    for call, members in calls:
        refused(call, **members)
    # What is there can be read, and what frees space can be done where it needs none.
    assert s3.get_object(Bucket="out", Key="before")["Body"].read() == LARGE
    pages = sagemaker.get_paginator("list_models").paginate()
    assert sorted(item["ModelName"] for page in pages for item in page["Models"]) == sorted(kept)
    assert platform.answers()
    assert content_files(platform) == stored
    assert disk.mend() >= len(calls)
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="out")["Contents"]] == ["before"]
    for call, members in calls:
        call(**members)
    assert s3.get_object(Bucket="out", Key="before")["Body"].read() == b"a few bytes"
    assert platform.ended("job")["TrainingJobStatus"] == "Completed"
    events = logs.get_log_events(logGroupName="group", logStreamName="stream", startFromHead=True)["events"]
    assert [len(item["message"]) for item in events] == [10_000]
    platform.assert_nothing_left()
    platform.restart()
    for name in ("m", *kept):
        assert sagemaker.describe_model(ModelName=name)["ModelName"] == name


def test_artifacts_that_find_no_space_fail_the_job_once(full):
    platform, disk = full
    platform.create_job("job", STEPS=1, HOLD=1)
    until(lambda: len(platform.log("job")) == 2)
    disk.fill(f"runs/{platform.run_of('job').path.name}/out")
    platform.let_go("job")
    job = platform.ended("job")
    assert disk.mend() > 0
    assert job["TrainingJobStatus"] == "Failed"
    assert "disk is full (No space left on device): the artifacts could not be packed" in job["FailureReason"]
    assert "wildsage du" in job["FailureReason"]
    rows = platform.rows("state.db", "SELECT attempt FROM job_run WHERE job_name = 'job'")
    assert [row["attempt"] for row in rows] == [1]
    assert [line.split()[0] for line in platform.log("job")] == ["begin", "step", "end"]
    platform.assert_nothing_left()


def test_continuous_outputs_wait_for_space(full):
    """Nothing can be copied out while the container runs: its end brings everything."""
    platform, disk = full
    platform.create_processing_job("process", mode="Continuous", STEPS=2, HOLD=1)
    folder = until(lambda: platform.run_of("process"))
    until(lambda: "launched" in platform.journal("process"))
    disk.fill(f"runs/{folder.path.name}/sent")
    until(lambda: disk.hits > 1)
    platform.let_go("process")
    platform.processed("process")
    assert disk.mend() > 0
    platform.assert_processed_once("process", steps=2)
    platform.assert_nothing_left()


@pytest.mark.faults
def test_a_job_that_ends_while_nothing_can_be_written_ends_once_there_is_space(full):
    platform, disk = full
    platform.create_job("job", STEPS=1, HOLD=1)
    until(lambda: len(platform.log("job")) == 2)
    disk.fill()
    platform.let_go("job")
    until(lambda: disk.hits > 5)
    assert platform.job("job")["TrainingJobStatus"] == "InProgress"
    disk.mend()
    assert platform.ended("job")["TrainingJobStatus"] in ("Completed", "Failed")
    assert sum(line.startswith("begin") for line in platform.log("job")) == 1
    until(lambda: not platform.supervisors())
    assert platform.rows("state.db", "PRAGMA integrity_check")[0][0] == "ok"


@pytest.mark.faults
def test_a_checkpoint_of_the_database_that_finds_no_space_loses_nothing(full):
    """The log takes the commits; what cannot be moved from it into the database stays in it."""
    platform, disk = full
    sagemaker = platform.client("sagemaker")
    image = {"Image": IMAGE, "Environment": {f"E{number}": "x" * 1000 for number in range(90)}}
    database = platform.layout.state_database
    size = database.stat().st_size
    disk.fill("state.db", exactly=True)
    names = [f"model-{number}" for number in range(250)]
    for name in names:
        sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=image)
    assert disk.hits > 0
    assert database.stat().st_size < size + 8192  # the last blocks may take a part of a page
    platform.kill()
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    disk.mend()
    platform.start(**disk.environment)
    found = platform.client("sagemaker").list_models(MaxResults=100, NameContains="model-")["Models"]
    assert len(found) == 100
    assert {
        row["name"] for row in platform.rows("state.db", "SELECT name FROM resource WHERE kind = 'model'")
    } == {*names}
