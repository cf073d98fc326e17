"""``explain``, ``replay`` and ``logs`` against a real server: what is known of jobs and endpoints, and again."""

import json
import subprocess

import pytest
from tests.faults.platform import REGION, Platform, until

from wildsage.images.registered import RegisteredImages
from wildsage.supervisor.kept import KeptRuns

TRAIN = """#!/bin/sh
cat /opt/ml/input/data/train/*
echo weights > /opt/ml/model/w
python3 - <<'END'
import json, os, urllib.request
with open(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]) as file:
    headers = {"Authorization": file.read()}
request = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers=headers)
print(json.load(urllib.request.urlopen(request))["RoleArn"])
END
exit ${CODE:-0}
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    root = tmp_path_factory.mktemp("platform")
    platform = Platform(root)
    try:
        folder = root / "image"
        folder.mkdir()
        (folder / "train").write_text(TRAIN)
        (folder / "serve").write_text("#!/bin/sh\necho cannot serve $(date +%s%N); exit 4\n")
        for program in folder.iterdir():
            program.chmod(0o755)
        RegisteredImages(platform.layout.images).add_directory("replayed:1", folder)
        platform.start()
        region = {"LocationConstraint": REGION}
        platform.client("s3").create_bucket(Bucket="out", CreateBucketConfiguration=region)
        platform.client("s3").put_object(Bucket="out", Key="data/1", Body=b"the input\n")
        for name, code in (("fails", 7), ("completes", 0)):
            platform.client("sagemaker").create_training_job(**request(platform, name, CODE=code))
        platform.ended("fails")
        platform.ended("completes")
        until(lambda: KeptRuns(platform.layout.kept).list())
        yield platform
    finally:
        platform.end()


def request(platform, name, **environment):
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://out/data/"}
    made = platform.job_request(name, **environment)
    made["AlgorithmSpecification"]["TrainingImage"] = "replayed:1"
    made["InputDataConfig"] = [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}]
    made["VpcConfig"] = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    return made


def wildsage(platform, *words):
    done = platform.command(*words, "--region", REGION)
    return done.returncode, done.stdout, done.stderr


def explained(platform, name, *words):
    code, out, err = wildsage(platform, "explain", name, "--json", *words)
    assert code == 0, err
    return json.loads(out)


def test_a_failed_job_is_explained_after_its_run_is_gone(house):
    said = explained(house, "fails")
    (run,) = said["runs"]
    assert said["status"] == "Failed (Failed)"
    assert [step["status"] for step in said["transitions"]] == [
        "Starting", "Downloading", "Training", "Uploading", "Failed"
    ]  # fmt: skip
    assert all(step["seconds"] >= 0 for step in said["transitions"])
    assert sum(step["seconds"] for step in said["transitions"]) > 0
    assert said["instances"] == [
        {"type": "ml.m5.large", "count": 1, "vcpus": 2, "memory_gib": 8.0, "gpus": 0, "limits": run["limits"]}
    ]
    assert run["image"]["kind"] == "registered"
    assert run["channels"] == [{"name": "train", "mode": "File", "objects": 1, "bytes": 10}]
    assert run["exit"]["exit_code"] == 7
    assert run["usage"]["peak_memory_bytes"] > 1 << 20
    assert run["usage"]["cpu_seconds"] > 0.01, "of the script's Python, not of the sandbox alone"
    assert run["artifacts"].keys() == {"model.tar.gz"}
    assert run["sandbox"]["level"] in (1, 2, 3)
    assert run["log_tail"][0] == "the input"
    assert said["log"]["tail"][0] == "the input"
    assert "VpcConfig" in {item["member"] for item in said["recorded_only"]}
    assert "EnableManagedSpotTraining" not in {item["member"] for item in said["recorded_only"]}
    assert said["next_step"]["step"] == "look at what it left behind: `wildsage replay fails --shell`"
    assert said["failure_reason"].endswith("exit code: 7. Next step: run `wildsage explain fails`.")


def test_people_read_the_same(house):
    code, out, _ = wildsage(house, "explain", "fails")
    assert code == 0
    for text in (
        "training job fails: Failed", "Downloading", "replayed:1", "ml.m5.large: 2 vCPUs", "train: 1 object, 10 bytes",
        "exit code 7", "VpcConfig", "the input", "next step", "wildsage replay fails --shell", "model.tar.gz",
    ):  # fmt: skip
        assert text in out, text


def test_a_list_that_is_empty_says_where_there_are_some(house):
    done = house.command("ls", "--region", "eu-central-1")
    assert done.returncode == 0
    assert done.stdout == (
        f"There are no jobs and endpoints in eu-central-1. There are some in {REGION}: say which with --region\n"
    )
    assert "training-job" in wildsage(house, "ls")[1]


def test_a_running_job_is_explained_from_its_folder(house):
    house.create_job("runs", HOLD=1)
    until(lambda: "launched" in house.journal("runs"))
    until(lambda: house.job("runs")["SecondaryStatus"] == "Training")
    said = explained(house, "runs")
    (run,) = said["runs"]
    assert "exit" not in run
    assert [event["kind"] for event in run["events"]][-1] == "launched"
    assert "next_step" not in said
    house.let_go("runs")
    assert house.ended("runs")["TrainingJobStatus"] == "Completed"


def test_a_job_over_its_time_is_told_which_limit_to_raise(house):
    slow = house.job_request("slow", HOLD=1)
    slow["StoppingCondition"] = {"MaxRuntimeInSeconds": 1}
    house.client("sagemaker").create_training_job(**slow)
    assert house.ended("slow")["SecondaryStatus"] == "MaxRuntimeExceeded"
    said = explained(house, "slow")
    assert "raise StoppingCondition.MaxRuntimeInSeconds" in said["next_step"]["step"]
    assert said["runs"][0]["exit"]["stop_reason"] == "max_runtime"
    assert said["runs"][0]["max_runtime_seconds"] == 1


def test_a_processing_job_is_explained_and_replayed_with_its_inputs(house):
    given = {"S3Uri": "s3://out/data/", "LocalPath": "/opt/ml/processing/in", "S3DataType": "S3Prefix"}
    made = {"S3Uri": "s3://out/made", "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    house.client("sagemaker").create_processing_job(
        ProcessingJobName="scales",
        AppSpecification={
            "ImageUri": "replayed:1",
            "ContainerEntrypoint": ["/bin/sh", "-c"],
            "ContainerArguments": ["cat /opt/ml/processing/in/1; echo x > /opt/ml/processing/out/x; exit 7"],
        },
        RoleArn=house.job_request("x")["RoleArn"],
        ProcessingResources={
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        },
        ProcessingInputs=[{"InputName": "data", "S3Input": given}],
        ProcessingOutputConfig={"Outputs": [{"OutputName": "made", "S3Output": made}]},
    )
    assert house.processed("scales")["ProcessingJobStatus"] == "Failed"
    said = explained(house, "scales")
    assert said["status"] == "Failed (Failed)"
    assert [step["status"] for step in said["transitions"]] == [
        "Starting", "Downloading", "Processing", "Uploading", "Failed"
    ]  # fmt: skip
    assert said["outputs"] == ["s3://out/made"]
    assert said["runs"][0]["artifacts"] == {"made": 2}
    assert said["runs"][0]["channels"] == [{"name": "data", "mode": "File", "objects": 1, "bytes": 10}]
    assert "VolumeSizeInGB" in " ".join(item["member"] for item in said["recorded_only"])
    _, text, _ = wildsage(house, "explain", "scales")
    assert "processing job scales: Failed" in text
    assert "output     s3://out/made" in text
    until(lambda: "kept" in explained(house, "scales"))
    code, out, err = wildsage(house, "replay", "scales")
    assert (code, out) == (7, "the input\n")
    assert "on kept inputs" in err


def test_an_endpoint_is_explained_and_told_from_a_job_of_its_name(house):
    house.make_endpoint_parts()
    house.client("sagemaker").create_endpoint(EndpointName="fails", EndpointConfigName="config")
    until(lambda: house.endpoint_status("fails") == "InService")
    said = explained(house, "fails", "--endpoint")
    assert [step["status"] for step in said["transitions"]] == ["Creating", "InService"]
    assert said["runs"][0]["variant"] == "AllTraffic"
    assert explained(house, "fails", "--job")["kind"] == "training-job"
    for command, options in (
        ("explain", "--job or --processing-job or --tuning-job or --endpoint"),
        ("logs", "--job or --processing-job or --endpoint"),
    ):
        code, _, err = wildsage(house, command, "fails")
        assert code == 1
        assert options in err
    assert "the input" in wildsage(house, "logs", "fails", "--job")[1]
    assert "the input" not in wildsage(house, "logs", "fails", "--endpoint")[1]
    house.client("sagemaker").delete_endpoint(EndpointName="fails")
    until(lambda: not house.endpoint_status("fails"))
    assert not house.rows("state.db", "SELECT * FROM run_record WHERE kind = 'endpoint'")
    assert not house.rows("state.db", "SELECT * FROM status_change WHERE kind = 'endpoint'")


def test_an_endpoint_that_fails_keeps_what_its_workers_said(house):
    sagemaker = house.client("sagemaker")
    container = {"Image": "replayed:1"}
    sagemaker.create_model(
        ModelName="mute", ExecutionRoleArn=house.job_request("x")["RoleArn"], PrimaryContainer=container
    )
    variant = {
        "VariantName": "v", "ModelName": "mute", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1
    }  # fmt: skip
    sagemaker.create_endpoint_config(EndpointConfigName="mute", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="mute", EndpointConfigName="mute")
    until(lambda: house.endpoint_status("mute") == "Failed")
    said = explained(house, "mute")
    assert {run["exit"]["exit_code"] for run in said["runs"] if "exit" in run} == {4}
    # One that has just ended may not be settled yet.
    # A worker that was starting again when the endpoint failed is retired with it.
    (failed,) = [step["at"] for step in said["transitions"] if step["status"] == "Failed"]
    earlier = [run for run in said["runs"] if "ending" in run and run["exit"]["at"] < failed]
    assert {run["ending"]["kind"] for run in earlier} == {"exited"}
    assert all(line.startswith("cannot serve ") for line in said["log"]["tail"])
    assert len(said["log"]["tail"]) > 1
    assert said["log"]["tail"] == sorted(said["log"]["tail"]), "of several workers, in the order of time"
    assert "because     exited: the container ended with exit code 4" in wildsage(house, "explain", "mute")[1]
    assert said["next_step"]["cause"] == "endpoint"
    _, out, _ = wildsage(house, "explain", "mute")
    assert out.splitlines()[-1] == "next step  see what the container said: `wildsage logs mute`"
    assert [step["status"] for step in said["transitions"]] == ["Creating", "Failed"]


def test_what_is_not_there_is_named(house):
    code, _, err = wildsage(house, "explain", "nothing")
    assert code == 1
    assert "no job or endpoint named nothing" in err
    code, _, err = wildsage(house, "replay", "nothing")
    assert code == 1
    assert "there is no job named nothing in us-west-2: --region looks in another" in err


def objects(house):
    return [item["Key"] for item in house.client("s3").list_objects_v2(Bucket="out")["Contents"]]


def test_a_failed_job_runs_again_on_its_kept_inputs(house):
    before = objects(house)
    house.client("s3").put_object(Bucket="out", Key="data/1", Body=b"another input\n")
    try:
        code, out, err = wildsage(house, "replay", "fails")
    finally:
        house.client("s3").put_object(Bucket="out", Key="data/1", Body=b"the input\n")
    assert code == 7, err
    assert out.splitlines()[0] == "the input"
    assert out.splitlines()[1].endswith("AmazonSageMaker-ExecutionRole")
    assert "kept inputs" in err
    assert objects(house) == before
    assert_no_trace(house)


def test_a_completed_job_runs_again_on_inputs_that_are_staged_again(house):
    code, out, err = wildsage(house, "replay", "completes")
    assert (code, out.splitlines()[0]) == (0, "the input")
    assert "staged again" in err
    assert_no_trace(house)


def test_a_shell_has_opt_ml_as_the_failed_run_left_it(house):
    done = subprocess.run(
        house.argv("replay", "fails", "--shell", "--region", REGION), input="cat /opt/ml/model/w; exit 3\n",
        capture_output=True, text=True, timeout=30, check=False, env=house.environment,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "weights" in done.stdout.replace("\r", "").splitlines()
    assert_no_trace(house)


def assert_no_trace(house):
    assert not list(house.layout.runs.glob("replay-*"))
    assert not house.rows("state.db", "SELECT * FROM run_token WHERE run_id LIKE 'replay-%'")
    (kept,) = [run for run in KeptRuns(house.layout.kept).list() if run.job.endswith("training-job/fails")]
    assert not (kept.path / "token").exists()
    assert not (kept.path / "run").exists()


def test_only_the_owner_is_told(house):
    keys = house.credentials
    anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
    role = house.client("iam").create_role(RoleName="Guest", AssumeRolePolicyDocument=policy)["Role"]
    assumed = house.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="wildsage")
    temporary = assumed["Credentials"]
    assert ask(house, None)[0] == 403
    assert (
        ask(house, (temporary["AccessKeyId"], temporary["SecretAccessKey"], temporary["SessionToken"]))[0]
        == 403
    )
    own = (keys["aws_access_key_id"], keys["aws_secret_access_key"], None)
    assert ask(house, own, "nonsense")[0] == 404
    assert ask(house, own, body=b"[]")[0] == 400
    assert ask(house, own, body=b"{")[0] == 400
    assert ask(house, own)[0] == 200


def ask(house, key, call="explain", body=None):
    import hashlib
    import time
    import urllib.error
    import urllib.request

    from wildsage.core.credentials import AccessKey
    from wildsage.core.signing import sign_request

    body = body or json.dumps({"account": "123456789012", "region": REGION, "name": "fails"}).encode()
    url = f"{house.url}/_wildsage/owner/{call}"
    headers = {}
    if key is not None:
        headers = sign_request(
            AccessKey(*key, "", ""), "POST", url, region=REGION, at=time.time(), service="sagemaker",
            payload_hash=hashlib.sha256(body).hexdigest(),
        )  # fmt: skip
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
