"""The end of a job: adopt its artifacts, say why it failed, write the one terminal state."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from wildsage.core.errors import AccessDeniedError
from wildsage.core.next_steps import with_next_step
from wildsage.core.s3_uri import S3UriError, split_s3_uri
from wildsage.jobs.endings import Ending, decisive
from wildsage.jobs.history import Phase
from wildsage.jobs.kind import IMAGE_KIND
from wildsage.jobs.kinds import kind_of
from wildsage.jobs.launch import Rooms
from wildsage.store.database import Transaction
from wildsage.store.object_access import ObjectAccess
from wildsage.store.resources import Body, Resource, Resources
from wildsage.store.run_records import RunRecords
from wildsage.store.run_tokens import RunTokens
from wildsage.store.runs import Gang, Run, Runs
from wildsage.supervisor.contract import ExitRecord, StopReason
from wildsage.supervisor.folder import RunFolder
from wildsage.supervisor.kept import KeptRun
from wildsage.supervisor.merging import merge_outputs
from wildsage.supervisor.summary import summarize
from wildsage.toolkit.errors import FAILURE_CLASSES, SPARK_FAILED

ENDED = "job-ended"
"""Topic of the store: notified when a job has come to its end."""

_WITH_ARTIFACTS = frozenset({"completed", "stopped", "failed", "bad_message", "checkpoint_error"})
_STOPPED_FOR: Mapping[StopReason, Phase] = {"max_runtime": "timed_out", "max_wait": "overdue"}
_REQUEST_ERRORS = ("InstallRequirementsError", "InstallModuleError", "DistributionError")
"""How a failure begins where what the job asks for is not there: a package, a launcher."""


_TIDY_ATTEMPTS = 5
_TIDY_PAUSE_SECONDS = 0.2
_log = logging.getLogger(__name__)


class ArtifactError(Exception):
    """The artifacts cannot be stored where the job wants them. The text is for the user."""


class Settlement:
    """Turns exit records into terminal states. Every method may be repeated after a crash."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def never_started(
        self, gang: Gang, *, reason: str = "", stopped: StopReason | None = None, blamed: Run | None = None
    ) -> None:
        """End a job whose containers never ran: `stopped` before, or impossible for `reason`.

        An earlier server may have written the runs' folders all the same: where the job failed the one of the run
        that is `blamed` (None: the first) is kept, else they go, unless somebody is in them.
        """
        job = self._rooms.resources.get(gang.job)
        at = self._rooms.clock.now()
        changes = {} if job is None else kind_of(gang.job).times_of(job, at, None)
        if reason:
            changes["FailureReason"] = with_next_step(reason, gang.job.name)
        phase: Phase = "failed" if stopped is None else _STOPPED_FOR.get(stopped, "stopped")
        await self._write_end(gang, phase, at, changes)
        kept = None if stopped is not None else blamed or gang.runs[0]
        await self._put_away(job, [run for run in gang.runs if not self._folder_of(run).is_alive()], kept)

    async def settle(self, gang: Gang, endings: Sequence[Ending]) -> None:
        """Store the artifacts of runs that have all ended, then the job's terminal state; then tidy up."""
        job = self._rooms.resources.get(gang.job)
        ending = decisive(endings)
        record = ending.record
        if job is None or record is None:
            return
        kind, phase = kind_of(gang.job), _ending(record, is_stopping=job.status == "Stopping")
        changes = kind.times_of(job, record.at, record)
        changes |= kind.results_of(_records(endings), self._rooms.logs.latest_metrics(job.arn))
        try:
            if record.outcome in _WITH_ARTIFACTS and record.stop_reason != "interrupted":
                changes |= await self._adopt(job, gang)
        except (ArtifactError, S3UriError) as error:
            # Why the container failed matters more than what became of the rest.
            if record.outcome != "failed":
                changes["FailureReason"] = with_next_step(f"ClientError: {error}", gang.job.name)
            phase = "failed"
        if phase == "failed":
            changes.setdefault("FailureReason", failure_reason(job, record, _name_of(job, gang, ending.run)))
        await self._write_end(gang, phase, record.at, changes)
        await self._put_away(job, gang.runs, ending.run if phase == "failed" else None)

    async def _put_away(self, job: Resource | None, runs: Sequence[Run], kept: Run | None) -> None:
        """Keep the folder of the run that failed, bounded; all others go."""
        for run in runs:
            folder = self._folder_of(run)
            if job is not None and run == kept:
                keep, at = self._rooms.kept.keep, self._rooms.clock.now()
                await _tidied(run, partial(keep, folder, job.arn, at))
                await asyncio.to_thread(self.prune)
            else:
                await _tidied(run, folder.delete)

    def prune(self) -> None:
        """Delete what is kept beyond the limits, or of jobs that were deleted."""
        self._rooms.kept.prune(self._rooms.clock.now(), self._is_wanted)

    def _is_wanted(self, run: KeptRun) -> bool:
        return self._rooms.runs.is_known(run.run_id)

    def _folder_of(self, run: Run) -> RunFolder:
        return self._rooms.folder_of(run)

    async def deliver_sent(self, job: Resource, folder: RunFolder) -> None:
        """Bring into the store what the supervisor of a host has sent by now.

        Raises
        ------
        ArtifactError
            If it cannot be stored; what was sent stays where it is.
        """
        await self._deliver(job, folder.sent, continuous=True)

    async def _adopt(self, job: Resource, gang: Gang) -> Body:
        """Bring what the supervisors left into the store. Returns the members that say where."""
        for run in gang.runs:  # first: what is in ``out/`` is newer
            await self.deliver_sent(job, self._folder_of(run))
        # What all hosts left behind comes together in the first one's folder.
        out, *others = (self._folder_of(run).out for run in gang.runs)
        if others:
            await asyncio.to_thread(merge_outputs, out, others)
        await self._deliver(job, out)
        return kind_of(job.key).delivered(job, out)

    async def _deliver(self, job: Resource, source: Path, *, continuous: bool = False) -> None:
        kind = kind_of(job.key)
        objects = self._rooms.objects.of(kind.role_of(job), job.key.region)
        try:
            for delivery in kind.deliveries_of(job):
                if delivery.is_continuous or not continuous:
                    await _deliver(objects, source / delivery.folder, delivery.uri)
        except AccessDeniedError as error:
            raise ArtifactError(f"Artifact upload failed:{error.code}: {error.message}") from None

    async def _write_end(self, gang: Gang, phase: Phase, at: float, changes: Body) -> None:
        summaries = await asyncio.to_thread(summaries_of, self._rooms, gang)

        def store(transaction: Transaction) -> None:
            merged = dict(changes)
            if phase != "failed":
                merged.pop("FailureReason", None)
            history = kind_of(gang.job).history
            if phase == "overdue":  # as AWS shows it, whether it ran or waited
                history.advance(transaction, gang.job, "stopping", at)
            history.advance(transaction, gang.job, phase, at, changes=merged)
            close(transaction, gang, at, summaries)
            transaction.notify(ENDED)

        await self._rooms.resources.database.write(store)
        for run in gang.runs:
            await self._rooms.keys.revoke_bound(run.run_id)


def _records(endings: Sequence[Ending]) -> list[ExitRecord]:
    """Return how the hosts ended, in their order."""
    ordered = sorted(endings, key=lambda ending: ending.run.host)
    return [ending.record for ending in ordered if ending.record is not None]


async def _tidied(run: Run, work: Callable[[], None]) -> None:
    """Put a folder away. The job's end is told already, and stays what it is whatever is in the way."""
    for attempt in range(1, _TIDY_ATTEMPTS + 1):
        try:
            return await asyncio.to_thread(work)
        except OSError:
            if attempt == _TIDY_ATTEMPTS:
                _log.exception("the folder of run %s cannot be put away", run.run_id)
            else:
                await asyncio.sleep(_TIDY_PAUSE_SECONDS)
    return None


def summaries_of(rooms: Rooms, gang: Gang) -> list[Mapping[str, Any]]:
    """Return what is known of each run, from its folder."""
    return [{"attempt": run.attempt, **summarize(rooms.folder_of(run))} for run in gang.runs]


def close(transaction: Transaction, gang: Gang, at: float, summaries: Sequence[Mapping[str, Any]]) -> None:
    """Say that runs are over, and keep what is known of them."""
    Runs.mark_settled(transaction, gang)
    has_job = Resources.fetch(transaction, gang.job) is not None
    for run, summary in zip(gang.runs, summaries, strict=True):
        if has_job:
            RunRecords.put(transaction, gang.job, run.run_id, at, summary, runs_at_once=len(gang.runs))
        RunTokens.revoke(transaction, run.run_id)


def _name_of(job: Resource, gang: Gang, run: Run) -> str:
    """Return how a host is called, where the job has several."""
    hosts = kind_of(job.key).cluster_of(job.body).hosts
    return hosts[run.host - 1].name if len(gang.runs) > 1 else ""


async def _deliver(objects: ObjectAccess, source: Path, uri: str) -> None:
    bucket, prefix = split_s3_uri(uri)
    files = await asyncio.to_thread(_files_below, source)
    if objects.bucket(bucket) is None:
        raise ArtifactError(f"the output bucket {bucket} does not exist; artifacts could not be stored")
    for path in files:
        relative = path.relative_to(source).as_posix()
        await objects.adopt_file(path, bucket, "/".join(filter(None, (prefix.rstrip("/"), relative))))


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _ending(record: ExitRecord, *, is_stopping: bool) -> Phase:
    if record.outcome == "completed":
        return "completed"
    if record.outcome == "stopped" and record.stop_reason != "bad_output":
        if record.stop_reason == "interrupted":  # and no time is left for another attempt
            return "stopped" if is_stopping else "timed_out"
        return _STOPPED_FOR.get(record.stop_reason or "requested", "stopped")
    return "failed"


def failure_reason(job: Resource, record: ExitRecord, host: str = "") -> str:
    """Say why a job failed, in AWS's form, and what to do next.

    Images that AWS owns wrap their message as ``AlgorithmError: …, exit code: N``; what a user's own image
    wrote to ``/opt/ml/output/failure`` is given as it is, as the developer guide says. Exit codes mean
    something where they are of the built-in algorithms.

    Parameters
    ----------
    host
        Where it failed; empty: there is but one.
    """
    name, failure = job.key.name, kind_of(job.key).failure_of(record)
    where = f" (on {host})" if host else ""
    if record.outcome in ("input_error", "checkpoint_error"):
        return with_next_step(record.message, name, tail=where)
    if record.outcome == "bad_message":
        return with_next_step(f"ClientError: {record.message}", name, tail=where)
    if record.stop_reason == "bad_output":
        return with_next_step(
            "ClientError: an output could not be uploaded while the job ran", name, tail=where
        )
    if record.outcome in ("platform_error", "disk_full"):
        return with_next_step(f"InternalServerError: {record.message}", name, tail=where)
    kind: str = job.body.get(IMAGE_KIND, "registered")
    if failure and kind == "registered":
        return with_next_step(failure, name, tail=where)
    error = FAILURE_CLASSES.get(record.exit_code or 0) if kind == "algorithm" else None
    if kind == "framework" and failure.startswith(_REQUEST_ERRORS):
        error = "ClientError"
    # Of a log the end matters, of a message the start.
    said = [text for text in (record.message, failure) if text]
    text = ". ".join(said) or "\n".join(_last_words(record.log_tail))
    reason = f"{error or 'AlgorithmError'}: {text}"
    tail = f", exit code: {record.exit_code}{where}"
    return with_next_step(reason, name, tail=tail, keep_start=bool(said))


def _last_words(tail: Sequence[str]) -> Sequence[str]:
    """Return the end of a log: from where Spark's launcher says what failed, behind all that Spark says as it ends."""
    starts = [number for number, line in enumerate(tail) if line.startswith(SPARK_FAILED)]
    return tail[starts[-1] :] if starts else tail
