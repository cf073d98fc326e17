"""Training jobs from create to their end, with real supervisors and containers, without the wire."""

import asyncio
import tarfile
from io import BytesIO

import pytest
from tests.jobs.platform import KEY, play, statuses

from wildsage.core.clock import SystemClock
from wildsage.core.errors import ResourceInUseError, ValidationError
from wildsage.store.run_records import RunRecords


def test_a_job_runs_and_leaves_its_artifacts_metrics_and_log(platform, tmp_path):
    platform.image(
        tmp_path,
        "good",
        "echo 'loss=3.5;'; echo 'loss=1.25;'; echo weights > /opt/ml/model/w; env > /opt/ml/output/data/env",
    )

    async def story():
        metric = {"Name": "loss", "Regex": "loss=(.*);"}
        await platform.create(
            "job",
            "good",
            AlgorithmSpecification={"MetricDefinitions": [metric]},
            HyperParameters={"a": "1"},
            Environment={"MINE": "yes"},
        )
        job = await platform.ended("job")
        await platform.emptied()
        content = await platform.buckets.read_bytes("out", "models/job/output/model.tar.gz", 1 << 20)
        output = await platform.buckets.read_bytes("out", "models/job/output/output.tar.gz", 1 << 20)
        return job, content, output

    job, content, output = play(platform, story)
    assert job["TrainingJobStatus"] == "Completed", job
    assert statuses(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert job["ModelArtifacts"] == {"S3ModelArtifacts": "s3://out/models/job/output/model.tar.gz"}
    assert [(item["MetricName"], item["Value"]) for item in job["FinalMetricDataList"]] == [("loss", 1.25)]
    assert job["TrainingStartTime"] <= job["TrainingEndTime"]
    with tarfile.open(fileobj=BytesIO(content)) as archive:
        assert archive.extractfile("w").read() == b"weights\n"
    with tarfile.open(fileobj=BytesIO(output)) as archive:
        environment = archive.extractfile("env").read().decode()
    assert "MINE=yes" in environment
    assert "TRAINING_JOB_NAME=job" in environment
    assert platform.log("job") == ["loss=3.5;", "loss=1.25;"]


def test_a_job_goes_on_from_the_model_of_another(platform, tmp_path):
    script = "cd /opt/ml/model; tar xzf ../input/data/model/model.tar.gz 2>/dev/null; echo step >> steps"
    platform.image(tmp_path, "image", script)

    async def story():
        models = []
        for name in ("one", "two", "three"):
            channel = {
                "ChannelName": "model",
                "ContentType": "application/x-sagemaker-model",
                "DataSource": {
                    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": models[-1] if models else ""}
                },
            }
            await platform.create(name, "image", **({"InputDataConfig": [channel]} if models else {}))
            models.append((await platform.ended(name))["ModelArtifacts"]["S3ModelArtifacts"])
        return models[-1]

    model = play(platform, story).removeprefix("s3://out/")
    content = asyncio.run(platform.buckets.read_bytes("out", model, 1 << 20))
    with tarfile.open(fileobj=BytesIO(content)) as archive:
        assert archive.extractfile("steps").read() == b"step\n" * 3


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_clock_that_is_set_while_a_job_runs_turns_nothing_around(platform, tmp_path, monkeypatch, step):
    """The server's clock steps; the supervisor's process has another one, as after a correction in between."""
    platform.image(tmp_path, "slow", "while ! [ -e /opt/ml/go ]; do sleep 0.02; done; sleep 0.3")

    async def story():
        await platform.create("job", "slow")
        await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")
        monkeypatch.setattr(platform.clock, "now", lambda: SystemClock().now() + step, raising=False)
        (folder,) = platform.run_folders()
        (folder.ml / "go").touch()
        return await platform.ended("job")

    job = play(platform, story)
    steps = job["SecondaryStatusTransitions"]
    times = [time for one in steps for time in (one["StartTime"], one["EndTime"])]
    assert times == sorted(times)
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"]
    assert job["CreationTime"] <= job["LastModifiedTime"]
    assert 1 <= job["TrainingTimeInSeconds"] < 30
    assert job["TrainingEndTime"] - job["TrainingStartTime"] >= 0.3
    (record,) = RunRecords(platform.resources.database).of(KEY)
    assert 0.3 <= record["exit"]["seconds"] < 30


def test_a_failure_gives_the_reason_the_container_wrote(platform, tmp_path):
    platform.image(tmp_path, "bad", "printf 'ValueError: %01500d' 7 > /opt/ml/output/failure; exit 3")
    platform.image(tmp_path, "mute", "echo one; echo two; exit 5")

    async def story():
        await platform.create("bad", "bad")
        await platform.create("mute", "mute")
        return await platform.ended("bad"), await platform.ended("mute")

    bad, mute = play(platform, story)
    assert bad["TrainingJobStatus"] == mute["TrainingJobStatus"] == "Failed"
    assert bad["FailureReason"].startswith("ValueError: 000")
    assert len(bad["FailureReason"]) == 1024
    assert bad["FailureReason"].endswith("Next step: run `wildsage explain bad`.")
    assert mute["FailureReason"] == (
        "AlgorithmError: one\ntwo, exit code: 5. Next step: run `wildsage explain mute`."
    )


def test_of_many_equal_creates_one_succeeds(platform, tmp_path):
    platform.image(tmp_path, "good", "exit 0")

    async def story():
        results = await asyncio.gather(
            *(platform.create("job", "good") for _ in range(200)), return_exceptions=True
        )
        await platform.ended("job")
        return results

    results = play(platform, story)
    refused = [result for result in results if isinstance(result, ResourceInUseError)]
    assert len(refused) == 199
    assert "a training job with this name already exists (arn:aws:sagemaker:" in refused[0].message


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"ResourceConfig": {}}, "needs InstanceType"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 9_999_999}}, "28 days"),
        (
            {
                "EnableManagedSpotTraining": True,
                "StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 5},
            },
            "greater than or equal to",
        ),
        (
            {"AlgorithmSpecification": {"MetricDefinitions": [{"Name": "a", "Regex": "("}]}},
            "not a regular expression",
        ),
        (
            {
                "InputDataConfig": [
                    {
                        "ChannelName": "train",
                        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://out/none"}},
                    }
                ]
            },
            'No S3 objects found under S3 URL "s3://out/none"',
        ),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}, "Duplicate tag keys"),
    ],
)
def test_what_cannot_run_is_refused_and_nothing_is_stored(platform, tmp_path, members, text):
    platform.image(tmp_path, "good", "exit 0")

    async def story():
        with pytest.raises(ValidationError, match=text.replace("(", r"\(")):
            await platform.create("job", "good", **members)
        with pytest.raises(ValidationError, match="Requested resource not found"):
            await platform.describe("job")
        with pytest.raises(ValidationError, match="does not exist"):
            await platform.create("job", "unknown")

    play(platform, story)
    assert platform.runs.unsettled() == []
