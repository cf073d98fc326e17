"""Jobs whose code brings a requirements.txt: what the first one waits for, the second one does not."""

import io
import re
import sys
import tarfile
import time

import pytest
from tests.served import ServedApplication
from tests.wheels import make_wheel

from wildsage import app
from wildsage.images.environments import Environments

pytestmark = pytest.mark.builds

IMAGE = "236514542706.dkr.ecr.us-west-2.amazonaws.com/sagemaker-base-python-310:1.0"
GROUP = "/aws/sagemaker/TrainingJobs"
PRINT = "import wildwords; print('VERSION', wildwords.VERSION)"
BUILT = "The layer base-python+requirements is ready."


def archive(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


class Account:
    """Runs scripts of a served application."""

    def __init__(self, served):
        self.s3, self.sagemaker, self.logs = (served.client(name) for name in ("s3", "sagemaker", "logs"))
        where = {"LocationConstraint": "us-west-2"}
        self.s3.create_bucket(Bucket="code", CreateBucketConfiguration=where)
        self.role = served.client("iam").list_roles()["Roles"][0]["Arn"]

    def train(self, name, requirements, **members):
        """Run a script with a requirements.txt; returns how the job ended and its log."""
        code = archive({"train.py": PRINT, "requirements.txt": requirements})
        self.s3.put_object(Bucket="code", Key=f"{name}.tar.gz", Body=code)
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            RoleArn=self.role,
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            HyperParameters={
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": f"s3://code/{name}.tar.gz",
            },
            OutputDataConfig={"S3OutputPath": "s3://code/out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
            **members,
        )
        deadline = time.monotonic() + 40
        while (job := self.sagemaker.describe_training_job(TrainingJobName=name))[
            "TrainingJobStatus"
        ] not in (
            "Completed",
            "Failed",
        ):
            assert time.monotonic() < deadline, job
            time.sleep(0.05)
        (stream,) = self.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")[
            "logStreams"
        ]
        events = self.logs.get_log_events(
            logGroupName=GROUP, logStreamName=stream["logStreamName"], startFromHead=True
        )
        return job, [event["message"] for event in events["events"]]


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    """A server whose environments are bare, and whose index is a folder with one wheel."""
    wheels = tmp_path_factory.mktemp("wheels")  # containers see it, so the server's data lies elsewhere
    make_wheel(wheels, "wildwords", "1.5")
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in index.items():
            patch.setenv(name, value)

        def bare(_spec, path):
            return [[sys.executable, "-m", "venv", "--without-pip", str(path)]]

        patch.setattr(app, "framework_environments", lambda cache: Environments(cache, bare, index))
        with ServedApplication(tmp_path_factory.mktemp("server")) as served:
            yield Account(served)


def test_the_second_job_starts_without_an_install(account):
    job, lines = account.train("first", "wildwords==1.5\n")
    assert job["TrainingJobStatus"] == "Completed", (job, lines)
    assert BUILT in lines
    assert "VERSION 1.5" in lines
    job, lines = account.train("second", "# the same\nwildwords==1.5")
    assert job["TrainingJobStatus"] == "Completed", (job, lines)
    assert "VERSION 1.5" in lines
    assert not [line for line in lines if "Preparing" in line or "Installing" in line]


def test_a_package_that_does_not_exist_is_named(account):
    job, lines = account.train("absent", "wildwords==1.5\nno-such-package-here==2.0\n")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: InstallRequirementsError:")
    assert "no-such-package-here==2.0" in job["FailureReason"]
    assert any("No matching distribution found for no-such-package-here==2.0" in line for line in lines)


def test_what_refers_to_something_else_is_installed_in_the_job(account):
    job, lines = account.train("own", "--prefer-binary\nwildwords==1.5\n")
    assert job["TrainingJobStatus"] == "Completed", (job, lines)
    assert any(line.startswith("pip installs the requirements in this job") for line in lines)
    assert BUILT not in lines


def test_an_environment_that_cannot_be_built_fails_the_job_with_the_package(tmp_path_factory, monkeypatch):
    """The image's own packages, by the real pip, from an index that has none of them."""
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path_factory.mktemp("empty"))}
    monkeypatch.setattr(app, "framework_environments", lambda cache: Environments(cache, variables=index))
    with ServedApplication(tmp_path_factory.mktemp("server")) as served:
        job, lines = Account(served).train("bare", "")
    assert job["TrainingJobStatus"] == "Failed"
    pattern = r"ClientError: the environment base-python.* could not be prepared: no wheel of ([\w.-]+==\S+) was found"
    found = re.match(pattern, job["FailureReason"])
    assert found, job["FailureReason"]
    assert f"No matching distribution found for {found[1]}" in " ".join(lines)
    assert "Next step: let pip reach a package index" in job["FailureReason"]
    assert "requirements.txt" not in job["FailureReason"]
