"""A server that dies and returns after ten seconds: clients wait, the job ends once, the endpoint stays."""

import collections
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.acceptance.live import FOLDER, ROLE, Live, numbered, processes_of, until

pytestmark = pytest.mark.acceptance

JOB = "fit-across-a-restart"
STEPS = 350  # of a tenth of a second each
AWAY_SECONDS = 10


def test_fit_across_a_restart(server: Live, sdk2: str, tmp_path: Path):
    container = [sys.executable, str(FOLDER.parent / "faults" / "container.py")]
    server.wildsage("images", "add", "steps:1", shlex.join(container))
    server.client("s3").create_bucket(
        Bucket="restart", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    runtime = server.client("sagemaker-runtime")
    deploy(server.client("sagemaker"))
    first, carrying = ask(runtime), supervisors(server)
    assert len(carrying) == 1

    fit = server.start(sdk2, str(FOLDER / "checks" / "v2_wait.py"), JOB, str(STEPS), cwd=tmp_path)
    try:
        until(lambda: status(server) == ("InProgress", "Training"), "the job's start")
        until(lambda: 0 < len(steps(server)) < STEPS - 200, "the first lines of the log")
        server.kill()
        time.sleep(AWAY_SECONDS)  # the fault itself
        server.wildsage("up", "-d", "--create-roles")
        returned = time.monotonic()
        again = until(lambda: ask(runtime), "an answer of the endpoint", seconds=10)
        assert time.monotonic() - returned < 2
        assert again == first
        assert supervisors(server) == carrying
        assert status(server) == ("InProgress", "Training"), "the job was to be under way still"
        stdout, stderr = fit.communicate(timeout=180)
    finally:
        if fit.poll() is None:
            fit.terminate()
            fit.communicate(timeout=30)
    assert fit.returncode == 0, stdout + stderr
    shown = stdout.splitlines()
    assert 8 < json.loads(shown[-1])["longest"] < 20, "no request of the client was to fall into the outage"
    assert list(numbered([line.partition(" loss=")[0] for line in shown], "step")) == list(range(STEPS))

    assert steps(server) == list(range(STEPS))
    job = server.client("sagemaker").describe_training_job(TrainingJobName=JOB)
    assert job["TrainingJobStatus"] == "Completed"
    passed = collections.Counter(entry["Status"] for entry in job["SecondaryStatusTransitions"])
    assert passed == {"Starting": 1, "Downloading": 1, "Training": 1, "Uploading": 1, "Completed": 1}
    begun = [line for line in log(server) if line.startswith("begin ")]
    assert len(begun) == 1
    assert [line for line in log(server) if line.startswith("end ")] == [f"end {begun[0].split()[1]}"]


def deploy(sagemaker: Any) -> None:
    """Put a worker into service."""
    sagemaker.create_model(ModelName="steps", PrimaryContainer={"Image": "steps:1"}, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "AllTraffic", "ModelName": "steps", "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(
        EndpointConfigName="steps", ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
    )
    sagemaker.create_endpoint(EndpointName="steps", EndpointConfigName="steps")
    until(
        lambda: sagemaker.describe_endpoint(EndpointName="steps")["EndpointStatus"] == "InService",
        "the endpoint",
    )


def ask(runtime: Any) -> bytes:
    """Return the number that the answering worker made up at its start."""
    try:
        return runtime.invoke_endpoint(EndpointName="steps", Body=b"who")["Body"].read()
    except ClientError:
        return b""


def supervisors(server: Live) -> set[int]:
    """Return the processes that carry workers of endpoints."""
    return {pid for pid, line in processes_of(server.layout.runs).items() if "/serve-" in line}


def status(server: Live) -> tuple[str, str]:
    try:
        job = server.client("sagemaker").describe_training_job(TrainingJobName=JOB)
    except ClientError:
        return "", ""
    return job["TrainingJobStatus"], job["SecondaryStatus"]


def log(server: Live) -> list[str]:
    """Return every line of the job's log, as CloudWatch Logs pages it."""
    logs, lines = server.client("logs"), []
    group = "/aws/sagemaker/TrainingJobs"
    found = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{JOB}/")["logStreams"]
    assert len(found) <= 1
    for stream in found:
        asked = {"logGroupName": group, "logStreamName": stream["logStreamName"], "startFromHead": True}
        page = logs.get_log_events(**asked)
        while page["events"]:
            lines += [event["message"] for event in page["events"]]
            page = logs.get_log_events(**asked, nextToken=page["nextForwardToken"])
    return lines


def steps(server: Live) -> list[int]:
    return list(numbered([line.partition(" loss=")[0] for line in log(server)], "step"))
