"""A tuner on a real store whose training jobs are rows that a test ends: every moment can be stopped at."""

import asyncio
import contextlib
from dataclasses import replace

from tests.services.sagemaker.tuning import REQUESTS, Tuning, changed

from wildsage.core.clock import SystemClock
from wildsage.core.context import RequestContext
from wildsage.core.errors import ResourceInUseError, ServiceError, ValidationError
from wildsage.core.states import is_terminal
from wildsage.jobs.settle import ENDED
from wildsage.services.sagemaker.common import key_of, sagemaker_arn
from wildsage.store.logs import METRICS, LogStreams
from wildsage.store.resources import AlreadyExistsError, Key, Resources
from wildsage.store.runs import TRAINING_JOB
from wildsage.store.tags import Tags
from wildsage.store.tuning_trials import TUNING_JOB, TuningTrials
from wildsage.tuning.conductor import Rooms
from wildsage.tuning.searching import Searching
from wildsage.tuning.tuner import Tuner

ACCOUNT, REGION = "123456789012", "us-west-2"
CONFIG = "HyperParameterTuningJobConfig"
LIMITS = f"{CONFIG}.ResourceLimits"


class Training:
    """Training jobs that do nothing until a test says what becomes of them."""

    def __init__(self, resources, telemetry):
        self._resources = resources
        self._telemetry = telemetry
        self._write = resources.database.write  # that of the jobs: it goes on where the tuner's is cut off
        self.refusal: ServiceError | None = None
        self.created: list[str] = []
        self.stops: list[str] = []

    async def check(self, _context, _request):
        return None

    async def create_for_tuning(self, context, request, tuning_job, objective):
        if self.refusal is not None:
            raise self.refusal
        name = request["TrainingJobName"]
        key, arn = key_of(context, TRAINING_JOB, name), sagemaker_arn(context, TRAINING_JOB, name)
        body = {**request, "TuningJobArn": tuning_job, "_Objective": objective}

        def store(transaction):
            Resources.insert(
                transaction, key, arn=arn, status="InProgress", at=context.clock.now(), body=body
            )

        try:
            await self._resources.database.write(store)
        except AlreadyExistsError as error:
            raise ResourceInUseError(f"{error.existing.arn} exists") from None
        self.created.append(name)

    async def stop(self, context, request):
        self.stops.append(request["TrainingJobName"])
        key = key_of(context, TRAINING_JOB, request["TrainingJobName"])

        def store(transaction):
            if Resources.fetch(transaction, key).status not in ("InProgress", "Stopping"):
                raise ValidationError("it ended")
            Resources.transition(transaction, key, to="Stopping", at=context.clock.now())

        await self._resources.database.write(store)

    # What a test does

    async def report(self, name, value, at=1.0):
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}"

        def store(transaction):
            transaction.execute(
                "INSERT INTO job_metric (arn, name, at, value) VALUES (?, 'loss', ?, ?)", (arn, at, value)
            )
            transaction.notify(METRICS)

        await self._telemetry.write(store)

    async def end(self, name, value=None, status="Completed", reason=""):
        key = Key(ACCOUNT, REGION, TRAINING_JOB, name)

        def store(transaction):
            job = Resources.fetch(transaction, key)
            if is_terminal(TRAINING_JOB, job.status):
                return  # asked by a test that was cancelled meanwhile
            at = SystemClock().now()
            body = {**job.body, "TrainingStartTime": job.created_at, "TrainingEndTime": at}
            if value is not None:
                body["FinalMetricDataList"] = [{"MetricName": "loss", "Value": value, "Timestamp": at}]
            if reason:
                body["FailureReason"] = reason
            Resources.transition(transaction, key, to=status, at=at, body=body)
            transaction.notify(ENDED)

        await self._write(store)


class Lab:
    """A control plane, training jobs and a tuner that can be ended and started again."""

    def __init__(self, state, telemetry, root):
        self.clock = SystemClock()
        self.resources, self.trials = Resources(state), TuningTrials(state)
        self._telemetry, self._root = telemetry, root
        self.training = Training(self.resources, telemetry)
        context = RequestContext(ACCOUNT, REGION, "aws", "arn:aws:iam::123456789012:root", "r", self.clock)
        self.control = Tuning(state, context, root, self.training)

    @contextlib.asynccontextmanager
    async def tuner(self):
        """Run a tuner, as one server would."""
        rooms = Rooms(
            self.clock,
            self.resources,
            self.trials,
            Tags(self.resources.database),
            LogStreams(self._telemetry, self._root),
            self.training,
            Searching(),
        )
        tuner = self._tuner = Tuner(rooms, self._telemetry)
        tuner.start()
        try:
            yield tuner
        finally:
            await tuner.stop()

    async def create(self, changes=None, name="tune", base="curve"):
        request = base if isinstance(base, dict) else REQUESTS[base]
        request = changed({**request, "HyperParameterTuningJobName": name}, changes or {})
        return await self.ask("Create", **request)

    async def ask(self, verb, **request):
        return await self.control.handlers[f"{verb}HyperParameterTuningJob"](self.control.context, request)

    def job(self, name="tune"):
        return self.resources.get(Key(ACCOUNT, REGION, TUNING_JOB, name))

    def records(self, name="tune"):
        return self.trials.of(self.job(name).key)

    def points(self, name="tune"):
        return [dict(one.point) for one in self.records(name)]

    def reports(self, name="tune"):
        return self.trials.reports(self.job(name).key)

    def running(self, name="tune"):
        """The training jobs that are to be ended, in the order of their trials."""
        found = []
        for one in self.records(name):
            job = self.resources.get(Key(ACCOUNT, REGION, TRAINING_JOB, one.training_job))
            if one.state == "running" and job is not None and job.status in ("InProgress", "Stopping"):
                found.append(replace(one))
        return found

    async def until(self, condition, seconds=20.0):
        deadline = self.clock.monotonic() + seconds
        while not (found := condition()):
            assert self.clock.monotonic() < deadline, (self.job(), self.records())
            await asyncio.sleep(0.002)
        return found

    async def started(self, count, name="tune"):
        """Wait until so many training jobs run."""
        return await self.until(lambda: len(self.running(name)) >= count and self.running(name))

    async def judged(self, number, reports, name="tune"):
        """Wait until a running trial was judged by so many reports."""
        conductor = self._tuner._conductors[self.job(name).key]
        await self.until(lambda: conductor._judged.get(number) == reports)

    async def ended(self, name="tune"):
        statuses = ("Completed", "Failed", "Stopped")
        await self.until(lambda: self.job(name).status in statuses)
        return self.job(name)

    async def run(self, objective, name="tune", *, at_once=1):
        """End training jobs with what a function makes of their points, until the tuning job is over."""
        while self.job(name).status == "InProgress":
            running = self.running(name)
            if len(running) >= at_once or (running and len(self.records(name)) >= self.limit(name)):
                first = running[0]
                await self.training.end(first.training_job, objective(first.point))
            await asyncio.sleep(0.002)
        return self.job(name)

    def limit(self, name):
        return self.job(name).body[CONFIG]["ResourceLimits"].get("MaxNumberOfTrainingJobs", 750)


def loss(point):
    """(x - 3)² + 1 unless it is red."""
    return (float(point["x"]) - 3) ** 2 + (point["colour"] != "red")
