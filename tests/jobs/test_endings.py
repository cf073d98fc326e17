"""Which host's ending is the job's."""

from pathlib import Path

import pytest

from wildsage.jobs.endings import Ending, decisive, reason_for_others
from wildsage.store.resources import Key
from wildsage.store.runs import Run
from wildsage.supervisor.contract import ExitRecord
from wildsage.supervisor.folder import RunFolder


def ending(host, outcome, at=1.0, **fields):
    run = Run(host, f"run-{host}", Key("1", "r", "training-job", "job"), 1, host, "launched", 1, None)
    record = None if outcome == "lost" else ExitRecord(outcome, at, **fields)
    return Ending(run, RunFolder(Path(run.run_id)), record)


COMPLETED = ("completed", 9.0, {})
TOLD = ("stopped", 5.0, {"stop_reason": "host_failed"})
STOPPED = ("stopped", 5.0, {"stop_reason": "requested"})
OVER = ("stopped", 4.0, {"stop_reason": "max_runtime"})
FAILED = ("failed", 3.0, {"exit_code": 3})
FAILED_LATER = ("failed", 3.5, {"exit_code": 1})
NO_INPUT = ("input_error", 2.0, {})
PLATFORM = ("platform_error", 3.2, {})
LOST = ("lost", 0.0, {})
# Told at 2.0 to end; the others before and after that.
INTERRUPTED = ("stopped", 5.0, {"stop_reason": "interrupted", "told_at": 2.0, "ended_at": 3.0})
FAILED_BEFORE = ("failed", 4.0, {"exit_code": 3, "ended_at": 1.9})
FAILED_OF_IT = ("failed", 2.2, {"exit_code": 1, "ended_at": 2.1})
TOLD_OF_IT = ("stopped", 5.0, {"stop_reason": "host_failed", "told_at": 2.0, "ended_at": 2.1})
SLOW_TO_PACK = ("failed", 9.0, {"exit_code": 3, "ended_at": 2.0})


@pytest.mark.parametrize(
    ("endings", "host"),
    [
        ([COMPLETED, COMPLETED], 1),
        ([COMPLETED, FAILED], 2),
        ([FAILED_LATER, FAILED], 2),
        ([TOLD, FAILED], 2),
        ([FAILED_LATER, NO_INPUT], 2),
        ([PLATFORM, FAILED], 2),
        ([FAILED, LOST], 2),
        ([COMPLETED, STOPPED], 2),
        ([STOPPED, OVER, COMPLETED], 2),
        ([STOPPED, FAILED], 2),
        ([FAILED_OF_IT, INTERRUPTED], 2),
        ([INTERRUPTED, FAILED_BEFORE], 2),
        ([INTERRUPTED, NO_INPUT], 2),
        ([FAILED_OF_IT, SLOW_TO_PACK], 2),
        ([TOLD_OF_IT, FAILED_OF_IT], 2),
    ],
)
def test_the_worst_and_first_counts(endings, host):
    found = decisive([ending(number, *one[:2], **one[2]) for number, one in enumerate(endings, start=1)])
    assert found.run.host == host


def test_the_time_of_all_is_told():
    found = decisive(
        [ending(1, "completed", 7.0, billable_seconds=2.0), ending(2, "completed", 6.0, billable_seconds=3.0)]
    )
    assert (found.record.at, found.record.billable_seconds) == (7.0, 3.0)


@pytest.mark.parametrize(
    ("one", "reason"),
    [(COMPLETED, None), (FAILED, "host_failed"), (NO_INPUT, "host_failed"), (LOST, "host_failed"),
     (OVER, "max_runtime"), (STOPPED, "requested")],
)  # fmt: skip
def test_what_ends_one_ends_the_others(one, reason):
    completed, other = ending(1, "completed"), ending(2, *one[:2], **one[2])
    assert reason_for_others([completed, other]) == reason
