"""Training jobs from create to their end, with real supervisors and containers, without the wire."""

import asyncio
import errno
import os
import signal
import tarfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from wildsage.compute.select import choose
from wildsage.core.clock import SystemClock
from wildsage.core.context import RequestContext
from wildsage.core.errors import ResourceInUseError, ValidationError
from wildsage.images.catalogue import ImageCatalogue
from wildsage.images.environments import Environments
from wildsage.images.preparation import ImagePreparation
from wildsage.images.registered import RegisteredImages
from wildsage.jobs.capacity import Capacity
from wildsage.jobs.launch import Rooms
from wildsage.jobs.reconciler import TrainingReconciler
from wildsage.services.authorization import Authorizer
from wildsage.services.sagemaker.training_job import TrainingJobRules, TrainingJobs
from wildsage.store.access_keys import AccessKeys, open_owner_key
from wildsage.store.buckets import Buckets
from wildsage.store.file_systems import FileSystems
from wildsage.store.layout import Layout
from wildsage.store.logs import LogStreams
from wildsage.store.object_access import RoleObjects
from wildsage.store.objects import Objects
from wildsage.store.resources import Key, Resources
from wildsage.store.run_records import RunRecords
from wildsage.store.run_tokens import RunTokens
from wildsage.store.runs import Runs
from wildsage.supervisor.folder import RunFolder

KEY = Key("123456789012", "us-west-2", "training-job", "job")
ROLE = "arn:aws:iam::123456789012:role/Role"


class Platform:
    """The rooms that a training job passes, on one temporary data directory."""

    def __init__(self, tmp_path, state, telemetry):
        self.clock = SystemClock()
        self.layout = Layout(tmp_path / "data")
        self.layout.make()
        self.resources = Resources(state)
        self.runs = Runs(state)
        self.buckets = Buckets(state, Objects(self.layout.objects), self.clock)
        objects = RoleObjects(self.buckets, Authorizer(self.resources).authorize, self.clock)
        self.logs = LogStreams(telemetry, self.layout.logs)
        self.registered = RegisteredImages(self.layout.images)
        images = ImageCatalogue({}, self.registered, Environments(tmp_path / "cache"))
        environments = Environments(tmp_path / "cache")
        sandbox = choose()
        file_systems = FileSystems(self.layout.file_systems)
        self.rooms = Rooms(
            layout=self.layout,
            clock=self.clock,
            resources=self.resources,
            runs=self.runs,
            tokens=RunTokens(state),
            keys=AccessKeys(state, open_owner_key(self.layout.credentials, "123456789012")),
            logs=self.logs,
            objects=objects,
            file_systems=file_systems,
            images=images,
            preparation=ImagePreparation(environments, self.logs, self.clock),
            sandbox=sandbox.name,
            endpoint_url="http://127.0.0.1:9",
            credentials_path="/_wildsage/credentials",
        )
        self.rules = TrainingJobRules(
            images,
            objects,
            self.accept_role,
            sandbox.private,
            lambda _module: [],
            lambda _instance: None,
            file_systems,
        )
        self.jobs = TrainingJobs(self.resources, self.rules)
        self.context = RequestContext("123456789012", "us-west-2", "aws", "arn", "id", self.clock)

    async def accept_role(self, _context, _role):
        return None

    def image(self, tmp_path, name, script):
        folder = tmp_path / f"image-{name}"
        folder.mkdir()
        train = folder / "train"
        train.write_text(f"#!/bin/sh\n{script}\n")
        train.chmod(0o755)
        self.registered.add_directory(name, folder)

    async def create(self, name, image, **members):
        await self.buckets.create_bucket("out", "123456789012", "us-west-2", {})
        return await self.jobs.create(
            self.context,
            {
                "TrainingJobName": name,
                "AlgorithmSpecification": {
                    "TrainingImage": image,
                    "TrainingInputMode": "File",
                    **members.pop("AlgorithmSpecification", {}),
                },
                "RoleArn": ROLE,
                "OutputDataConfig": {"S3OutputPath": "s3://out/models"},
                "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
                "StoppingCondition": {"MaxRuntimeInSeconds": 60},
                **members,
            },
        )

    async def describe(self, name):
        return await self.jobs.describe(self.context, {"TrainingJobName": name})

    async def until(self, name, condition, seconds=20):
        deadline = self.clock.monotonic() + seconds
        while True:
            job = await self.describe(name)
            if condition(job):
                return job
            assert self.clock.monotonic() < deadline, job
            await asyncio.sleep(0.02)

    async def ended(self, name):
        return await self.until(
            name, lambda job: job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped")
        )

    def log(self, name):
        group = self.logs.group("123456789012", "us-west-2", "/aws/sagemaker/TrainingJobs")
        (stream,) = self.logs.streams(group, f"{name}/")
        return [frame.message for frame in self.logs.read_forward(stream, 0, 10_000)]

    async def emptied(self):
        """Wait until no run's folder is left: that is after the job's end can be seen."""
        while self.run_folders():
            await asyncio.sleep(0.02)

    def run_folders(self):
        return [RunFolder(path) for path in self.layout.runs.iterdir()]


@pytest.fixture
def platform(tmp_path, state, telemetry):
    made = Platform(tmp_path, state, telemetry)
    yield made
    for folder in made.run_folders():
        folder.request_stop()


def play(platform, story):
    """Run `story` with a reconciler at work."""

    async def run():
        reconciler = TrainingReconciler(platform.rooms, Capacity(2))
        reconciler.start()
        try:
            return await asyncio.wait_for(story(), 40)
        finally:
            await reconciler.stop()

    return asyncio.run(run())


def statuses(job):
    return [step["Status"] for step in job["SecondaryStatusTransitions"]]


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


def test_stop_keeps_what_was_made_so_far(platform, tmp_path):
    platform.image(
        tmp_path,
        "slow",
        "echo early > /opt/ml/model/w; trap 'echo leaving; exit 0' TERM; echo ready; while :; do sleep 0.05; done",
    )

    async def story():
        await platform.create("job", "slow")
        await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")
        await platform.jobs.stop(platform.context, {"TrainingJobName": "job"})
        job = await platform.ended("job")
        with pytest.raises(ValidationError, match="is in status Stopped"):
            await platform.jobs.stop(platform.context, {"TrainingJobName": "job"})
        return job

    job = play(platform, story)
    assert job["TrainingJobStatus"] == "Stopped"
    assert statuses(job)[-3:] == ["Stopping", "Uploading", "Stopped"]
    assert platform.buckets.head("out", "models/job/output/model.tar.gz") is not None


def test_a_job_over_its_time_is_stopped(platform, tmp_path):
    platform.image(tmp_path, "slow", "sleep 60")

    async def story():
        await platform.create("job", "slow", StoppingCondition={"MaxRuntimeInSeconds": 1})
        return await platform.ended("job")

    job = play(platform, story)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_job_that_waits_says_so_and_can_be_stopped(platform, tmp_path):
    platform.image(tmp_path, "slow", "trap 'exit 0' TERM; while :; do sleep 0.05; done")

    async def story():
        for name in ("one", "two", "three"):
            await platform.create(name, "slow")
        waiting = await platform.until("three", lambda job: job["SecondaryStatus"] == "Pending")
        await platform.jobs.stop(platform.context, {"TrainingJobName": "three"})
        three = await platform.ended("three")
        for name in ("one", "two"):
            await platform.jobs.stop(platform.context, {"TrainingJobName": name})
        await platform.ended("one")
        await platform.ended("two")
        return waiting, three

    waiting, three = play(platform, story)
    assert waiting["SecondaryStatusTransitions"][-1]["StatusMessage"] == "Waiting for capacity (1 ahead)"
    assert three["TrainingJobStatus"] == "Stopped"
    assert "TrainingStartTime" not in three


def carried():
    """The runs that have a task."""
    return sum(task.get_name().startswith("run-") for task in asyncio.all_tasks())


def test_jobs_that_wait_have_no_task_until_their_turn_or_stop(platform, tmp_path):
    platform.image(tmp_path, "slow", "trap 'exit 0' TERM; while :; do sleep 0.05; done")
    platform.image(tmp_path, "quick", "exit 0")

    async def story(reconciler, capacity):
        platform.jobs = TrainingJobs(platform.resources, replace(platform.rules, ahead=capacity.ahead_for))
        reconciler.start()
        for name in ("one", "two"):
            await platform.create(name, "slow")
            await platform.until(name, lambda job: job["SecondaryStatus"] == "Training")
        for name in ("first", "second", "third"):
            await platform.create(name, "quick")
        while capacity.ahead() < 3:
            await asyncio.sleep(0.01)
        assert carried() == 2
        waiting = await platform.describe("third")
        await platform.jobs.stop(platform.context, {"TrainingJobName": "second"})
        stopped = await platform.ended("second")
        assert capacity.ahead() == 2
        for name in ("one", "two"):
            await platform.jobs.stop(platform.context, {"TrainingJobName": name})
        first, third = await platform.ended("first"), await platform.ended("third")
        while carried():
            await asyncio.sleep(0.01)
        assert capacity.used == 0
        return waiting, stopped, first, third

    async def run():
        capacity = Capacity(2)
        reconciler = TrainingReconciler(platform.rooms, capacity)
        try:
            return await asyncio.wait_for(story(reconciler, capacity), 40)
        finally:
            await reconciler.stop()

    waiting, stopped, first, third = asyncio.run(run())
    assert statuses(waiting) == ["Starting", "Pending"]
    assert statuses(stopped) == ["Starting", "Pending", "Stopping", "Stopped"]
    assert [job["TrainingJobStatus"] for job in (first, third)] == ["Completed", "Completed"]
    assert first["TrainingStartTime"] <= third["TrainingStartTime"]


def test_a_server_that_ends_begins_nothing_that_waits_and_the_next_one_does(platform, tmp_path):
    platform.image(tmp_path, "quick", "exit 0")
    names = ("a", "b", "c")

    async def wait_and_end():
        capacity = Capacity(2)
        full = capacity.request(capacity.slot_for(96)), capacity.request(capacity.slot_for(96))
        platform.jobs = TrainingJobs(platform.resources, replace(platform.rules, ahead=capacity.ahead_for))
        reconciler = TrainingReconciler(platform.rooms, capacity)
        reconciler.start()
        for name in names:
            await platform.create(name, "quick")
        while capacity.ahead() < len(names):
            await asyncio.sleep(0.01)
        for turn in full:
            capacity.leave(turn)  # the turns of two have come, and the server ends before it notices
        await reconciler.stop()
        await asyncio.sleep(0)
        assert carried() == 0
        assert (capacity.used, capacity.ahead()) == (0, 0)
        return [(await platform.describe(name))["SecondaryStatus"] for name in names]

    assert asyncio.run(wait_and_end()) == ["Pending"] * 3

    async def story():
        return [(await platform.ended(name))["TrainingJobStatus"] for name in names]

    assert play(platform, story) == ["Completed"] * 3


def test_a_job_goes_on_while_nobody_reconciles(platform, tmp_path):
    """The server may die at any time: its supervisors are not its children."""
    platform.image(
        tmp_path,
        "steps",
        "for i in 1 2 3 4 5 6 7 8 9; do echo step=$i; sleep 0.1; done; echo w > /opt/ml/model/w",
    )

    async def first():
        metric = {"Name": "step", "Regex": "step=(.*)"}
        await platform.create("job", "steps", AlgorithmSpecification={"MetricDefinitions": [metric]})
        await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")

    async def second():
        return await platform.ended("job")

    play(platform, first)
    job = play(platform, second)
    assert job["TrainingJobStatus"] == "Completed"
    assert statuses(job).count("Training") == 1
    assert platform.log("job") == [f"step={number}" for number in range(1, 10)]
    points = platform.rooms.logs.database.read("SELECT value FROM job_metric ORDER BY id")
    assert [row["value"] for row in points] == [float(number) for number in range(1, 10)]


def supervisor_of(folder):
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"wildsage.supervisor" in words and str(folder.path).encode() in words:
            return int(entry.name)
    raise AssertionError("no supervisor")


def test_a_lost_run_is_launched_once_more_then_fails(platform, tmp_path):
    platform.image(tmp_path, "slow", "echo begin; while :; do sleep 0.05; done")

    async def story():
        await platform.create("job", "slow")
        for attempt in (1, 2):
            await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")
            await platform.until("job", lambda _, seen=attempt: platform.log("job").count("begin") == seen)
            (folder,) = [folder for folder in platform.run_folders() if folder.is_alive()]
            os.kill(supervisor_of(folder), signal.SIGKILL)
            await platform.until("job", lambda job: job["SecondaryStatus"] != "Training")
        return await platform.ended("job")

    job = play(platform, story)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: the process that carried the job is gone")
    assert "Restarting" in statuses(job)
    assert platform.log("job") == ["begin", "begin"]


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
        ({"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2}}, "InstanceCount 2"),
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


def test_the_folder_of_a_failed_run_is_kept_elsewhere_and_those_a_crash_left_go(platform, tmp_path):
    platform.image(tmp_path, "bad", "exit 5")
    left = RunFolder(platform.layout.runs / "train-0123.1")
    (left.path / "ml").mkdir(parents=True)
    worker = RunFolder(platform.layout.runs / "serve-0123")
    worker.path.mkdir()

    async def story():
        await platform.create("job", "bad")
        await platform.ended("job")
        while platform.run_folders() != [worker]:
            await asyncio.sleep(0.02)
        while not platform.rooms.kept.list():
            await asyncio.sleep(0.02)

    play(platform, story)
    (kept,) = platform.rooms.kept.list()
    assert kept.job == "arn:aws:sagemaker:us-west-2:123456789012:training-job/job"
    assert kept.folder.exit_record().exit_code == 5

    async def deletion():
        await platform.jobs.delete(platform.context, {"TrainingJobName": "job"})

    async def swept():
        while platform.rooms.kept.list():
            await asyncio.sleep(0.02)

    asyncio.run(deletion())
    play(platform, swept)


def test_a_supervisor_that_never_begins_is_given_up(platform, tmp_path, monkeypatch):
    platform.image(tmp_path, "good", "exit 0")
    launches = []
    monkeypatch.setattr(RunFolder, "launch", lambda folder: launches.append(folder.path))

    async def story():
        await platform.create("job", "good")
        job = await platform.ended("job")
        await platform.emptied()
        return job

    job = play(platform, story)
    assert job["TrainingJobStatus"] == "Failed"
    assert "the process that carried the job is gone" in job["FailureReason"]
    assert len(launches) == 2 * 4  # two attempts, each launched and launched again three times


def test_a_full_disk_is_waited_for(platform, tmp_path, monkeypatch):
    """No space for a stop request, then none for the artifacts: the job is as it should be in the end."""
    platform.image(
        tmp_path, "slow", "trap 'echo w > /opt/ml/model/w; exit 0' TERM; while :; do sleep 0.05; done"
    )
    monkeypatch.setattr("wildsage.jobs.reconciler._RETRY_SECONDS", 0.05)
    trouble = {"stop": 2, "adopt": 2}

    def full(name, function):
        def wrapped(*arguments):
            if trouble[name]:
                trouble[name] -= 1
                raise OSError(errno.ENOSPC, "No space left on device")
            return function(*arguments)

        return wrapped

    monkeypatch.setattr(RunFolder, "request_stop", full("stop", RunFolder.request_stop))
    monkeypatch.setattr(Objects, "_adopt", full("adopt", Objects._adopt))

    async def story():
        await platform.create("job", "slow")
        await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")
        await platform.jobs.stop(platform.context, {"TrainingJobName": "job"})
        return await platform.ended("job")

    job = play(platform, story)
    assert trouble == {"stop": 0, "adopt": 0}
    assert job["TrainingJobStatus"] == "Stopped", job
    assert platform.buckets.head("out", "models/job/output/model.tar.gz") is not None


def test_a_job_is_stopped_while_its_environment_is_prepared(platform, tmp_path, monkeypatch):
    platform.image(tmp_path, "good", "exit 0")
    begun, cancelled = asyncio.Event(), []

    async def prepare(_launcher, _run, _job):
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    monkeypatch.setattr("wildsage.jobs.launch.Launcher.is_prepared", lambda _launcher, _job: False)
    monkeypatch.setattr("wildsage.jobs.launch.Launcher.prepare", prepare)

    async def story():
        await platform.create("job", "good")
        await begun.wait()
        await platform.jobs.stop(platform.context, {"TrainingJobName": "job"})
        return await platform.ended("job")

    job = play(platform, story)
    assert job["TrainingJobStatus"] == "Stopped"
    assert cancelled == [True]
    assert platform.run_folders() == []


def test_a_run_that_is_lost_while_it_stops_is_stopped(platform, tmp_path):
    platform.image(tmp_path, "deaf", "trap '' TERM; echo begin; while :; do sleep 0.05; done")

    async def story():
        await platform.create("job", "deaf")
        await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")
        await platform.until("job", lambda _: platform.log("job") == ["begin"])
        await platform.jobs.stop(platform.context, {"TrainingJobName": "job"})
        (folder,) = platform.run_folders()
        os.kill(supervisor_of(folder), signal.SIGKILL)
        return await platform.ended("job")

    job = play(platform, story)
    assert job["TrainingJobStatus"] == "Stopped"
    assert "FailureReason" not in job


def test_lines_without_end_hide_neither_a_stop_nor_the_end(platform, tmp_path, monkeypatch):
    """The tailer of a run that lives reads one portion at a time."""
    platform.image(tmp_path, "slow", "trap 'exit 0' TERM; echo begin; while :; do sleep 0.05; done")
    scan = LogStreams.scan

    async def behind(logs, *arguments):
        """There is always more while the container lives."""
        return await scan(logs, *arguments) or any(folder.is_alive() for folder in platform.run_folders())

    monkeypatch.setattr(LogStreams, "scan", behind)

    async def story():
        await platform.create("job", "slow")
        await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")
        await platform.until("job", lambda _: platform.log("job") == ["begin"])
        await platform.jobs.stop(platform.context, {"TrainingJobName": "job"})
        return await platform.ended("job")

    assert play(platform, story)["TrainingJobStatus"] == "Stopped"
