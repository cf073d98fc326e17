"""The AWS CLI, typed as its manual says, under `wildsage run`."""

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.live import FOLDER, ROLE, Live

pytestmark = pytest.mark.acceptance

Aws = Callable[..., str]


@pytest.fixture
def aws(server: Live, tmp_path: Path) -> Aws:
    def run(*arguments: str) -> str:
        finished = server.run("aws", *arguments, cwd=tmp_path)
        assert finished.contacted, "nothing was noted of where the client connected to"
        assert finished.outside == []
        return finished.stdout

    return run


def asked(aws: Aws, *arguments: str) -> Any:
    return json.loads(aws(*arguments, "--output", "json") or "null")


def test_s3(aws: Aws, server: Live, tmp_path: Path):
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "one.txt").write_text("one")
    (folder / "below" / "two words.txt").write_text("two")
    big = folder / "big.bin"
    big.write_bytes(random.Random(1).randbytes(20 * 1024 * 1024 + 1))

    aws("s3", "mb", "s3://cli-bucket", "--region", "eu-central-1")
    assert "cli-bucket" in aws("s3", "ls")
    aws("s3", "cp", str(big), "s3://cli-bucket/copied/big.bin")
    etag = server.client("s3").head_object(Bucket="cli-bucket", Key="copied/big.bin")["ETag"]
    assert etag.endswith('-3"'), f"{etag}: 20 MB were to go in parts of 8 MB"
    aws("s3", "cp", "s3://cli-bucket/copied/big.bin", "back.bin")
    assert digest(tmp_path / "back.bin") == digest(big)

    aws("s3", "sync", str(folder), "s3://cli-bucket/synced")
    assert "upload" not in aws("s3", "sync", str(folder), "s3://cli-bucket/synced")
    listed = aws("s3", "ls", "s3://cli-bucket/synced/", "--recursive")
    assert [line.split(maxsplit=3)[2:] for line in listed.splitlines()] == [
        ["3", "synced/below/two words.txt"],
        [str(big.stat().st_size), "synced/big.bin"],
        ["3", "synced/one.txt"],
    ]
    aws("s3", "sync", "s3://cli-bucket/synced", "synced")
    assert (tmp_path / "synced" / "below" / "two words.txt").read_text() == "two"

    aws("s3", "mv", "s3://cli-bucket/synced/one.txt", "s3://cli-bucket/moved.txt")
    aws("s3", "rm", "s3://cli-bucket/synced", "--recursive")
    assert aws("s3", "ls", "s3://cli-bucket", "--recursive").split()[3::4] == ["copied/big.bin", "moved.txt"]
    aws("s3", "rb", "s3://cli-bucket", "--force")
    assert "cli-bucket" not in aws("s3", "ls")


def test_s3_presign(server: Live, tmp_path: Path):
    (tmp_path / "note.txt").write_text("behind a signature")
    script = """
    set -e
    aws s3 mb s3://cli-presigned
    aws s3 cp note.txt s3://cli-presigned/note.txt
    url=$(aws s3 presign s3://cli-presigned/note.txt --expires-in 60)
    python -c 'import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())' "$url"
    python -c 'import sys, urllib.request as r; r.urlopen(sys.argv[1])' "${url}x" 2>&1 | tail -n 1
    """
    lines = server.run("bash", "-c", script, cwd=tmp_path).stdout.splitlines()
    assert lines[-2] == "behind a signature"
    assert "403" in lines[-1]


def test_sagemaker_training_job_and_its_log(aws: Aws, server: Live):
    server.wildsage("images", "add", "echo:1", str(FOLDER.parent / "containers" / "echo"))
    aws("s3", "mb", "s3://cli-training")
    created = asked(
        aws, "sagemaker", "create-training-job",
        "--training-job-name", "typed-by-hand",
        "--algorithm-specification", "TrainingImage=echo:1,TrainingInputMode=File",
        "--role-arn", ROLE,
        "--output-data-config", "S3OutputPath=s3://cli-training/output",
        "--resource-config", "InstanceType=ml.m5.large,InstanceCount=1,VolumeSizeInGB=1",
        "--stopping-condition", "MaxRuntimeInSeconds=60",
        "--tags", "Key=team,Value=blue",
    )  # fmt: skip
    assert created["TrainingJobArn"].endswith(":training-job/typed-by-hand")
    aws("sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", "typed-by-hand")
    job = asked(aws, "sagemaker", "describe-training-job", "--training-job-name", "typed-by-hand")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    listed = asked(
        aws, "sagemaker", "list-training-jobs", "--name-contains", "typed", "--status-equals", "Completed"
    )
    assert [entry["TrainingJobName"] for entry in listed["TrainingJobSummaries"]] == ["typed-by-hand"]
    tags = asked(aws, "sagemaker", "list-tags", "--resource-arn", created["TrainingJobArn"])
    assert tags["Tags"] == [{"Key": "team", "Value": "blue"}]
    assert "model.tar.gz" in aws("s3", "ls", "s3://cli-training/output/typed-by-hand/output/")

    group = "/aws/sagemaker/TrainingJobs"
    streams = asked(
        aws, "logs", "describe-log-streams", "--log-group-name", group,
        "--log-stream-name-prefix", "typed-by-hand/",
    )["logStreams"]  # fmt: skip
    assert len(streams) == 1
    events = asked(
        aws, "logs", "get-log-events", "--log-group-name", group,
        "--log-stream-name", streams[0]["logStreamName"], "--start-from-head",
    )["events"]  # fmt: skip
    assert events[-1]["message"].endswith("hello from algo-1")
    found = asked(
        aws, "logs", "filter-log-events", "--log-group-name", group, "--filter-pattern", "hello",
        "--log-stream-name-prefix", "typed-by-hand/",
    )["events"]  # fmt: skip
    assert [event["message"] for event in found] == [events[-1]["message"]]


def test_identity(aws: Aws, tmp_path: Path):
    caller = asked(aws, "sts", "get-caller-identity")
    assert caller["Account"] == "123456789012"
    assert ":assumed-role/" in caller["Arn"]
    trust = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}]}'
    (tmp_path / "trust.json").write_text(trust)
    role = asked(
        aws, "iam", "create-role", "--role-name", "Typed",
        "--assume-role-policy-document", "file://trust.json",
    )["Role"]  # fmt: skip
    aws(
        "iam", "attach-role-policy", "--role-name", "Typed",
        "--policy-arn", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
    )  # fmt: skip
    attached = asked(aws, "iam", "list-attached-role-policies", "--role-name", "Typed")["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["AmazonS3ReadOnlyAccess"]
    assert asked(aws, "iam", "get-role", "--role-name", "Typed")["Role"]["Arn"] == role["Arn"]
    assert "Typed" in [entry["RoleName"] for entry in asked(aws, "iam", "list-roles")["Roles"]]
    assumed = asked(aws, "sts", "assume-role", "--role-arn", role["Arn"], "--role-session-name", "hand")
    assert assumed["AssumedRoleUser"]["Arn"] == "arn:aws:sts::123456789012:assumed-role/Typed/hand"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
