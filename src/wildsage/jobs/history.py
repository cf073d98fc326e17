"""The life of a training job as Describe shows it: statuses, their times and messages.

Every step of a training job's status is taken here, inside a transaction of the caller.
"""

from typing import Any

from wildsage.store.database import Transaction
from wildsage.store.resources import Body, Key, Resource, Resources

MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Pending": "Training job waiting for capacity",
    "Downloading": "Downloading input data",
    "DownloadingTrainingImage": "Downloading the training image",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "Restarting": "Restarting the training job",
}
_STATUS_OF = {
    "Completed": "Completed",
    "Failed": "Failed",
    "Stopped": "Stopped",
    "MaxRuntimeExceeded": "Stopped",
    "Stopping": "Stopping",
}


def first_step(at: float, ahead: int | None = None) -> Body:
    """Return the members of a job that was just created.

    Parameters
    ----------
    ahead
        How many jobs wait for capacity before it; None: it need not wait.
    """
    steps = [{"Status": "Starting", "StartTime": at, "StatusMessage": "Launching requested ML instances"}]
    if ahead is not None:
        steps = _with_step(steps, "Pending", waiting(ahead), at)
    return {"SecondaryStatus": steps[-1]["Status"], "SecondaryStatusTransitions": steps}


def waiting(ahead: int) -> str:
    """Say what a job waits for, where so many wait before it; the one that runs counts as one more."""
    return f"Waiting for capacity ({ahead + 1} ahead)"


def advance(
    transaction: Transaction,
    job: Key,
    secondary: str,
    at: float,
    *,
    message: str | None = None,
    changes: dict[str, Any] | None = None,
) -> Resource | None:
    """Move a training job to a secondary status, and to the primary status that goes with it.

    A job that is being stopped keeps its primary status until it has ended. A job that has ended, or is
    gone, is left as it is and None is returned.
    """
    current = Resources.fetch(transaction, job)
    if current is None or current.status in ("Completed", "Failed", "Stopped"):
        return None
    status = _STATUS_OF.get(secondary, current.status)
    body = dict(current.body)
    body["SecondaryStatus"] = secondary
    text = message or MESSAGES[secondary]
    body["SecondaryStatusTransitions"] = _with_step(body["SecondaryStatusTransitions"], secondary, text, at)
    if status in ("Completed", "Failed", "Stopped"):
        last = body["SecondaryStatusTransitions"][-1]
        last["EndTime"] = max(at, last["StartTime"])
    body.update(changes or {})
    return Resources.transition(transaction, job, to=status, at=at, body=body)


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
