"""The server dies at its N-th commit, for every N: nothing acknowledged is lost, nothing runs twice."""

import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.faults.platform import connection_lost, until

CRASH = Path(__file__).with_name("crash")
DONE_ALREADY = ("ResourceInUse", "BucketAlreadyOwnedByYou", "is in status Stop")
COMMITS = 60
EVERY_DAY = {(9, "after"), (16, "before")}


def _parameters():
    for number in range(1, COMMITS + 1):
        for side in ("before", "after"):
            marks = () if (number, side) in EVERY_DAY else pytest.mark.faults
            yield pytest.param(number, side, marks=marks, id=f"{side}-{number}")


class Day:
    """What a user does. Each step may be repeated: nobody knows whether one without an answer was done."""

    def __init__(self, platform):
        self.platform = platform
        self.acknowledged = []

    def steps(self):
        platform = self.platform
        sagemaker, s3 = platform.client("sagemaker"), platform.client("s3")
        region = {"LocationConstraint": "us-west-2"}
        yield "bucket", lambda: s3.create_bucket(Bucket="out", CreateBucketConfiguration=region)
        yield "object", lambda: s3.put_object(Bucket="out", Key="data/1", Body=b"data")
        yield "train", lambda: platform.create_job("trains", inputs="s3://out/data/", STEPS=3)
        yield "hold", lambda: platform.create_job("holds", HOLD=1, STEPS=1)
        yield "end", lambda: platform.ended("trains")
        yield "begun", lambda: until(lambda: len(platform.log("holds")) == 2)
        yield "stop", lambda: sagemaker.stop_training_job(TrainingJobName="holds")
        yield "stopped", lambda: platform.ended("holds")

    def go_on(self):
        """Do what was not acknowledged yet; raises where the server dies."""
        for name, step in self.steps():
            if name not in self.acknowledged:
                try:
                    step()
                except ClientError as error:
                    if not any(text in str(error) for text in DONE_ALREADY):
                        raise
                self.acknowledged.append(name)


@pytest.mark.parametrize(("number", "side"), list(_parameters()))
def test_a_crash_at_a_commit(cold_platform, number, side):
    platform = cold_platform
    path = os.pathsep.join([str(CRASH), os.environ.get("PYTHONPATH", "")])
    platform.launch(PYTHONPATH=path, CRASH_AT=f"{number}:{side}")
    day = Day(platform)
    until(lambda: platform.process.poll() is not None or platform.answers())
    if platform.process.poll() is None:
        try:
            day.go_on()
        except connection_lost():
            platform.process.wait(5)
        else:
            pytest.skip(f"a day has fewer than {number} commits")
    assert platform.process.returncode == 9, platform.output.read_text()
    platform.start()
    for name in {"train", "hold"} & {*day.acknowledged}:
        assert platform.job(f"{name}s")["TrainingJobName"] == f"{name}s"
    day.go_on()
    assert platform.client("s3").get_object(Bucket="out", Key="data/1")["Body"].read() == b"data"
    platform.assert_ran_once("trains", steps=3, inputs=b"data")
    assert platform.job("holds")["TrainingJobStatus"] == "Stopped"
    platform.assert_reported_once("trains")
    platform.assert_reported_once("holds")
    assert [line[:5] for line in platform.log("holds")] == ["begin", "step "]
    assert platform.metrics("holds") == [0.25]
    platform.assert_nothing_left()
