"""From the events in the journals of a job's hosts to its status."""

import logging
from collections.abc import Mapping

from wildsage.core.clock import iso8601
from wildsage.jobs.history import Phase
from wildsage.jobs.kinds import kind_of
from wildsage.store.database import Transaction
from wildsage.store.resources import Resources
from wildsage.store.runs import Run, Runs
from wildsage.supervisor.contract import Event, EventKind

_PHASES: Mapping[EventKind, Phase] = {"launched": "running", "uploading": "uploading"}

_log = logging.getLogger(__name__)


def _phase_of(event: Event, *, is_shown: bool) -> Phase | None:
    if event.kind == "stopping" and event.detail["reason"] == "max_wait":  # as AWS shows it
        return "stopping"
    return _PHASES.get(event.kind) if is_shown else None


def apply_event(run: Run, event: Event, is_shown: bool, transaction: Transaction) -> None:
    """Turn one event into state, in the transaction that remembers it.

    Parameters
    ----------
    is_shown
        All hosts of the job have come so far: then the job is there too.
    """
    kind, phase = kind_of(run.job), _phase_of(event, is_shown=is_shown)
    job = Resources.fetch(transaction, run.job)
    if phase is not None and job is not None and not (job.status == "Stopping" and phase != "uploading"):
        changes = {}
        if phase == "running" and kind.start_time not in job.body:
            changes[kind.start_time] = max(event.at, job.created_at)
        kind.history.advance(transaction, run.job, phase, event.at, changes=changes)
    Runs.mark_applied(transaction, run.run_id, event.sequence)
    if phase == "running":
        _log.info("%s: runs since %s", run.job.name, iso8601(event.at))
