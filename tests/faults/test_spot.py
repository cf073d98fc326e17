"""Spot jobs are interrupted, processes are killed, and the model is that of a job to which nothing happened."""

import hashlib
import io
import json
import os
import signal
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from tests.faults.platform import HALF_THE_MACHINE, REGION, ROLE, until

from wildsage.compute.select import choose
from wildsage.images.registered import RegisteredImages

pytestmark = pytest.mark.faults

IMAGE = "checkpointing:1"
CONTAINER = Path(__file__).with_name("checkpointing.py")
XGBOOST = f"246618743249.dkr.ecr.{REGION}.amazonaws.com/sagemaker-xgboost:3.2-0"
STEPS = 24


@pytest.fixture
def spot(platform):
    RegisteredImages(platform.layout.images).add_command(IMAGE, [sys.executable, "-S", "-u", str(CONTAINER)])
    return platform


def chain(steps=STEPS):
    state = ""
    for step in range(steps):
        state = hashlib.sha256(f"{state}{step}".encode()).hexdigest()
    return state


def create(platform, name, *, is_spot=True, wait=600, **members):
    request = platform.job_request(name, **members.pop("environment", {"STEPS": STEPS, "GATES": "3 9 15"}))
    request["AlgorithmSpecification"]["TrainingImage"] = IMAGE
    request["CheckpointConfig"] = {"S3Uri": f"s3://out/{name}/checkpoints"}
    if is_spot:
        request["EnableManagedSpotTraining"] = True
        request["StoppingCondition"]["MaxWaitTimeInSeconds"] = wait
    request.update(members)
    platform.client("sagemaker").create_training_job(**request)


def stored(platform, name, prefix="checkpoints"):
    """Keys of a job's checkpoints in S3, below their prefix."""
    found = platform.client("s3").list_objects_v2(Bucket="out", Prefix=f"{name}/{prefix}/")
    return sorted(item["Key"].rpartition("/")[2] for item in found.get("Contents", []))


def progress(platform, name):
    """The last step that S3 has."""
    return max(
        (int(key.rpartition("-")[2]) for key in stored(platform, name) if key.startswith("step-")), default=-1
    )


def interrupt(platform, name):
    done = platform.command("interrupt", name, "--region", REGION)
    assert done.returncode == 0, done.stderr
    return done.stdout


def statuses(platform, name):
    return [step["Status"] for step in platform.job(name)["SecondaryStatusTransitions"]]


def test_interrupted_three_times_it_ends_with_the_model_of_the_uninterrupted_one(spot):
    create(spot, "spot")
    for step in (3, 9, 15):
        until(lambda step=step: progress(spot, "spot") == step)
        assert "It goes on from its last checkpoint" in interrupt(spot, "spot")
    job = spot.ended("spot")
    assert job["TrainingJobStatus"] == "Completed", job
    assert spot.model("spot") == {"state": chain()}
    again = ["Interrupted", "Starting", "Downloading", "Training"]
    assert statuses(spot, "spot") == [
        "Starting", "Downloading", "Training", *again, *again, *again, "Uploading", "Completed",
    ]  # fmt: skip
    begun = [line for line in spot.log("spot") if line.startswith("from step")]
    assert begun == ["from step 0", "from step 4", "from step 10", "from step 16"]
    assert job["BillableTimeInSeconds"] < job["TrainingTimeInSeconds"]
    assert stored(spot, "spot") == [f"step-{STEPS - 2}", f"step-{STEPS - 1}"]
    spot.assert_nothing_left()


def begun(platform, name):
    """The first step of each attempt."""
    return [int(line.split()[-1]) for line in platform.log(name) if line.startswith("from step")]


def test_the_server_dies_while_an_attempt_is_interrupted(spot):
    create(spot, "spot")
    until(lambda: progress(spot, "spot") == 3)
    spot.freeze()
    spot.run_of("spot").request_stop("interrupted")
    spot.kill()
    spot.start()
    until(lambda: progress(spot, "spot") == 9)
    spot.restart()
    interrupt(spot, "spot")
    spot.restart()
    until(lambda: progress(spot, "spot") == 15)
    interrupt(spot, "spot")
    assert spot.ended("spot")["TrainingJobStatus"] == "Completed"
    assert spot.model("spot") == {"state": chain()}
    assert begun(spot, "spot") == [0, 4, 10, 16]
    assert statuses(spot, "spot").count("Interrupted") == 3
    spot.assert_nothing_left()


@pytest.mark.faults
def test_the_server_dies_while_checkpoints_are_stored(spot):
    """Of 8 MB each: a kill meets an upload. Nothing torn is ever stored: the container would see it."""
    create(spot, "spot", environment={"STEPS": 10, "PAUSE": 0.2, "PADDING": 8_000_000, "GATES": "4"})
    for step in (0, 2):
        until(lambda step=step: progress(spot, "spot") >= step, pause=0.001)
        spot.restart()
    until(lambda: progress(spot, "spot") == 4)
    spot.run_of("spot").request_stop("interrupted")
    spot.restart()
    assert spot.ended("spot", 60)["TrainingJobStatus"] == "Completed"
    assert spot.model("spot") == {"state": chain(10)}
    assert begun(spot, "spot") == [0, 5]
    assert stored(spot, "spot") == ["step-8", "step-9"]
    spot.assert_nothing_left()


def test_the_process_that_carries_a_job_dies_and_the_job_is_retried_from_its_checkpoint(spot):
    create(spot, "job", is_spot=False, RetryStrategy={"MaximumRetryAttempts": 3})
    for step in (3, 9, 15):
        until(lambda step=step: progress(spot, "job") == step)
        for pid in spot.supervisors():
            os.kill(pid, signal.SIGKILL)
    job = spot.ended("job")
    assert job["TrainingJobStatus"] == "Completed", job
    assert spot.model("job") == {"state": chain()}
    assert begun(spot, "job") == [0, 4, 10, 16]
    again = ["Restarting", "Starting", "Downloading", "Training"]
    assert statuses(spot, "job")[3:15] == again * 3
    spot.assert_nothing_left()


@pytest.mark.faults
def test_retries_end_with_the_strategy_and_interruptions_do_not_count(spot):
    create(spot, "job", RetryStrategy={"MaximumRetryAttempts": 1})
    until(lambda: progress(spot, "job") == 3)
    interrupt(spot, "job")
    for step in (9, 15):
        until(lambda step=step: progress(spot, "job") == step)
        for pid in spot.supervisors():
            os.kill(pid, signal.SIGKILL)
    job = spot.ended("job")
    assert job["TrainingJobStatus"] == "Failed"
    assert "InternalServerError: the process that carried the job is gone" in job["FailureReason"]
    assert begun(spot, "job") == [0, 4, 10]
    # The kill may have come between the storing of the last and the removal of those before.
    assert {"step-14", "step-15"} <= set(stored(spot, "job"))


@pytest.mark.faults
def test_a_rate_of_interruptions(spot):
    spot.kill()
    spot.start("--spot-interruptions", "3600", "--spot-seed", "7")
    create(spot, "calm", is_spot=False, environment={"STEPS": STEPS, "PAUSE": 0.1})
    create(spot, "spot", environment={"STEPS": STEPS, "PAUSE": 0.1})
    assert spot.ended("spot", 60)["TrainingJobStatus"] == "Completed"
    assert spot.ended("calm")["TrainingJobStatus"] == "Completed"
    assert spot.model("spot") == spot.model("calm") == {"state": chain()}
    assert statuses(spot, "spot").count("Interrupted") >= len(begun(spot, "spot")) - 1 > 0
    assert begun(spot, "spot") == sorted(begun(spot, "spot")), "no attempt knows less than the one before"
    assert begun(spot, "calm") == [0]


@pytest.mark.faults
def test_a_job_that_does_not_complete_in_its_wait_time(spot):
    create(spot, "spot", wait=6, StoppingCondition={"MaxRuntimeInSeconds": 6, "MaxWaitTimeInSeconds": 6})
    until(lambda: progress(spot, "spot") == 3)
    interrupt(spot, "spot")
    job = spot.ended("spot")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    assert statuses(spot, "spot")[-2:] == ["Stopping", "MaxWaitTimeExceeded"]
    assert "FailureReason" not in job


@pytest.mark.faults
def test_a_job_that_waits_for_capacity_all_its_wait_time(spot):
    cores = max(2, os.cpu_count() or 1)
    names = [f"holds-{number}" for number in range(cores // (cores // 2))]
    for name in names:
        create(
            spot, name, is_spot=False, environment={"instance": HALF_THE_MACHINE, "STEPS": 1, "GATES": "0"}
        )
        until(lambda name=name: "launched" in spot.journal(name))
    create(
        spot,
        "waits",
        environment={"instance": HALF_THE_MACHINE, "STEPS": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1},
    )
    job = spot.ended("waits")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    assert statuses(spot, "waits") == ["Starting", "Pending", "Stopping", "MaxWaitTimeExceeded"]
    assert "TrainingTimeInSeconds" not in job
    for name in names:
        spot.let_go(name)
        assert spot.ended(name)["TrainingJobStatus"] == "Completed"
    spot.assert_nothing_left()


@pytest.mark.faults
def test_the_running_time_is_that_of_all_attempts_together(spot):
    create(spot, "spot", StoppingCondition={"MaxRuntimeInSeconds": 4, "MaxWaitTimeInSeconds": 600})
    until(lambda: progress(spot, "spot") == 3)
    interrupt(spot, "spot")
    job = spot.ended("spot")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert job["TrainingTimeInSeconds"] <= 6, "4 s, and a moment to end in"


@pytest.mark.faults
def test_a_stop_keeps_the_checkpoints_and_a_new_job_goes_on_from_them(spot):
    create(spot, "one", is_spot=False)
    until(lambda: "launched" in spot.journal("one") and progress(spot, "one") == 3)
    spot.client("sagemaker").stop_training_job(TrainingJobName="one")
    assert spot.ended("one")["TrainingJobStatus"] == "Stopped"
    config = {"S3Uri": "s3://out/one/checkpoints/"}
    create(spot, "two", is_spot=False, CheckpointConfig=config, environment={"STEPS": STEPS})
    assert spot.ended("two")["TrainingJobStatus"] == "Completed"
    assert begun(spot, "two") == [4]
    assert spot.model("two") == {"state": chain()}


@pytest.mark.faults
def test_a_role_that_may_not_write_checkpoints_fails_the_job_with_the_reason(spot):
    iam, name = spot.client("iam"), ROLE.rpartition("/")[2]
    deny = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::out/spot/checkpoints/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    create(spot, "spot")
    job = spot.ended("spot")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(
        "ClientError: Checkpoint upload failed: s3://out/spot/checkpoints/step-"
    )
    assert "s3:PutObject" in job["FailureReason"]
    assert stored(spot, "spot") == []


@pytest.mark.faults
@pytest.mark.parametrize("bucket", ["none-such", "out"])
def test_checkpoints_that_cannot_be_read_fail_the_job_before_it_runs(spot, bucket):
    if bucket == "out":
        iam, name = spot.client("iam"), ROLE.rpartition("/")[2]
        deny = {"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::out"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    create(spot, "spot", CheckpointConfig={"S3Uri": f"s3://{bucket}/c"})
    job = spot.ended("spot")
    assert job["TrainingJobStatus"] == "Failed"
    wanted = (
        "s3:ListBucket"
        if bucket == "out"
        else "the bucket none-such of CheckpointConfig.S3Uri does not exist"
    )
    assert wanted in job["FailureReason"]
    assert spot.log("spot") == []


def test_what_cannot_be_interrupted(spot):
    create(spot, "job", is_spot=False)
    for name, reason in (("job", "is no spot job"), ("nobody", "no training job named nobody")):
        done = spot.command("interrupt", name, "--region", REGION)
        assert (done.returncode, reason in done.stderr) == (1, True), done.stderr


def xgboost_job(platform, name, **options):
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://out/data/"}
    create(
        platform,
        name,
        environment={},
        AlgorithmSpecification={"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
        HyperParameters={
            "num_round": "120",
            "objective": "reg:squarederror",
            "max_depth": "6",
            "tree_method": "exact",
        },
        InputDataConfig=[
            {"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}
        ],
        **options,
    )


def rounds(folder):
    """The round of the last checkpoint in a run's folder."""
    names = (path.name for path in (folder.ml / "checkpoints").glob("xgboost-checkpoint.*"))
    return max((int(name.rpartition(".")[2]) for name in names), default=-1)


def xgboost_model(platform, name):
    content = platform.client("s3").get_object(Bucket="out", Key=f"{name}/output/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        member = archive.extractfile("xgboost-model")
        assert member is not None
        return member.read()


@pytest.mark.skipif(not choose().private, reason="hosts find each other in a sandbox only")
def test_all_hosts_of_a_job_are_interrupted_and_go_on(spot):
    create(
        spot, "spot", ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    )
    names = ("algo-1", "algo-2")

    def has(step):
        return all(f"step-{step}" in stored(spot, "spot", f"checkpoints/{name}") for name in names)

    for step in (3, 9, 15):
        until(lambda step=step: has(step))
        interrupt(spot, "spot")
    assert spot.ended("spot")["TrainingJobStatus"] == "Completed"
    assert spot.model("spot") == {"state-algo-1": chain(), "state-algo-2": chain()}
    assert sorted(begun(spot, "spot")) == [0, 0, 4, 4, 10, 10, 16, 16]
    assert statuses(spot, "spot").count("Interrupted") == 3
    for name in names:
        assert stored(spot, "spot", f"checkpoints/{name}") == [f"step-{STEPS - 2}", f"step-{STEPS - 1}"]
    spot.assert_nothing_left()


@pytest.mark.faults
def test_built_in_xgboost_interrupted_three_times_makes_the_same_bytes(spot):
    table = np.random.default_rng(0).normal(size=(4000, 12))
    text = "\n".join(",".join(f"{value:.4f}" for value in row) for row in table)
    spot.client("s3").put_object(Bucket="out", Key="data/x.csv", Body=text)
    xgboost_job(spot, "calm", is_spot=False)
    xgboost_job(spot, "spot")
    for step in (5, 30, 60):
        folder = until(
            lambda step=step: (run := spot.run_of("spot")) and rounds(run) >= step and run, pause=0.005
        )
        folder.request_stop("interrupted")
    assert spot.ended("spot")["TrainingJobStatus"] == "Completed"
    assert spot.ended("calm")["TrainingJobStatus"] == "Completed"
    assert statuses(spot, "spot").count("Interrupted") == 3
    assert "Interrupted" not in statuses(spot, "calm")
    assert xgboost_model(spot, "spot") == xgboost_model(spot, "calm")
    assert stored(spot, "spot") == sorted(f"xgboost-checkpoint.{number}" for number in range(115, 120))
