"""The rooms that a training job passes, with real supervisors and containers, without the wire."""

import asyncio
from pathlib import Path

from wildsage.compute.select import choose
from wildsage.core.clock import SystemClock
from wildsage.core.context import RequestContext
from wildsage.images.catalogue import ImageCatalogue
from wildsage.images.environments import Environments
from wildsage.images.preparation import ImagePreparation
from wildsage.images.registered import RegisteredImages
from wildsage.jobs.capacity import Capacity
from wildsage.jobs.launch import Rooms
from wildsage.jobs.reconciler import JobReconciler
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
            lambda _module: False,
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


def play(platform, story):
    """Run `story` with a reconciler at work."""

    async def run():
        reconciler = JobReconciler(platform.rooms, Capacity(2))
        reconciler.start()
        try:
            return await asyncio.wait_for(story(), 40)
        finally:
            await reconciler.stop()

    return asyncio.run(run())


def statuses(job):
    return [step["Status"] for step in job["SecondaryStatusTransitions"]]


def supervisor_of(folder):
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"wildsage.supervisor" in words and str(folder.path).encode() in words:
            return int(entry.name)
    raise AssertionError("no supervisor")
