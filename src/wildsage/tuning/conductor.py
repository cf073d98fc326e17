"""Carries one tuning job from its creation to its end.

Every step is one transaction or may be repeated, so it can stop at any point (this server dies) and go on from the
store:

plan (points written) ── training jobs made ──▶ running ── training jobs end ──▶ ended (objective written) ─▶ plan …
"""

import asyncio
import contextlib
import logging
import sqlite3
from dataclasses import asdict, dataclass, replace
from functools import partial

from wildsage.core.arns import partition_of
from wildsage.core.clock import Clock
from wildsage.core.context import RequestContext
from wildsage.core.errors import ResourceInUseError, ServiceError, ValidationError
from wildsage.core.next_steps import with_next_step
from wildsage.core.states import is_terminal
from wildsage.services.sagemaker.training_job import TrainingJobs
from wildsage.services.sagemaker.tuning_definitions import training_request
from wildsage.services.sagemaker.tuning_trials import counters, definition_of, training_job_arn
from wildsage.store.database import Transaction
from wildsage.store.logs import LogStreams
from wildsage.store.resources import Body, Key, Resource, Resources
from wildsage.store.runs import TRAINING_JOB
from wildsage.store.tags import Tags
from wildsage.store.tuning_trials import Outcome, TrialRecord, TuningTrials
from wildsage.tuning.endings import DECIDED, Ending, ending_of, seconds_left
from wildsage.tuning.searching import Searching
from wildsage.tuning.view import Parents, Reports, View

_RETRY_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rooms:
    """What tuning jobs are carried with."""

    clock: Clock
    resources: Resources
    trials: TuningTrials
    tags: Tags
    logs: LogStreams
    training_jobs: TrainingJobs
    searching: Searching


class Conductor:
    """One tuning job. `wake` it when something of it may have changed.

    Attributes
    ----------
    judges
        Whether it looks at what running trials report.
    """

    def __init__(self, rooms: Rooms, key: Key) -> None:
        self._rooms = rooms
        self._key = key
        self._arn = ""
        self._woken = asyncio.Event()
        self._parents: Parents | None = None
        self._reported: dict[int, tuple[float, ...]] | None = None
        self._judged: dict[int, int] = {}
        self._looked_for_convergence = 0
        self.judges = False

    def wake(self) -> None:
        """Let it look again."""
        self._woken.set()

    async def carry(self) -> None:
        """Carry the tuning job to its end; where the disk is full or the like, wait until that has passed."""
        while True:
            self._woken.clear()
            try:
                if await self._step():
                    return
            except (sqlite3.Error, OSError, ServiceError):
                _log.exception(
                    "tuning job %s: the disk or the store is in trouble; trying again", self._key.name
                )
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001 - the end of a task: what comes here fails the tuning job
                _log.exception("tuning job %s failed inside Wildsage", self._key.name)
                await self._give_up(f"InternalServerError: {type(error).__name__}: {error}")
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                await self._wait()

    async def _give_up(self, reason: str) -> None:
        """Let a fault of ours end the tuning job with a reason instead of leaving it for ever."""
        with contextlib.suppress(sqlite3.Error, OSError):  # then the next try fails alike, and says so again
            await self._decide(Ending("Failed", reason))

    async def _wait(self) -> None:
        job = self._rooms.resources.get(self._key)
        left = None if job is None else seconds_left(job, self._rooms.clock.now())
        if left is not None and left <= 0:
            left = None  # its end has begun, and waits for trials to stop
        try:
            await asyncio.wait_for(self._woken.wait(), left)
        except TimeoutError:
            return

    async def _step(self) -> bool:
        """Do all that can be done now. True: the tuning job is over."""
        view = self._view()
        if view is None:
            return True
        view = await self._note_ends(view)
        ending = Ending.of(view.job) or await self._ending(view)
        if ending is not None:
            return await self._wind_down(view, ending)
        self.judges = view.stops_early
        await self._make([one for one in view.records if one.state == "planned"], view)
        await self._judge(view)
        await self._plan(view)
        return False

    def _view(self) -> View | None:
        """Look at the tuning job; None: it is over, or gone."""
        job = self._rooms.resources.get(self._key)
        if job is None or is_terminal(self._key.kind, job.status):
            return None
        self._arn = job.arn
        if self._parents is None:
            self._parents = Parents.of(job, self._rooms.resources, self._rooms.trials)
        return View(job, tuple(self._rooms.trials.of(self._key)), self._parents)

    # Trials begin

    async def _plan(self, view: View) -> None:
        """Write down the next trials, then make their training jobs."""
        number = max((one.number for one in view.records), default=0)
        planned: list[TrialRecord] = []
        at = self._rooms.clock.now()
        for definition in view.definitions:
            count = view.allotted().get(definition.name, 0)
            ask = partial(view.question, definition)
            points = await self._rooms.searching.suggest(ask, count) if count else []
            for point in points:
                number += 1
                planned.append(view.trial(number, definition.name, point, at))
        if not planned:
            return

        def store(transaction: Transaction) -> bool:
            job = Resources.fetch(transaction, self._key)
            if job is None or job.status != "InProgress":
                return False
            TuningTrials.plan(transaction, self._key, planned)
            return True

        if await self._rooms.resources.database.write(store):
            await self._make(planned, view)

    async def _make(self, planned: list[TrialRecord], view: View) -> None:
        """Make the training jobs of planned trials, all that there is room for at once."""
        for refusal in await asyncio.gather(*(self._make_one(one, view) for one in planned)):
            if refusal is not None:
                # The next one would be refused as well: what is wrong is in the definition.
                await self._decide(Ending("Failed", refusal))
                break
        if planned:
            self.wake()  # one may have ended before it was known to run

    async def _make_one(self, trial: TrialRecord, view: View) -> str | None:
        """Make a training job, or find it made. Returns why it is refused."""
        definition = definition_of(view.definitions, trial)
        request = training_request(definition, trial.training_job, trial.point)
        tags = self._rooms.tags.of(view.job.arn)
        if tags:
            request["Tags"] = tags
        try:
            await self._rooms.training_jobs.create_for_tuning(
                self._context(view.job), request, view.job.arn, definition.objective["MetricName"]
            )
        except ResourceInUseError as error:
            if self._training_job(trial) is None:
                return f"ClientError: {error.message}"
        except ServiceError as error:
            if error.status >= 500:
                raise
            return f"ClientError: the training job {trial.training_job} cannot be created: {error.message}"
        await self._rooms.resources.database.write(
            lambda transaction: TuningTrials.mark_running(transaction, self._key, trial.number)
        )
        return None

    # Trials end

    async def _note_ends(self, view: View) -> View:
        """Write down what became of trials whose training jobs are over."""
        ended = {}
        for trial in view.records:
            outcome = self._outcome(view, trial) if trial.state == "running" else None
            if outcome is not None:
                ended[trial.number] = outcome
        if not ended:
            return view
        at = self._rooms.clock.now()
        judged = [one for one in view.records if one.number in ended and view.stops_early]
        kept = {one.number: tuple(self._reports(view, one)) for one in judged}

        def store(transaction: Transaction) -> None:
            for number, outcome in ended.items():
                TuningTrials.end(transaction, self._key, number, outcome, kept.get(number))
            job = Resources.fetch(transaction, self._key)
            if job is not None:
                Resources.update(transaction, self._key, at=max(at, job.modified_at), body=job.body)

        await self._rooms.resources.database.write(store)
        self._reports_of_ended().update(kept)
        records = tuple(
            replace(one, state="ended", outcome=ended[one.number]) if one.number in ended else one
            for one in view.records
        )
        return replace(view, records=records)

    def _outcome(self, view: View, trial: TrialRecord) -> Outcome | None:
        """Return how a trial ended; None: it runs."""
        found = self._training_job(trial)
        if found is None:
            reason = "the training job was deleted before its end was noted"
            return Outcome("Failed", None, reason, trial.planned_at, None, self._rooms.clock.now())
        if not is_terminal(TRAINING_JOB, found.status):
            return None
        metric = definition_of(view.definitions, trial).objective["MetricName"]
        return Outcome(
            status=found.status,
            objective=None if found.status == "Failed" else _final(found.body, metric),
            reason=found.body.get("FailureReason", ""),
            created_at=found.created_at,
            started_at=found.body.get("TrainingStartTime"),
            ended_at=found.body.get("TrainingEndTime", found.modified_at),
        )

    def _reports_of_ended(self) -> dict[int, tuple[float, ...]]:
        """Return what trials that have ended reported: read once, for it may be much."""
        if self._reported is None:
            self._reported = self._rooms.trials.reports(self._key)
        return self._reported

    def _reports(self, view: View, trial: TrialRecord) -> list[float]:
        metric = definition_of(view.definitions, trial).objective["MetricName"]
        return self._rooms.logs.metric_values(training_job_arn(self._key, trial), metric)

    def _training_job(self, trial: TrialRecord) -> Resource | None:
        """Return a trial's training job; another one of the same name is none."""
        key = Key(self._key.account, self._key.region, TRAINING_JOB, trial.training_job)
        found = self._rooms.resources.get(key)
        return found if found is not None and found.body.get("TuningJobArn") == self._arn else None

    async def _judge(self, view: View) -> None:
        """Stop running trials that are not worth going on. Only what reported anew is looked at."""
        if not view.stops_early:
            return
        running = [one for one in view.records if one.state == "running"]
        reports = {one.number: self._reports(view, one) for one in running}
        counts = {number: len(values) for number, values in reports.items()}
        if counts == self._judged:
            return
        known: Reports = {**self._reports_of_ended(), **reports}
        for definition in view.definitions:
            trials = view.of(definition)
            indices = await self._rooms.searching.to_stop(partial(view.question, definition, known))
            await self._stop([trials[index] for index in indices if trials[index].state == "running"], view)
        self._judged = counts  # only now: where the disk is full, they are judged again

    async def _stop(self, trials: list[TrialRecord], view: View) -> None:
        """Stop the training jobs of trials that run."""
        context = self._context(view.job)
        for trial in trials:
            found = self._training_job(trial)
            if found is None or found.status != "InProgress":
                continue
            try:
                await self._rooms.training_jobs.stop(context, {"TrainingJobName": trial.training_job})
            except ValidationError:
                continue  # it ended meanwhile

    # The tuning job ends

    async def _ending(self, view: View) -> Ending | None:
        """Decide whether the tuning job ends, and write that down: trials that still run do not change it."""
        ending = ending_of(view.job, view.records, self._rooms.clock.now())
        members: Body = {}
        if ending is None and await self._has_converged(view):
            ending = Ending("Completed")
            members["_ConvergedAt"] = self._rooms.clock.now()
        if ending is not None:
            await self._decide(ending, members)
        return ending

    async def _has_converged(self, view: View) -> bool:
        if not view.wants_convergence:
            return False
        count = sum(one.outcome is not None for one in view.records)
        if count == self._looked_for_convergence:
            return False
        self._looked_for_convergence = count
        asks = [partial(view.question, one) for one in view.definitions]
        answers = [await self._rooms.searching.has_converged(ask) for ask in asks]
        return all(answers)

    async def _decide(self, ending: Ending, members: Body | None = None) -> None:
        at = self._rooms.clock.now()

        def store(transaction: Transaction) -> None:
            job = Resources.fetch(transaction, self._key)
            if job is not None and DECIDED not in job.body:
                body = {**job.body, DECIDED: asdict(ending), **(members or {})}
                Resources.update(transaction, self._key, at=max(at, job.modified_at), body=body)

        await self._rooms.resources.database.write(store)

    async def _wind_down(self, view: View, ending: Ending) -> bool:
        """Stop what still runs; when nothing does, write the end. True: it is written."""
        self.judges = False
        left = []
        for trial in view.open:
            if trial.state == "planned":
                await self._unplan(trial)
            if self._training_job(trial) is not None:
                left.append(trial)
        if left:
            await self._stop(left, view)
            return False
        await self._write_end(ending)
        return True

    async def _unplan(self, trial: TrialRecord) -> None:
        """Forget a trial whose training job was not made; where it was, it runs."""
        change = TuningTrials.drop if self._training_job(trial) is None else TuningTrials.mark_running
        await self._rooms.resources.database.write(
            lambda transaction: change(transaction, self._key, trial.number)
        )
        self.wake()

    async def _write_end(self, ending: Ending) -> None:
        at = self._rooms.clock.now()

        def store(transaction: Transaction) -> None:
            job = Resources.fetch(transaction, self._key)
            if job is None or is_terminal(self._key.kind, job.status):
                return
            records = TuningTrials.fetch(transaction, self._key)
            body = {name: value for name, value in job.body.items() if name != DECIDED}
            body |= {**counters(records), "HyperParameterTuningEndTime": max(at, job.created_at)}
            status = "Stopped" if job.status == "Stopping" else ending.status
            if status == "Failed":
                body["FailureReason"] = with_next_step(ending.reason, self._key.name)
            Resources.transition(transaction, self._key, to=status, at=at, body=body)

        await self._rooms.resources.database.write(store)

    def _context(self, job: Resource) -> RequestContext:
        """Return the context in which training jobs are made: that of the tuning job's creator."""
        return RequestContext(
            account=self._key.account,
            region=self._key.region,
            partition=partition_of(self._key.region),
            principal_arn=job.body["_Principal"],
            request_id=f"tuning-{self._key.name}",
            clock=self._rooms.clock,
        )


def _final(body: Body, metric: str) -> float | None:
    """Return the last value of a metric that a training job reported."""
    found = (one["Value"] for one in body.get("FinalMetricDataList", ()) if one["MetricName"] == metric)
    value: float | None = next(found, None)
    return value
