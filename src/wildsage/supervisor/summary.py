"""What can be said of a run, in one mapping: compact, without secrets, from the run's folder.

The server keeps it with the job when the run has ended; while it runs, ``wildsage explain`` reads the folder.
"""

import signal
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from wildsage.supervisor.contract import Channel, Event, ExitRecord, InputObject, JobFile
from wildsage.supervisor.folder import RunFolder

_LONGEST_LINE = 300
_MOST_NAMES = 10


def summarize(folder: RunFolder) -> dict[str, Any]:
    """Return what is known of a run; only its id where it has no job file (it never began).

    Every part is there only if it is known: ``image``, ``channels``, ``limits``, ``sandbox``, ``events``,
    ``usage``, ``exit``, ``artifacts``, ``log_tail``.
    """
    summary: dict[str, Any] = {"run_id": folder.path.name}
    try:
        job = folder.job()
    except (OSError, ValueError, KeyError, TypeError):
        return summary
    events = folder.events()
    record = folder.exit_record()
    summary |= _of_job(job) | _of_events(events)
    return summary if record is None else summary | _of_end(record)


def _of_job(job: JobFile) -> dict[str, Any]:
    facts: dict[str, Any] = {
        **job.facts,
        "limits": {name: value for name, value in asdict(job.limits).items() if value is not None},
        "isolated": job.isolated,
        "stop_grace_seconds": job.stop_grace_seconds,
    }
    if job.max_runtime_seconds is not None:
        facts["max_runtime_seconds"] = job.max_runtime_seconds
    if job.channels:
        facts["channels"] = [_channel(item) for item in job.channels]
    if job.checkpoints is not None:
        facts["checkpoints"] = {"restored": len(job.checkpoints.objects)}
    if job.model:
        facts["model_data"] = _size(job.model)
    return facts


def _channel(channel: Channel) -> dict[str, Any]:
    if channel.folder:
        return {"name": channel.name, "mode": channel.mode, "folder": channel.folder}
    return {"name": channel.name, "mode": channel.mode, **_size(channel.objects)}


def _size(objects: Sequence[InputObject]) -> dict[str, int]:
    return {"objects": len(objects), "bytes": sum(item.size for item in objects)}


def _of_events(events: Sequence[Event]) -> dict[str, Any]:
    facts: dict[str, Any] = {"events": [{"at": event.at, "kind": event.kind} for event in events]}
    for event in events:
        detail = event.detail
        if event.kind == "launched":
            facts["sandbox"] = {"name": detail["sandbox"], "level": detail["level"]}
            facts["held_by"] = dict(detail["limits"])
        elif event.kind == "stopping":
            facts["stopped_for"] = detail["reason"]
        elif event.kind == "synced":
            facts["checkpoints"] = {**detail, "unfinished": list(detail["unfinished"])[:_MOST_NAMES]}
        elif event.kind == "exited":
            names = ("peak_memory_bytes", "cpu_seconds", "out_of_memory")
            facts["usage"] = {name: detail[name] for name in names if name in detail}
    return facts


def _of_end(record: ExitRecord) -> dict[str, Any]:
    ending: dict[str, Any] = {"outcome": record.outcome, "at": record.at}
    if record.exit_code is not None:
        ending |= {"exit_code": record.exit_code, "seconds": record.billable_seconds}
        if record.exit_code > 128:
            ending["signal"] = signal_name(record.exit_code - 128)
    if record.stop_reason is not None:
        ending["stop_reason"] = record.stop_reason
    if record.message:
        ending["message"] = record.message
    facts: dict[str, Any] = {"exit": ending}
    if record.artifacts:
        facts["artifacts"] = dict(record.artifacts)
    if record.log_tail:
        facts["log_tail"] = [line[:_LONGEST_LINE] for line in record.log_tail]
    return facts


def signal_name(number: int) -> str:
    """Return ``SIGKILL`` for 9; the number where it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
