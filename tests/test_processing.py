"""Processing jobs over the wire: a whole server, boto3, and containers that read and write."""

import contextlib
import gzip
import json
import time

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.frozen.opening import Opened
from tests.served import REGION, ServedApplication

from wildsage.compute.select import choose
from wildsage.core.clock import SystemClock
from wildsage.images.registered import RegisteredImages
from wildsage.supervisor.folder import RunFolder

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/AmazonSageMaker-ExecutionRole"
IMAGE = "shell:1"
GROUP = "/aws/sagemaker/ProcessingJobs"
TRUST = json.dumps(
    {
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    }
)
NAMES = iter(f"job-{number}" for number in range(1000))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServedApplication(tmp_path_factory.mktemp("server")) as made:
        s3 = made.client("s3")
        s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
        for key, body in (("in/a", b"a\n"), ("in/sub/b", b"b\n"), ("zipped/x", gzip.compress(b"plain\n"))):
            s3.put_object(Bucket="bucket", Key=key, Body=body)
        manifest = [{"prefix": "s3://bucket/in/"}, "sub/b"]
        s3.put_object(Bucket="bucket", Key="manifest", Body=json.dumps(manifest))
        RegisteredImages(made.layout.images).add_command(IMAGE, ["/bin/sh"])
        yield made


@pytest.fixture(scope="module")
def sagemaker(server):
    return server.client("sagemaker")


def source(uri="s3://bucket/in/", path="/opt/ml/processing/in", name="data", **members):
    s3 = {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File", **members}
    return {"InputName": name, "S3Input": s3}


def target(uri, path="/opt/ml/processing/out", name="result", mode="EndOfJob"):
    return {"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": mode}}


def job(script, inputs=(), outputs=(), **members):
    return {
        "ProcessingJobName": next(NAMES),
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        },
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["/bin/sh", "-e", "-c"],
            "ContainerArguments": [script],
        },
        "RoleArn": ROLE,
        **({"ProcessingInputs": list(inputs)} if inputs else {}),
        **({"ProcessingOutputConfig": {"Outputs": list(outputs)}} if outputs else {}),
        **members,
    }


def until(look, seconds=30):
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def ended(sagemaker, request):
    def look():
        described = sagemaker.describe_processing_job(ProcessingJobName=request["ProcessingJobName"])
        return described if described["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped") else None

    return until(look)


def run(sagemaker, request):
    sagemaker.create_processing_job(**request)
    return ended(sagemaker, request)


def stored(server, prefix):
    """What is in the bucket below a prefix."""
    s3 = server.client("s3")
    found = s3.list_objects_v2(Bucket="bucket", Prefix=prefix).get("Contents", [])
    return {
        item["Key"].removeprefix(prefix): s3.get_object(Bucket="bucket", Key=item["Key"])["Body"].read()
        for item in found
    }


def folder_of(server, request):
    """The folder of the job's run, while it lives."""
    for path in server.layout.runs.glob("process-*"):
        with contextlib.suppress(FileNotFoundError):
            facts = json.loads((path / "ml/config/processingjobconfig.json").read_text() or "{}")
            if facts.get("ProcessingJobName") == request["ProcessingJobName"]:
                return RunFolder(path)
    return None


def test_inputs_become_files_and_files_become_outputs(server, sagemaker):
    request = job(
        "cat in/a in/sub/b > out/all; mkdir out/deep; echo $WORD > out/deep/word; printf 'well done' > /opt/ml/output/message",
        [source(), source("s3://bucket/in/a", "/opt/ml/processing/one", "one")],
        [target("s3://bucket/first")],
        Environment={"WORD": "hello"},
        Tags=[{"Key": "k", "Value": "v"}],
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    request["AppSpecification"]["ContainerEntrypoint"][:0] = ["/usr/bin/env", "-C", "/opt/ml/processing"]
    described = run(sagemaker, request)
    assert described["ProcessingJobStatus"] == "Completed", described
    assert stored(server, "first/") == {"all": b"a\nb\n", "deep/word": b"hello\n"}
    assert described["ExitMessage"] == "well done"
    assert "FailureReason" not in described
    assert described["CreationTime"] <= described["ProcessingStartTime"] <= described["ProcessingEndTime"]
    assert described["AppSpecification"] == request["AppSpecification"]
    assert described["ProcessingInputs"][0] == {**request["ProcessingInputs"][0], "AppManaged": False}
    assert described["ProcessingJobArn"].endswith(f":processing-job/{request['ProcessingJobName']}")
    assert not [name for name in described if name.startswith("_")]
    tags = sagemaker.list_tags(ResourceArn=described["ProcessingJobArn"])["Tags"]
    assert tags == [{"Key": "k", "Value": "v"}]


def test_a_container_reads_what_it_is(server, sagemaker):
    request = job(
        "cp /opt/ml/config/*.json /opt/ml/processing/out; ls -d /opt/ml/processing/out; test -d /opt/ml/processing/in",
        [source()],
        [target("s3://bucket/config/")],
    )
    assert run(sagemaker, request)["ProcessingJobStatus"] == "Completed"
    files = {name: json.loads(body) for name, body in stored(server, "config/").items()}
    said = files["processingjobconfig.json"]
    assert said["ProcessingJobName"] == request["ProcessingJobName"]
    assert said["ProcessingInputs"][0]["S3Input"]["S3DataDistributionType"] == "FullyReplicated"
    assert said["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] is None
    assert said["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
    assert files["resourceconfig.json"]["hosts"] == ["algo-1"]
    logs = server.client("logs")
    prefix = f"{request['ProcessingJobName']}/algo-1-"
    (stream,) = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=prefix)["logStreams"]
    events = logs.get_log_events(logGroupName=GROUP, logStreamName=stream["logStreamName"])["events"]
    assert [event["message"] for event in events] == ["/opt/ml/processing/out"]


def test_pipes_and_manifests(server, sagemaker):
    request = job(
        "cd /opt/ml/processing; cat zip_0 > out/plain; cat list/sub/b > out/listed; test ! -e list/a",
        [
            source("s3://bucket/zipped/", "/opt/ml/processing/zip", "zip", S3InputMode="Pipe", S3CompressionType="Gzip"),
            source("s3://bucket/manifest", "/opt/ml/processing/list", "list", S3DataType="ManifestFile"),
        ],
        [target("s3://bucket/piped")],
    )  # fmt: skip
    described = run(sagemaker, request)
    assert described["ProcessingJobStatus"] == "Completed", described
    assert stored(server, "piped/") == {"plain": b"plain\n", "listed": b"b\n"}


def test_a_continuous_output_is_there_before_the_end(server, sagemaker):
    request = job(
        "cd /opt/ml/processing/out; echo 1 > first; until [ -e go ]; do sleep 0.02; done; echo 22 > first; echo 3 > last",
        outputs=[target("s3://bucket/live/", mode="Continuous")],
    )
    sagemaker.create_processing_job(**request)
    assert until(lambda: stored(server, "live/")) == {"first": b"1\n"}
    folder = until(lambda: folder_of(server, request))
    (folder.ml / "processing/out/go").touch()
    assert ended(sagemaker, request)["ProcessingJobStatus"] == "Completed"
    found = stored(server, "live/")
    assert (found["first"], found["last"]) == (b"22\n", b"3\n")


def test_a_failure_keeps_outputs_and_says_why(server, sagemaker):
    request = job(
        "echo part > /opt/ml/processing/out/part; echo 'bad row' >&2; echo because > /opt/ml/output/message; exit 3",
        outputs=[target("s3://bucket/failed")],
    )
    described = run(sagemaker, request)
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("AlgorithmError: bad row, exit code: 3")
    assert described["ExitMessage"] == "because\n"
    assert stored(server, "failed/") == {"part": b"part\n"}
    (summary,) = sagemaker.list_processing_jobs(NameContains=request["ProcessingJobName"])[
        "ProcessingJobSummaries"
    ]
    assert summary["FailureReason"] == described["FailureReason"]
    assert summary["ExitMessage"] == "because\n"


@pytest.mark.skipif(not choose().private, reason="several hosts need a sandbox")
def test_what_several_hosts_say_is_one_message(sagemaker):
    described = run(
        sagemaker,
        job(
            'printf "$(hostname) was here. " > /opt/ml/output/message',
            ProcessingResources={
                "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
            },
        ),
    )
    assert described["ProcessingJobStatus"] == "Completed"
    assert described["ExitMessage"] == "algo-1 was here. algo-2 was here. "


def test_a_message_that_is_no_text_fails_the_job(sagemaker):
    described = run(sagemaker, job(r"printf '\377\376' > /opt/ml/output/message"))
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("ClientError: /opt/ml/output/message must be UTF-8 text")


def test_a_stop_uploads_what_was_made(server, sagemaker):
    request = job(
        "trap 'exit 0' TERM; echo x > /opt/ml/processing/out/x; while :; do sleep 0.02; done",
        outputs=[target("s3://bucket/stopped")],
    )
    sagemaker.create_processing_job(**request)
    until(lambda: (folder := folder_of(server, request)) and (folder.ml / "processing/out/x").exists())
    sagemaker.stop_processing_job(ProcessingJobName=request["ProcessingJobName"])
    described = ended(sagemaker, request)
    assert described["ProcessingJobStatus"] == "Stopped"
    assert stored(server, "stopped/") == {"x": b"x\n"}
    with pytest.raises(ClientError, match="the processing job is in status Stopped"):
        sagemaker.stop_processing_job(ProcessingJobName=request["ProcessingJobName"])


def test_a_job_over_its_time_is_stopped(sagemaker):
    described = run(sagemaker, job("exec sleep 60", StoppingCondition={"MaxRuntimeInSeconds": 1}))
    assert described["ProcessingJobStatus"] == "Stopped"


def test_what_the_application_manages_is_its_own(server, sagemaker):
    own_input = {
        "InputName": "own",
        "AppManaged": True,
        "S3Input": {"S3Uri": "s3://bucket/in/", "S3DataType": "S3Prefix"},
    }
    own_output = {
        "OutputName": "own",
        "AppManaged": True,
        "S3Output": {
            "S3Uri": "s3://bucket/own",
            "LocalPath": "/opt/ml/processing/own",
            "S3UploadMode": "EndOfJob",
        },
    }
    request = job("mkdir /opt/ml/processing/own; touch /opt/ml/processing/own/x", [own_input], [own_output])
    assert run(sagemaker, request)["ProcessingJobStatus"] == "Completed"
    assert stored(server, "own") == {}


@pytest.mark.parametrize("mode", ["EndOfJob", "Continuous"])
def test_a_role_that_may_not_write_fails_the_job(server, sagemaker, mode):
    iam, role = server.client("iam"), f"Closed{mode}"
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=TRUST)
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"},
    ]
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=json.dumps({"Statement": statements}))
    wait = "" if mode == "EndOfJob" else "; exec sleep 60"
    request = job(
        f"echo x > /opt/ml/processing/out/x{wait}",
        outputs=[target(f"s3://bucket/closed-{mode}", mode=mode)],
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}",
    )
    described = run(sagemaker, request)
    assert described["ProcessingJobStatus"] == "Failed"
    for part in (
        "AccessDenied",
        f"assumed-role/{role}/",
        "s3:PutObject",
        f"arn:aws:s3:::bucket/closed-{mode}/x",
    ):
        assert part in described["FailureReason"]
    assert stored(server, f"closed-{mode}") == {}


def test_an_isolated_job_has_its_files_and_no_network(server, sagemaker):
    if not choose().private:
        pytest.skip("this machine cannot isolate, and refuses it")
    connect = "import os, socket; socket.create_connection(('127.0.0.1', int(os.environ['PORT'])), 2)"
    script = "cp in/a out/a; env | grep -c ^AWS_CONTAINER > out/credentials || true"
    request = job(
        f'cd /opt/ml/processing; {script}; python3 -c "$CONNECT" 2> out/said || true',
        [source()],
        [target("s3://bucket/alone")],
        Environment={"CONNECT": connect, "PORT": server.url.rpartition(":")[2]},
    )
    found = {}
    for isolated in (True, False):
        request["ProcessingJobName"] = next(NAMES)
        request["NetworkConfig"] = {"EnableNetworkIsolation": isolated}
        described = run(sagemaker, request)
        assert described["ProcessingJobStatus"] == "Completed", described
        assert described["NetworkConfig"] == {"EnableNetworkIsolation": isolated}
        found[isolated] = stored(server, "alone/")
    assert found[True]["a"] == found[False]["a"] == b"a\n"
    assert (found[True]["credentials"], found[False]["said"]) == (b"0\n", b"")
    assert b"ConnectionRefusedError" in found[True]["said"]


def test_what_is_not_there_fails_the_job_with_its_name(sagemaker):
    described = run(sagemaker, job("true", [source("s3://bucket/nothing/")]))
    assert described["ProcessingJobStatus"] == "Failed"
    assert "no objects found under s3://bucket/nothing/" in described["FailureReason"]
    described = run(sagemaker, job("true", outputs=[target("s3://no-such-bucket/x")]))
    assert described["FailureReason"].startswith(
        "ClientError: the output bucket no-such-bucket does not exist"
    )


def test_jobs_are_listed_in_pages_and_deleted(server, sagemaker):
    requests = [job("true") for _ in range(3)]
    for request in requests:
        run(sagemaker, request)
    names = [request["ProcessingJobName"] for request in requests]
    pages = sagemaker.get_paginator("list_processing_jobs").paginate(
        StatusEquals="Completed", SortBy="Name", SortOrder="Descending", PaginationConfig={"PageSize": 2}
    )
    listed = [item["ProcessingJobName"] for page in pages for item in page["ProcessingJobSummaries"]]
    assert listed == sorted(listed, reverse=True)
    assert set(names) <= set(listed)
    with pytest.raises(ClientError) as taken:
        sagemaker.create_processing_job(**requests[0])
    assert taken.value.response["Error"]["Code"] == "ResourceInUse"
    assert sagemaker.delete_processing_job(ProcessingJobName=names[0])
    with pytest.raises(ClientError, match=f"Could not find requested job with name: {names[0]}"):
        sagemaker.describe_processing_job(ProcessingJobName=names[0])
    assert run(sagemaker, requests[0])["ProcessingJobStatus"] == "Completed"


def test_a_job_that_runs_cannot_be_deleted(sagemaker):
    request = job("exec sleep 60")
    sagemaker.create_processing_job(**request)
    with pytest.raises(ClientError, match="stop it first"):
        sagemaker.delete_processing_job(ProcessingJobName=request["ProcessingJobName"])
    sagemaker.stop_processing_job(ProcessingJobName=request["ProcessingJobName"])
    assert ended(sagemaker, request)["ProcessingJobStatus"] == "Stopped"


def athena():
    definition = {
        "Catalog": "c",
        "Database": "d",
        "QueryString": "q",
        "OutputS3Uri": "s3://b/x",
        "OutputFormat": "PARQUET",
    }
    return {
        "InputName": "a",
        "DatasetDefinition": {"AthenaDatasetDefinition": definition, "LocalPath": "/opt/ml/processing/a"},
    }


def redshift():
    definition = {
        "ClusterId": "c", "Database": "d", "DbUser": "u", "QueryString": "q", "ClusterRoleArn": ROLE,
        "OutputS3Uri": "s3://b/x", "OutputFormat": "CSV",
    }  # fmt: skip
    return {"InputName": "a", "DatasetDefinition": {"RedshiftDatasetDefinition": definition}}


def cluster(**members):
    return {
        "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1, **members}
    }


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ProcessingInputs": [athena()]}, "DatasetDefinition"),
        ({"ProcessingInputs": [redshift()]}, "DatasetDefinition"),
        (
            {"ProcessingOutputConfig": {"Outputs": [{"OutputName": "o", "AppManaged": True, "FeatureStoreOutput": {"FeatureGroupName": "g"}}]}},
            "FeatureStoreOutput",
        ),
        ({"ProcessingInputs": [source(path="/opt/ml/input")]}, "must begin with /opt/ml/processing/"),
        ({"ProcessingInputs": [source(path="/opt/ml/processing/")]}, "must begin with /opt/ml/processing/ and name a folder"),
        ({"ProcessingInputs": [source(path="/opt/ml/processing/../x")]}, "must be a plain path"),
        ({"ProcessingInputs": [{"InputName": "x", "S3Input": {"S3Uri": "s3://b/x", "S3DataType": "S3Prefix"}}]}, "is required unless AppManaged"),
        ({"ProcessingInputs": [{"InputName": "x"}]}, "it needs S3Input"),
        ({"ProcessingInputs": [source(), source(path="/opt/ml/processing/other")]}, "Duplicate processing input name: 'data'"),
        ({"ProcessingInputs": [source(), source(name="other", path="/opt/ml/processing/in/")]}, "is that of input 'data'"),
        ({"ProcessingInputs": [source(S3CompressionType="Gzip")]}, "Gzip can only be used when Pipe"),
        ({"ProcessingInputs": [source(S3InputMode="FastFile")]}, "Member must satisfy enum value set"),
        ({"ProcessingOutputConfig": {"Outputs": [{"OutputName": "o"}]}}, "it needs S3Output"),
        ({"ProcessingOutputConfig": {"Outputs": [target("s3://b", path="/tmp/x")]}}, "processing output 'result': LocalPath '/tmp/x' must begin"),
        ({"ProcessingOutputConfig": {"Outputs": [target("s3://b/1"), target("s3://b/2")]}}, "Duplicate processing output name"),
        ({"ProcessingResources": cluster(InstanceCount=101)}, "value less than or equal to 100"),
        ({"ProcessingResources": {"ClusterConfig": {"VolumeSizeInGB": 1}}}, "needs InstanceType"),
        ({"ProcessingResources": cluster(InstanceType="ml.m5.tiny")}, "instanceType"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 777_601}}, "777600"),
        ({"AppSpecification": {"ImageUri": "none:1"}}, "does not exist or cannot run"),
        ({"AppSpecification": {"ImageUri": "sagemaker-scikit-learn:1.2-1-cpu-py3"}}, "say with ContainerEntrypoint what runs in it"),
        ({"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/Nobody"}, "Could not assume role"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_at_create_and_nothing_is_stored(server, sagemaker, changes, text):
    client = server.session.client(
        "sagemaker",
        endpoint_url=server.url,
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )
    request = {**job("true"), **changes}
    with pytest.raises(ClientError) as raised:
        client.create_processing_job(**request)
    assert raised.value.response["Error"]["Code"] == "ValidationException"
    assert text in raised.value.response["Error"]["Message"]
    with pytest.raises(ClientError, match="Could not find"):
        sagemaker.describe_processing_job(ProcessingJobName=request["ProcessingJobName"])


def test_a_jobs_changes_are_events(server, sagemaker):

    request = job("true")
    run(sagemaker, request)
    found = [
        event
        for event in Opened(server.url, server.layout, SystemClock()).events()
        if event["detail"].get("ProcessingJobName") == request["ProcessingJobName"]
    ]
    assert {event["detail-type"] for event in found} == {"SageMaker Processing Job State Change"}
    assert [event["detail"]["ProcessingJobStatus"] for event in found] == ["InProgress", "Completed"]
    assert isinstance(found[-1]["detail"]["ProcessingEndTime"], int)
