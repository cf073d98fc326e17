"""The life of a job as Describe and ``wildsage explain`` show it: its steps, their times and messages.

Every step of a job's status is taken here, inside a transaction of the caller.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from wildsage.core.states import is_terminal
from wildsage.store.database import Transaction
from wildsage.store.resources import Body, Key, Resource, Resources

Phase = Literal[
    "starting", "waiting", "preparing", "downloading", "running", "uploading", "restarting", "interrupted", "stopping",
    "completed", "failed", "stopped", "timed_out", "overdue",
]  # fmt: skip
"""Where a job of any kind may be. ``waiting`` is for capacity, ``preparing`` for its image; ``timed_out`` ran for too
long, ``overdue`` is what has not completed in its time, waiting included."""

LAUNCHING = "Launching requested ML instances"
"""The message of a job that starts, or starts again."""

_STATUS_OF: Mapping[Phase, str] = {
    "completed": "Completed",
    "failed": "Failed",
    "stopped": "Stopped",
    "timed_out": "Stopped",
    "overdue": "Stopped",
    "stopping": "Stopping",
}
"""The status that comes with a phase; with any other it stays."""


@dataclass(frozen=True, slots=True)
class History:
    """How a kind of job shows its phases.

    Attributes
    ----------
    steps, current
        Members of the body: the list of steps, and the name of the last one. Clients do not see what begins
        with ``_``.
    phases
        Name and usual message of the step that shows a phase.
    """

    steps: str
    current: str
    phases: Mapping[Phase, tuple[str, str]]

    def first_step(self, at: float, ahead: int | None = None) -> Body:
        """Return the members of a job that was just created.

        Parameters
        ----------
        ahead
            How many jobs wait for capacity before it; None: it need not wait.
        """
        name, _ = self.phases["starting"]
        steps = [{"Status": name, "StartTime": at, "StatusMessage": LAUNCHING}]
        if ahead is not None:
            steps = _with_step(steps, self.phases["waiting"][0], waiting(ahead), at)
        return {self.current: steps[-1]["Status"], self.steps: steps}

    def is_at(self, job: Resource, phase: Phase) -> bool:
        """Tell whether the last step of a job shows this phase."""
        return phase in self.phases and bool(job.body[self.current] == self.phases[phase][0])

    def advance(
        self,
        transaction: Transaction,
        job: Key,
        phase: Phase,
        at: float,
        *,
        message: str | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> Resource | None:
        """Move a job to a phase, and to the status that goes with it.

        A job that is being stopped keeps its status until it has ended. A job that has ended, or is gone, is
        left as it is and None is returned.
        """
        current = Resources.fetch(transaction, job)
        if current is None or is_terminal(job.kind, current.status):
            return None
        status = _STATUS_OF.get(phase, current.status)
        name, usual = self.phases[phase]
        body = dict(current.body)
        body[self.current] = name
        body[self.steps] = _with_step(body[self.steps], name, message or usual, at)
        if is_terminal(job.kind, status):
            last = body[self.steps][-1]
            last["EndTime"] = max(at, last["StartTime"])
        body.update(changes or {})
        return Resources.transition(transaction, job, to=status, at=at, body=body)


def waiting(ahead: int) -> str:
    """Say what a job waits for, where so many wait before it; the one that runs counts as one more."""
    return f"Waiting for capacity ({ahead + 1} ahead)"


def _with_step(steps: list[dict[str, Any]], status: str, message: str, at: float) -> list[dict[str, Any]]:
    """Return the history with one step more; the same status again only changes its message."""
    history = [dict(step) for step in steps]
    if history[-1]["Status"] == status:
        history[-1]["StatusMessage"] = message
        return history
    # A clock that was set back must not make a step end before it began.
    start = max(at, history[-1]["StartTime"])
    history[-1].setdefault("EndTime", start)
    history.append({"Status": status, "StartTime": start, "StatusMessage": message})
    return history
