"""The pytest plug-in, in test suites of its own."""

import pytest
from tests.testing.programs import left_of

pytest_plugins = "pytester"


def run(pytester, *words):
    """Run a suite with our plug-in alone: others cost a second to import."""
    pytester._monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "wildsage.testing.plugin", *words)


@pytest.fixture(autouse=True)
def _no_outer_plugins(monkeypatch):
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)


def test_fixtures_and_the_report_of_a_failure(pytester):
    pytester.makeini("[pytest]\nwildsage_isolation = function\nwildsage_region = eu-central-1\n")
    pytester.makepyfile(
        """
        import boto3, pytest

        seen = []

        @pytest.fixture(autouse=True)
        def note(wildsage_account):
            seen.append(wildsage_account.id)

        def test_everything_is_of_one_account(wildsage_session, wildsage_bucket, wildsage_role, wildsage_account):
            assert wildsage_session.region_name == "eu-central-1"
            assert boto3.client("s3").list_buckets()["Buckets"][0]["Name"] == wildsage_bucket
            assert wildsage_role.split(":")[4] == wildsage_account.id
            assert boto3.client("sts").get_caller_identity()["Account"] == wildsage_account.id

        def test_the_next_one_has_another(wildsage_session):
            assert len(set(seen)) == 2
            assert wildsage_session.client("s3").list_buckets()["Buckets"] == []

        def test_no_sdk(sagemaker_session):
            pass

        def test_fails(wildsage_session, wildsage_role, wildsage_bucket):
            wildsage_session.client("s3").put_object(Bucket=wildsage_bucket, Key="train/x.csv", Body="1,2\\na,b")
            wildsage_session.client("sagemaker").create_training_job(
                TrainingJobName="bad-data",
                AlgorithmSpecification={
                    "TrainingImage": "664544806723.dkr.ecr.eu-central-1.amazonaws.com/kmeans:1",
                    "TrainingInputMode": "File",
                },
                RoleArn=wildsage_role,
                HyperParameters={"k": "2", "feature_dim": "2"},
                InputDataConfig=[{"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": {
                    "S3DataType": "S3Prefix", "S3Uri": f"s3://{wildsage_bucket}/train"}}}],
                OutputDataConfig={"S3OutputPath": f"s3://{wildsage_bucket}/out"},
                ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
                StoppingCondition={"MaxRuntimeInSeconds": 60},
            )
            waiter = wildsage_session.client("sagemaker").get_waiter("training_job_completed_or_stopped")
            waiter.wait(TrainingJobName="bad-data")
        """
    )
    result = run(pytester)
    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines_random(
        [
            "*Wildsage training job bad-data: Failed*",
            "FailureReason: ClientError: *",
            "*needs the package 'sagemaker', which is not installed here: pip install sagemaker*",
        ]
    )


def test_each_worker_of_xdist_has_a_server_and_code_may_make_clients_at_import(pytester, tmp_path):
    pytester.makepyfile(
        shop="import boto3\nbuckets = boto3.client('s3', region_name='us-east-1')\n",
        test_shop=f"""
        import os, pathlib, shop

        def test_it(wildsage_server):
            name = os.environ["PYTEST_XDIST_WORKER"] + "-bucket"
            shop.buckets.create_bucket(Bucket=name)
            made = [found["Name"] for found in wildsage_server.account.session().client("s3").list_buckets()["Buckets"]]
            assert made == [name]
            pathlib.Path({str(tmp_path)!r}, str(wildsage_server.pid)).write_text(str(wildsage_server.data_dir))
        """,
    )
    result = pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "--wildsage", "-n", "2", "--dist", "each"
    )
    result.assert_outcomes(passed=2)
    folders = {path.read_text() for path in tmp_path.iterdir()}
    assert len(folders) == 2
    assert [left for folder in folders for left in left_of(tmp_path / folder)] == []


def test_who_uses_no_fixture_imports_nothing(pytester):
    pytester.makepyfile(
        """
        import os, sys

        def test_it():
            assert [name for name in sys.modules if name.startswith("wildsage")] == [
                "wildsage", "wildsage.testing", "wildsage.testing.plugin"]
            assert "boto3" not in sys.modules
            assert "AWS_ENDPOINT_URL" not in os.environ
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_a_scope_that_is_none_is_told(pytester):
    pytester.makeini("[pytest]\nwildsage_scope = planet\n")
    pytester.makepyfile("def test_it(wildsage_server): pass")
    result = run(pytester)
    assert "wildsage_scope = 'planet'" in result.stdout.str() + result.stderr.str()
