"""The state machines: which status may follow which. A status is earned, never assigned.

The secondary statuses of a job are a history, not states of their own; they are appended by
the same code that moves the primary status.
"""

from collections.abc import Mapping

Steps = Mapping[str, frozenset[str]]

_JOB: Steps = {
    "InProgress": frozenset({"InProgress", "Stopping", "Completed", "Failed", "Stopped"}),
    "Stopping": frozenset({"Stopping", "Stopped", "Completed", "Failed"}),
    "Completed": frozenset(),
    "Failed": frozenset(),
    "Stopped": frozenset(),
}

_ENDPOINT: Steps = {
    "Creating": frozenset({"InService", "Failed", "Deleting"}),
    "InService": frozenset({"Updating", "SystemUpdating", "Deleting", "Failed", "InService"}),
    "Updating": frozenset({"InService", "RollingBack", "Failed", "Deleting"}),
    "SystemUpdating": frozenset({"InService", "Failed", "Deleting"}),
    "RollingBack": frozenset({"InService", "UpdateRollbackFailed", "Deleting"}),
    "UpdateRollbackFailed": frozenset({"Updating", "Deleting"}),
    "Failed": frozenset({"Updating", "Deleting"}),
    "Deleting": frozenset({"Deleting"}),
}

# What its metric says may say anything else at the next look.
_ALARM_STATES = frozenset({"INSUFFICIENT_DATA", "OK", "ALARM"})
_ALARM: Steps = dict.fromkeys(_ALARM_STATES, _ALARM_STATES)

STATES: Mapping[str, Steps] = {
    "alarm": _ALARM,
    "processing-job": _JOB,
    "training-job": _JOB,
    "hyper-parameter-tuning-job": _JOB,
    "endpoint": _ENDPOINT,
}
"""By kind of resource. A kind that is not here has no status."""


class IllegalTransitionError(Exception):
    """A step that the state machine does not have."""


def check_transition(kind: str, current: str, to: str) -> None:
    """Raise `IllegalTransitionError` unless a `kind` in `current` may move to `to`."""
    steps = STATES.get(kind)
    if steps is None or to not in steps.get(current, frozenset()):
        raise IllegalTransitionError(f"a {kind} that is {current!r} cannot become {to!r}")


def is_terminal(kind: str, status: str) -> bool:
    """Tell whether nothing can follow."""
    return not STATES[kind][status]
