"""The server dies at its N-th commit, for every N: nothing acknowledged is lost, nothing runs twice."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.faults.platform import IMAGE, ROLE, connection_lost, until

CRASH = Path(__file__).with_name("crash")
DONE_ALREADY = (
    "ResourceInUse", "BucketAlreadyOwnedByYou", "is in status Stop", "Cannot create already existing", "NoSuchUpload",
    "Could not find endpoint",
)  # fmt: skip
COMMITS = {"trains": 60, "serves": 36, "tunes": 64}
EVERY_DAY = {
    ("trains", 9, "after"), ("trains", 16, "before"), ("serves", 12, "before"),
    ("tunes", 14, "after"), ("tunes", 16, "before"), ("tunes", 40, "after"),
}  # fmt: skip
REGION = {"LocationConstraint": "us-west-2"}
PART = bytes(range(256)) * (5 * 4096)  # the smallest that a part may be: 5 MiB

Step = tuple[str, Callable[[], Any]]


def _parameters():
    for day, commits in COMMITS.items():
        for number in range(1, commits + 1):
            for side in ("before", "after"):
                marks = () if (day, number, side) in EVERY_DAY else pytest.mark.faults
                yield pytest.param(day, number, side, marks=marks, id=f"{day}-{side}-{number}")


class Day:
    """What a user does. Each step may be repeated: nobody knows whether one without an answer was done."""

    def __init__(self, platform):
        self.platform = platform
        self.acknowledged = []

    def steps(self) -> Iterator[Step]:
        raise NotImplementedError

    def assert_kept(self) -> None:
        """Hold what was acknowledged against what a restarted server has."""
        raise NotImplementedError

    def assert_done(self) -> None:
        """Look at the end of the day."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Do what was not acknowledged yet; raises where the server dies."""
        for name, step in self.steps():
            if name not in self.acknowledged:
                try:
                    step()
                except ClientError as error:
                    if not any(text in str(error) for text in DONE_ALREADY):
                        raise
                self.acknowledged.append(name)


class TrainingDay(Day):
    """Two jobs: one runs to its end, one is stopped."""

    def steps(self):
        platform = self.platform
        sagemaker, s3 = platform.client("sagemaker"), platform.client("s3")
        yield "bucket", lambda: s3.create_bucket(Bucket="out", CreateBucketConfiguration=REGION)
        yield "object", lambda: s3.put_object(Bucket="out", Key="data/1", Body=b"data")
        yield "train", lambda: platform.create_job("trains", inputs="s3://out/data/", STEPS=3)
        yield "hold", lambda: platform.create_job("holds", HOLD=1, STEPS=1)
        yield "end", lambda: platform.ended("trains")
        yield "begun", lambda: until(lambda: len(platform.log("holds")) == 2)
        yield "stop", lambda: sagemaker.stop_training_job(TrainingJobName="holds")
        yield "stopped", lambda: platform.ended("holds")

    def assert_kept(self):
        for name in {"train", "hold"} & {*self.acknowledged}:
            assert self.platform.job(f"{name}s")["TrainingJobName"] == f"{name}s"

    def assert_done(self):
        platform = self.platform
        assert platform.client("s3").get_object(Bucket="out", Key="data/1")["Body"].read() == b"data"
        platform.assert_ran_once("trains", steps=3, inputs=b"data")
        assert platform.job("holds")["TrainingJobStatus"] == "Stopped"
        assert [line[:5] for line in platform.log("holds")] == ["begin", "step "]
        assert platform.metrics("holds") == [0.25]


class ServingDay(Day):
    """An upload in parts, and an endpoint from its creation to its deletion."""

    upload = ""

    def steps(self):
        platform = self.platform
        sagemaker, s3 = platform.client("sagemaker"), platform.client("s3")
        yield "bucket", lambda: s3.create_bucket(Bucket="out", CreateBucketConfiguration=REGION)
        yield "upload", self._begin
        for number in (1, 2):
            part = {"Bucket": "out", "Key": "large", "PartNumber": number, "Body": PART}
            yield f"part {number}", lambda part=part: s3.upload_part(UploadId=self.upload, **part)
        yield "complete", self._complete
        yield "object", lambda: s3.put_object(Bucket="out", Key="small", Body=b"small")
        yield "delete object", lambda: s3.delete_object(Bucket="out", Key="small")
        model = {
            "ModelName": "model", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE}
        }  # fmt: skip
        yield "model", lambda: sagemaker.create_model(**model)
        variant = {
            "VariantName": "v", "ModelName": "model", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1
        }  # fmt: skip
        config = {"EndpointConfigName": "config", "ProductionVariants": [variant]}
        yield "config", lambda: sagemaker.create_endpoint_config(**config)
        named = {"EndpointName": "endpoint"}
        yield "endpoint", lambda: sagemaker.create_endpoint(EndpointConfigName="config", **named)
        yield "in service", lambda: until(lambda: platform.endpoint_status() == "InService")
        yield "invocation", platform.invoke
        yield "deletion", lambda: sagemaker.delete_endpoint(**named)
        yield "gone", lambda: until(lambda: not platform.endpoint_status())

    def _begin(self):
        self.upload = self.platform.client("s3").create_multipart_upload(Bucket="out", Key="large")[
            "UploadId"
        ]

    def _complete(self):
        s3 = self.platform.client("s3")
        try:
            parts = s3.list_parts(Bucket="out", Key="large", UploadId=self.upload)["Parts"]
        except s3.exceptions.NoSuchUpload:  # it was completed, and nobody was told
            s3.head_object(Bucket="out", Key="large")
            return
        listed = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
        s3.complete_multipart_upload(
            Bucket="out", Key="large", UploadId=self.upload, MultipartUpload={"Parts": listed}
        )

    def assert_kept(self):
        s3, done = self.platform.client("s3"), {*self.acknowledged}
        if "complete" in done:
            assert s3.head_object(Bucket="out", Key="large")["ContentLength"] == 2 * len(PART)
        elif "upload" in done:
            uploads = [
                upload["UploadId"] for upload in s3.list_multipart_uploads(Bucket="out").get("Uploads", [])
            ]
            found = s3.list_objects_v2(Bucket="out").get("Contents", [])
            assert self.upload in uploads or [item["Key"] for item in found] == ["large"]
            if self.upload in uploads:
                parts = s3.list_parts(Bucket="out", Key="large", UploadId=self.upload).get("Parts", [])
                kept = {f"part {part['PartNumber']}" for part in parts}
                assert kept >= {step for step in done if step.startswith("part ")}
        if "delete object" in done:
            assert "small" not in [item["Key"] for item in s3.list_objects_v2(Bucket="out")["Contents"]]
        if "endpoint" in done and "deletion" not in done:
            assert self.platform.endpoint_status() or "gone" in done
        if "in service" in done and "deletion" not in done:
            until(lambda: self.platform.endpoint_status() in ("InService", "Deleting", ""))

    def assert_done(self):
        found = self.platform.client("s3").get_object(Bucket="out", Key="large")["Body"].read()
        assert found == PART * 2
        content = [path for path in self.platform.layout.objects.rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in content) < 3 * len(PART), "parts were left over"


class TuningDay(Day):
    """A tuning job of four trials, two at once."""

    TRIALS = 4

    def steps(self):
        platform = self.platform
        s3 = platform.client("s3")
        yield "bucket", lambda: s3.create_bucket(Bucket="out", CreateBucketConfiguration=REGION)
        yield "tune", lambda: platform.create_tuning_job("tunes", jobs=self.TRIALS, at_once=2, STEPS=2)
        yield "end", lambda: platform.tuned("tunes")

    def assert_kept(self):
        if "tune" in self.acknowledged:
            assert self.platform.tuning_job("tunes")["HyperParameterTuningJobName"] == "tunes"

    def assert_done(self):
        job = self.platform.tuning_job("tunes")
        assert job["HyperParameterTuningJobStatus"] == "Completed"
        assert job["TrainingJobStatusCounters"]["Completed"] == self.TRIALS
        self.platform.assert_tried_once("tunes", self.TRIALS, steps=2)


DAYS = {"trains": TrainingDay, "serves": ServingDay, "tunes": TuningDay}


@pytest.mark.parametrize(("kind", "number", "side"), list(_parameters()))
def test_a_crash_at_a_commit(cold_platform, kind, number, side):
    platform = cold_platform
    path = os.pathsep.join([str(CRASH), os.environ.get("PYTHONPATH", "")])
    platform.launch(PYTHONPATH=path, CRASH_AT=f"{number}:{side}")
    day = DAYS[kind](platform)
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
    day.assert_kept()
    day.go_on()
    day.assert_done()
    platform.assert_nothing_left()
