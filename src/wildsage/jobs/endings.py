"""How the hosts of a job ended, and which of these endings is the job's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wildsage.store.runs import Run
from wildsage.supervisor.contract import ExitRecord, StopReason
from wildsage.supervisor.folder import RunFolder


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended.

    Attributes
    ----------
    record
        None: the platform lost it.
    """

    run: Run
    folder: RunFolder
    record: ExitRecord | None


def reason_for_others(endings: Sequence[Ending]) -> StopReason | None:
    """Return why the hosts that have not ended have to end too; None: they go on."""
    for ending in endings:
        if ending.record is None or ending.record.outcome not in ("completed", "stopped"):
            return "host_failed"
        if ending.record.stop_reason is not None:
            return ending.record.stop_reason
    return None


def decisive(endings: Sequence[Ending]) -> Ending:
    """Return the ending that is the job's; with its time the others' is told.

    What a host says after another one has vanished is a consequence, so a loss counts before anything else. Then
    comes the first that failed, then the first that was stopped. A job has completed when every host has.
    A host that fails after another one was told to end is one that misses its peer: the stop counts.
    """
    lost = [ending for ending in endings if ending.record is None]
    if lost:
        return lost[0]
    ended = [(ending, ending.record) for ending in endings if ending.record is not None]
    stopped_at = min((_told_at(record) for _, record in ended), default=math.inf)
    ending, record = min(ended, key=lambda pair: (_rank(pair[1], stopped_at), _ended_at(pair[1])))
    return replace(
        ending,
        record=replace(
            record,
            at=max(record.at for _, record in ended),
            billable_seconds=max(record.billable_seconds for _, record in ended),
        ),
    )


def _told_at(record: ExitRecord) -> float:
    """Return when a host was told to end that had no part in why."""
    is_stop = record.outcome == "stopped" and record.stop_reason != "host_failed"
    return math.inf if record.told_at is None or not is_stop else record.told_at


def _ended_at(record: ExitRecord) -> float:
    return record.at if record.ended_at is None else record.ended_at


def _rank(record: ExitRecord, stopped_at: float) -> int:
    if record.outcome == "completed":
        return 3
    if record.outcome == "stopped":
        return 2 if record.stop_reason == "host_failed" else 1
    return 2 if record.outcome == "failed" and _ended_at(record) > stopped_at else 0
