"""`wildsage seed` on a real server: what every account reads there, and what none may do."""

import pytest
from botocore.exceptions import ClientError

from wildsage.cli.main import main
from wildsage.testing import server

BUCKET = "sagemaker-example-files-prod-eu-west-1"
IRIS = "datasets/tabular/iris/iris.data"


@pytest.fixture(scope="module")
def running():
    with server(region="eu-west-1", environment=False) as running:
        assert seed(running, "iris") == 0
        yield running


def seed(running, *words):
    return main(["seed", "--data-dir", str(running.data_dir), *words])


@pytest.fixture(params=["owner", "other"])
def account(running, request):
    return running.account if request.param == "owner" else running.new_account()


def refusal(call, **request):
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response["Error"]


def test_every_account_reads(account):
    s3 = account.session().client("s3")
    found = s3.get_object(Bucket=BUCKET, Key=IRIS)
    assert found["Body"].read().count(b"\n") == 150
    assert found["Metadata"]["origin"] == "Fisher's iris flowers, from scikit-learn"
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == [IRIS]
    assert account.session("us-east-1").client("s3").head_object(Bucket="sagemaker-sample-files", Key=IRIS)
    assert BUCKET not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    own = account.bucket()
    s3.copy_object(Bucket=own, Key="copy", CopySource=f"{BUCKET}/{IRIS}")
    assert s3.head_object(Bucket=own, Key="copy")["ContentLength"] == found["ContentLength"]


def test_no_account_writes(account):
    s3 = account.session().client("s3")
    assert refusal(s3.put_object, Bucket=BUCKET, Key="mine", Body=b"x")["Code"] == "AccessDenied"
    assert refusal(s3.delete_object, Bucket=BUCKET, Key=IRIS)["Code"] == "AccessDenied"
    assert refusal(s3.delete_bucket, Bucket=BUCKET)["Code"] == "AccessDenied"
    assert (
        refusal(s3.copy_object, Bucket=BUCKET, Key="c", CopySource=f"{BUCKET}/{IRIS}")["Code"]
        == "AccessDenied"
    )
    place = {"LocationConstraint": "eu-west-1"}
    taken = refusal(
        s3.create_bucket, Bucket="sagemaker-sample-data-eu-north-1", CreateBucketConfiguration=place
    )
    assert taken["Code"] == "BucketAlreadyExists"


def test_what_is_missing_says_how_to_get_it(account):
    s3 = account.session().client("s3")
    absent = refusal(s3.get_object, Bucket=BUCKET, Key="datasets/image/MNIST/train.gz")
    assert absent["Code"] == "NoSuchKey"
    assert "`wildsage seed --list`" in absent["Message"]
    assert "`wildsage seed --from-dir DIR`" in absent["Message"]
    bucket = refusal(s3.list_objects_v2, Bucket="jumpstart-cache-prod-eu-west-1")
    assert bucket["Code"] == "NoSuchBucket"
    assert "wildsage seed" in bucket["Message"]
    assert "wildsage" not in refusal(s3.list_objects_v2, Bucket="some-other-bucket")["Message"]


def test_a_training_job_reads_there(account):
    session = account.session()
    created = session.client("sagemaker").create_training_job(
        TrainingJobName="reads-samples",
        AlgorithmSpecification={
            "TrainingImage": "438346466558.dkr.ecr.eu-west-1.amazonaws.com/kmeans:1",
            "TrainingInputMode": "File",
        },
        RoleArn=account.role,
        HyperParameters={"k": "2", "feature_dim": "4"},
        InputDataConfig=[
            {
                "ChannelName": "train",
                "ContentType": "text/csv",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://{BUCKET}/datasets/tabular/iris/",
                    }
                },
            }
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{account.bucket()}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    assert created["TrainingJobArn"].endswith("reads-samples")


def test_files_of_the_users_own(running, tmp_path, capsys):
    path = tmp_path / "sagemaker-sample-files" / "datasets" / "image" / "MNIST" / "mnist.pkl.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"their own")
    assert seed(running, "--from-dir", str(tmp_path)) == 0
    assert "s3://sagemaker-sample-files/datasets/image/MNIST/mnist.pkl.gz" in capsys.readouterr().out
    s3 = running.account.session("us-east-1").client("s3")
    found = s3.get_object(Bucket="sagemaker-sample-files", Key="datasets/image/MNIST/mnist.pkl.gz")
    assert found["Body"].read() == b"their own"
    (tmp_path / "my-bucket").mkdir()
    assert seed(running, "--from-dir", str(tmp_path)) == 1
    assert "my-bucket is none of the public sample buckets" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nothing"], "there is no data set nothing: it is one of iris"),
        (["--region", "here", "iris"], "'here' is no region"),
        (["--from-dir", "/absent"], "/absent is no folder"),
        (["--from-dir", "/tmp", "iris"], "not both"),
    ],
)
def test_what_cannot_be_done_is_told(running, capsys, words, text):
    assert seed(running, *words) == 1
    assert text in capsys.readouterr().err


def test_the_list_says_what_is_generated(running, capsys):
    assert seed(running, "--list") == 0
    said = capsys.readouterr().out
    assert "generated: not the measurements of UCI's Abalone" in said
    assert "CC BY 4.0" in said
