"""The end of a run: adopt its artifacts, say why it failed, write the one terminal state."""

import asyncio
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wildsage.core.clock import Clock
from wildsage.core.errors import AccessDeniedError
from wildsage.core.next_steps import with_next_step
from wildsage.core.s3_uri import S3UriError, split_s3_uri
from wildsage.jobs.history import advance
from wildsage.jobs.training import role_of
from wildsage.store.access_keys import AccessKeys
from wildsage.store.database import Transaction
from wildsage.store.logs import LogStreams
from wildsage.store.object_access import RoleObjects
from wildsage.store.resources import Body, Resource, Resources
from wildsage.store.run_records import RunRecords
from wildsage.store.run_tokens import RunTokens
from wildsage.store.runs import Run, Runs
from wildsage.supervisor.contract import ExitRecord
from wildsage.supervisor.folder import RunFolder
from wildsage.supervisor.kept import KeptRun, KeptRuns
from wildsage.supervisor.summary import summarize
from wildsage.toolkit.errors import FAILURE_CLASSES

"""What the exit codes of the built-in algorithms mean. Other containers' codes mean nothing."""


class ArtifactError(Exception):
    """The artifacts cannot be stored where the job wants them. The text is for the user."""


class Settlement:
    """Turns exit records into terminal states. Every method may be repeated after a crash."""

    def __init__(
        self,
        resources: Resources,
        keys: AccessKeys,
        logs: LogStreams,
        objects: RoleObjects,
        clock: Clock,
        kept: KeptRuns,
    ) -> None:
        self._resources = resources
        self._keys = keys
        self._logs = logs
        self._objects = objects
        self._clock = clock
        self._kept = kept

    async def never_started(
        self, run: Run, folder: RunFolder, *, reason: str = "", stopped: bool = False
    ) -> None:
        """End a job whose container never ran: stopped before, or impossible for `reason`.

        An earlier server may have written the run's folder all the same: it is kept where the job failed,
        else it goes, unless somebody is in it.
        """
        job = self._resources.get(run.job)
        at = self._clock.now()
        changes: Body = {"TrainingEndTime": at}
        if reason:
            changes["FailureReason"] = with_next_step(reason, run.job.name)
        summary = await asyncio.to_thread(summarize, folder)
        await self._write_end(run, "Stopped" if stopped else "Failed", at, changes, summary)
        if not folder.is_alive():
            await self._put_away(job, folder, failed=not stopped)

    async def settle(self, run: Run, folder: RunFolder, record: ExitRecord) -> None:
        """Store the artifacts of a run that has ended, then its terminal state; then tidy up."""
        job = self._resources.get(run.job)
        if job is None:
            await asyncio.to_thread(folder.delete)
            return
        changes = self._times(job, record)
        changes["FinalMetricDataList"] = [
            {"MetricName": point.name, "Value": point.value, "Timestamp": point.at}
            for point in self._logs.latest_metrics(job.arn)
            if math.isfinite(point.value)
        ]
        secondary = _secondary(record)
        try:
            if record.outcome in ("completed", "stopped", "failed"):
                changes |= await self._adopt(job, folder)
        except (ArtifactError, S3UriError) as error:
            # Why the container failed matters more than what became of the rest.
            if record.outcome != "failed":
                changes["FailureReason"] = with_next_step(f"ClientError: {error}", run.job.name)
            secondary = "Failed"
        if secondary == "Failed":
            changes.setdefault("FailureReason", failure_reason(job, record))
        summary = await asyncio.to_thread(summarize, folder)
        await self._write_end(run, secondary, record.at, changes, summary)
        await self._put_away(job, folder, failed=secondary == "Failed")

    async def _put_away(self, job: Resource | None, folder: RunFolder, *, failed: bool) -> None:
        """Keep the folder of a run that failed, bounded; any other goes."""
        if not failed or job is None:
            await asyncio.to_thread(folder.delete)
            return
        await asyncio.to_thread(self._kept.keep, folder, job.arn, self._clock.now())
        await asyncio.to_thread(self.prune)

    def prune(self) -> None:
        """Delete what is kept beyond the limits, or of jobs that were deleted."""
        self._kept.prune(self._clock.now(), self._is_wanted)

    def _is_wanted(self, run: KeptRun) -> bool:
        return Runs(self._resources.database).is_known(run.run_id)

    def _times(self, job: Resource, record: ExitRecord) -> Body:
        # A clock that was set back must not make a job end before it began, nor shorter than it was.
        start = job.body.get("TrainingStartTime")
        lasted = record.at if start is None else start + record.billable_seconds
        times: Body = {"TrainingEndTime": max(record.at, lasted)}
        if record.exit_code is not None:
            times["TrainingTimeInSeconds"] = max(1, round(record.billable_seconds))
            times["BillableTimeInSeconds"] = max(1, math.ceil(record.billable_seconds))
        return times

    async def _adopt(self, job: Resource, folder: RunFolder) -> Body:
        """Bring what the supervisor packed into the store. Returns the members that say where."""
        try:
            return await self._adopt_as_role(job, folder)
        except AccessDeniedError as error:
            raise ArtifactError(f"Artifact upload failed:{error.code}: {error.message}") from None

    async def _adopt_as_role(self, job: Resource, folder: RunFolder) -> Body:
        objects = self._objects.of(role_of(job), job.key.region)
        bucket, prefix = split_s3_uri(job.body["OutputDataConfig"]["S3OutputPath"])
        if objects.bucket(bucket) is None:
            raise ArtifactError(f"the output bucket {bucket} does not exist; artifacts could not be stored")
        base = "/".join(part for part in (prefix.rstrip("/"), job.key.name, "output") if part)
        for path in sorted(folder.out.rglob("*")):
            if path.is_file():
                relative = path.relative_to(folder.out).as_posix()
                await objects.adopt_file(path, bucket, f"{base}/{relative}")
        model = _model_name(folder.out)
        return {"ModelArtifacts": {"S3ModelArtifacts": f"s3://{bucket}/{base}/{model}"}}

    async def _write_end(
        self, run: Run, secondary: str, at: float, changes: Body, summary: Mapping[str, Any]
    ) -> None:
        def store(transaction: Transaction) -> None:
            current = Resources.fetch(transaction, run.job)
            merged = dict(changes)
            if current is not None and "FailureReason" in merged and secondary != "Failed":
                del merged["FailureReason"]
            advance(transaction, run.job, secondary, at, changes=merged)
            Runs.mark_settled(transaction, run.run_id)
            if current is not None:
                RunRecords.put(transaction, run.job, run.run_id, at, {"attempt": run.attempt, **summary})
            RunTokens.revoke(transaction, run.run_id)

        await self._resources.database.write(store)
        await self._keys.revoke_bound(run.run_id)


def _secondary(record: ExitRecord) -> str:
    if record.outcome == "completed":
        return "Completed"
    if record.outcome == "stopped":
        return "MaxRuntimeExceeded" if record.stop_reason == "max_runtime" else "Stopped"
    return "Failed"


def _model_name(out: Path) -> str:
    return "model/" if (out / "model").is_dir() else "model.tar.gz"


def failure_reason(job: Resource, record: ExitRecord) -> str:
    """Say why a job failed, in AWS's form, and what to do next.

    Images that AWS owns wrap their message as ``AlgorithmError: …, exit code: N``; what a user's own image
    wrote to ``/opt/ml/output/failure`` is given as it is, as the developer guide says.
    """
    name = job.key.name
    if record.outcome == "input_error":
        return with_next_step(record.message, name)
    if record.outcome in ("platform_error", "disk_full"):
        return with_next_step(f"InternalServerError: {record.message}", name)
    kind: str = job.body.get("_ImageKind", "registered")
    if record.failure and kind == "registered":
        return with_next_step(record.failure, name)
    error = FAILURE_CLASSES.get(record.exit_code or 0) if kind == "algorithm" else None
    # Of a log the end matters, of a message the start.
    said = [text for text in (record.message, record.failure) if text]
    text = ". ".join(said) or "\n".join(record.log_tail)
    reason = f"{error or 'AlgorithmError'}: {text}"
    tail = f", exit code: {record.exit_code}"
    return with_next_step(reason, name, tail=tail, keep_start=bool(said))
