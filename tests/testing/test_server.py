"""An ephemeral server: it answers soon, brings clients here, keeps accounts apart, and leaves nothing."""

import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from tests.testing.programs import left_of, start_endless_job, until

from wildsage.cli.main import main
from wildsage.images.registered import RegisteredImages
from wildsage.store.layout import Layout
from wildsage.testing import ServerNotStartedError, server


@pytest.fixture(scope="module")
def shared():
    with server(region="eu-west-1", environment=False) as running:
        yield running


def test_clients_come_here_and_go_back(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", "the user's own")
    before = dict(os.environ)
    with server(account="111122223333") as running:
        assert boto3.client("sts").get_caller_identity()["Account"] == "111122223333"
        hard_coded = boto3.client("sts", endpoint_url="https://sts.eu-north-1.amazonaws.com")
        assert hard_coded.get_caller_identity()["Account"] == "111122223333"
        assert boto3.client("s3").meta.region_name == "eu-north-1"
        start_endless_job(running)
        assert left_of(running.data_dir)
    assert left_of(running.data_dir) == []
    assert dict(os.environ) == before
    assert boto3.DEFAULT_SESSION == "the user's own"


_DIES = """
import os, signal
from tests.testing.programs import start_endless_job
from wildsage.testing import server
with server() as running:
    start_endless_job(running)
    print(running.data_dir, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_program_that_is_killed_leaves_nothing():
    done = subprocess.run([sys.executable, "-c", _DIES], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    data_dir = Path(done.stdout.strip())
    assert data_dir.name
    until(lambda: left_of(data_dir) == [])


def test_accounts_see_nothing_of_each_other(shared):
    first, second = shared.new_account(), shared.new_account()
    assert len({first.id, second.id, shared.account.id}) == 3
    bucket = first.bucket()
    assert [found["Name"] for found in first.session().client("s3").list_buckets()["Buckets"]] == [bucket]
    assert second.session().client("s3").list_buckets()["Buckets"] == []
    with pytest.raises(boto3.client("s3").exceptions.ClientError, match=r"AccessDenied|Forbidden"):
        second.session().client("s3").list_objects_v2(Bucket=bucket)
    assert (
        second.session().client("iam").get_role(RoleName=second.role.split("/")[-1])["Role"]["Arn"]
        == second.role
    )


def test_an_account_is_in_force_for_a_block(shared):
    with shared.in_force():
        account = shared.new_account()
        with account.in_force():
            assert boto3.client("sts").get_caller_identity()["Account"] == account.id
            assert (
                boto3.Session(profile_name="default").client("sts").get_caller_identity()["Account"]
                == account.id
            )
        assert boto3.client("sts").get_caller_identity()["Account"] == shared.account.id


def test_only_its_own_program_may_ask_for_accounts(shared):
    address = urlsplit(shared.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    for token in ({}, {"authorization": "guessed"}):
        connection.request("POST", "/_wildsage/ephemeral/accounts", headers=token)
        response = connection.getresponse()
        assert (response.status, b"account" in response.read()) == (403, False)
    connection.close()


def test_what_failed_is_told_with_its_log(shared):
    account = shared.new_account()
    session = account.session()
    bucket = account.bucket()
    session.client("s3").put_object(Bucket=bucket, Key="train/x.csv", Body=b"1,2\na,b\n")
    began = time.time()
    sagemaker = session.client("sagemaker")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/train"}
    sagemaker.create_training_job(
        TrainingJobName="fails",
        AlgorithmSpecification={
            "TrainingImage": "438346466558.dkr.ecr.eu-west-1.amazonaws.com/kmeans:1",
            "TrainingInputMode": "File",
        },
        RoleArn=account.role,
        HyperParameters={"k": "2", "feature_dim": "2"},
        InputDataConfig=[
            {"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    until(lambda: sagemaker.describe_training_job(TrainingJobName="fails")["TrainingJobStatus"] == "Failed")
    (told,) = shared.happened(began)
    assert (told["kind"], told["name"], told["status"]) == ("training job", "fails", "Failed")
    assert (told["account"], told["region"]) == (account.id, "eu-west-1")
    assert "column 1 holds 'a', not a number" in told["reason"]
    assert any("UserError" in line for line in told["log"])
    assert shared.happened(time.time()) == []


def test_what_became_of_a_processing_job_is_told(shared):
    began = time.time()
    account = shared.account
    sagemaker = account.session().client("sagemaker")
    RegisteredImages(Layout(shared.data_dir).images).add_command(
        "shell:1", ["/bin/sh", "-c", "echo lost; exit 3"]
    )
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    sagemaker.create_processing_job(
        ProcessingJobName="fails",
        AppSpecification={"ImageUri": "shell:1"},
        RoleArn=account.role,
        ProcessingResources={"ClusterConfig": cluster},
    )
    until(
        lambda: (
            sagemaker.describe_processing_job(ProcessingJobName="fails")["ProcessingJobStatus"] == "Failed"
        )
    )
    (told,) = shared.happened(began)
    assert (told["kind"], told["name"], told["status"]) == ("processing job", "fails", "Failed")
    assert "lost, exit code: 3" in told["reason"]
    assert told["log"] == ["lost"]


def test_a_server_that_cannot_start_says_why():
    with pytest.raises(ServerNotStartedError, match="'12' is not 12 digits"), server(account="12"):
        pass


def test_a_folder_with_something_in_it_is_not_taken(tmp_path, capsys):
    (tmp_path / "precious").touch()
    assert main(["up", "--ephemeral", "--data-dir", str(tmp_path)]) == 1
    assert "is not empty, and an ephemeral server removes" in capsys.readouterr().err
    assert (tmp_path / "precious").exists()


@pytest.mark.parametrize("options", [["--json"], ["--ephemeral", "--detach"]])
def test_options_that_do_not_go_together(tmp_path, capsys, options):
    assert main(["up", "--data-dir", str(tmp_path / "data"), *options]) == 1
    assert "ephemeral" in capsys.readouterr().err
