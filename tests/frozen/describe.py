"""Every answer about the resources of a frozen data directory, and the command that freezes one.

``python tests/frozen/describe.py VERSION`` makes a data directory with this Wildsage and stores it beside
this file, for later releases to open.
"""

import contextlib
import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import boto3

FOLDER = Path(__file__).parent
ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
_LEFT_OUT = (
    "credentials.json",  # a new server makes its own
    "server.lock",
    "server.log",
    "authority",
    "clients",
    "state.db-shm",
    "state.db-wal",
    "telemetry.db-shm",
    "telemetry.db-wal",
)


def clients(url, data_dir):
    """Return a function that makes boto3 clients of the server at `url`."""
    keys = json.loads((Path(data_dir) / "credentials.json").read_text())
    session = boto3.Session(keys["access_key_id"], keys["secret_access_key"], region_name="us-west-2")
    return lambda service: session.client(service, endpoint_url=url)


def describe_everything(client):
    """Return what the frozen resources look like, as JSON values."""
    sagemaker, s3, iam, logs = (client(name) for name in ("sagemaker", "s3", "iam", "logs"))
    job = sagemaker.describe_training_job(TrainingJobName="frozen-job")
    (stream,) = logs.describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs")["logStreams"]
    events = logs.get_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=stream["logStreamName"], startFromHead=True
    )["events"]
    said = {
        "job": job,
        "jobs": sagemaker.list_training_jobs(),
        "tags": sagemaker.list_tags(ResourceArn=job["TrainingJobArn"]),
        "model": sagemaker.describe_model(ModelName="frozen-model"),
        "config": sagemaker.describe_endpoint_config(EndpointConfigName="frozen-config"),
        "role": iam.get_role(RoleName="Frozen"),
        "policy": iam.get_role_policy(RoleName="Frozen", PolicyName="inline"),
        "head": s3.head_object(Bucket="frozen-bucket", Key="data/é 1.csv"),
        "objects": s3.list_objects_v2(Bucket="frozen-bucket"),
        "content": s3.get_object(Bucket="frozen-bucket", Key="data/é 1.csv")["Body"].read().decode(),
        "log": [event["message"] for event in events],
    }
    return json.loads(json.dumps(_without_metadata(said), default=str))


def _without_metadata(value):
    if isinstance(value, dict):
        return {k: _without_metadata(v) for k, v in value.items() if k != "ResponseMetadata"}
    return [_without_metadata(item) for item in value] if isinstance(value, list) else value


def _fill(client):
    s3, sagemaker, iam = client("s3"), client("sagemaker"), client("iam")
    s3.create_bucket(Bucket="frozen-bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(
        Bucket="frozen-bucket", Key="data/é 1.csv", Body="1,2\n3,4\n", Metadata={"a": "b"}, Tagging="x=y"
    )
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    iam.create_role(
        RoleName="Frozen",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_role_policy(RoleName="Frozen", PolicyName="inline", PolicyDocument=policy)
    image = "174872318107.dkr.ecr.us-west-2.amazonaws.com/kmeans:1"
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://frozen-bucket/data/"}
    sagemaker.create_training_job(
        TrainingJobName="frozen-job",
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        RoleArn=ROLE,
        HyperParameters={"k": "2", "feature_dim": "2"},
        InputDataConfig=[
            {
                "ChannelName": "train",
                "ContentType": "text/csv;label_size=0",
                "DataSource": {"S3DataSource": source},
            }
        ],
        OutputDataConfig={"S3OutputPath": "s3://frozen-bucket/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        Tags=[{"Key": "frozen", "Value": "yes"}],
    )
    while (job := sagemaker.describe_training_job(TrainingJobName="frozen-job"))[
        "TrainingJobStatus"
    ] == "InProgress":
        time.sleep(0.1)
    container = {"Image": image, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(ModelName="frozen-model", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {
        "VariantName": "A",
        "ModelName": "frozen-model",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }
    sagemaker.create_endpoint_config(EndpointConfigName="frozen-config", ProductionVariants=[variant])


@contextlib.contextmanager
def _server(data_dir):
    # Paths of the machine that freezes are of no use to one that opens.
    environment = {**os.environ, "WILDSAGE_DATA_DIR": str(data_dir)}
    subprocess.run([sys.executable, "-m", "wildsage", "up", "-d", "--port", "0"], check=True, env=environment)
    try:
        yield json.loads((Path(data_dir) / "server.json").read_text())["url"]
    finally:
        subprocess.run([sys.executable, "-m", "wildsage", "down", "--all"], check=True, env=environment)


def freeze(version):
    """Make a data directory, write it and what it says."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        with _server(data_dir) as url:
            _fill(clients(url, data_dir))
            expected = describe_everything(clients(url, data_dir))
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path in sorted(data_dir.iterdir()):
                if path.name not in _LEFT_OUT:
                    archive.add(path, path.name, filter=_anonymous)
        (FOLDER / f"state-{version}.tar.gz").write_bytes(gzip.compress(packed.getvalue(), mtime=0))
        (FOLDER / f"state-{version}.json").write_text(
            json.dumps(expected, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        )


def _anonymous(member):
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    freeze(sys.argv[1])
