"""Warm pools of training jobs: who has one, who takes it over, and how long it lasts.

A job here starts within a second, so nothing is kept warm: a pool is its record, with the states, the times and the
successor that clients expect. What Describe shows follows from the job itself and the time. A pool that may be taken over has
an entry of its own beside the job, by what has to be equal, so that a new job looks at its own kind only.

Source: "Train Using SageMaker Managed Warm Pools" (SageMaker Developer Guide).
"""

import hashlib
import json
from typing import Any

from wildsage.core.errors import ValidationError
from wildsage.core.states import is_terminal
from wildsage.services.operation import Request
from wildsage.store.database import Transaction
from wildsage.store.resources import Body, Key, Resource, Resources
from wildsage.store.runs import TRAINING_JOB

_KIND = "warm-pool"
_NOTE = "_WarmPool"
"""Member of a job's body: ``since``, when the first job of its pool was created; of a pool that was taken over or let go of
also ``ended_at`` and ``successor``."""

_LONGEST_SECONDS = 7 * 86_400
_PERIOD = "KeepAlivePeriodInSeconds"
_EQUAL_RESOURCES = ("InstanceCount", "InstanceType", "VolumeKmsKeyId", "VolumeSizeInGB")
_EQUAL = ("RoleArn", "VpcConfig", "EnableInterContainerTrafficEncryption", "EnableNetworkIsolation")


def check_keep_alive(request: Request) -> None:
    """Refuse a pool of what cannot have one.

    Raises
    ------
    ValidationError
        Naming the member that is in the way.
    """
    config = request.get("ResourceConfig", {})
    for member, is_there in (
        ("EnableManagedSpotTraining", request.get("EnableManagedSpotTraining")),
        ("ResourceConfig.InstanceGroups", config.get("InstanceGroups")),
    ):
        if config.get(_PERIOD) and is_there:
            raise ValidationError(
                f"{_PERIOD} is {config[_PERIOD]}, and warm pools cannot be used with {member}: leave one of them out"
            )


def warm_pool_status(job: Resource, at: float) -> dict[str, Any]:
    """Return ``WarmPoolStatus`` as Describe shows it; empty: the job has no pool and never had."""
    note: dict[str, Any] = job.body.get(_NOTE, {})
    if not note:
        return {}
    if not is_terminal(job.key.kind, job.status):
        return {"Status": "InUse"}
    end = job.body["TrainingEndTime"]
    period = job.body["ResourceConfig"].get(_PERIOD, 0) if _is_healthy(job) else 0
    ended_at = note.get("ended_at", end + period)
    if at < ended_at:
        return {"Status": "Available"}
    retained = {"ResourceRetainedBillableTimeInSeconds": int(max(0, ended_at - end))}
    if "successor" in note:
        return {"Status": "Reused", **retained, "ReusedByJob": note["successor"]}
    return {"Status": "Terminated", **retained}


def _is_healthy(job: Resource) -> bool:
    """Tell whether a job that has ended had instances, and left them well."""
    failed_here = job.body.get("FailureReason", "").startswith("InternalServerError")
    return "TrainingStartTime" in job.body and not failed_here


def with_pool(transaction: Transaction, key: Key, body: Body, at: float) -> Body:
    """Take over the pool that a new job matches, if there is one; return the job's body."""
    digest = _digest(body)
    taken = _taken_over(transaction, key, digest, at)
    if not body["ResourceConfig"].get(_PERIOD) and taken is None:
        return body
    _note_pool(transaction, key, digest, at)
    return {**body, _NOTE: {"since": at if taken is None else taken}}


def kept_for(job: Resource, period: int, at: float) -> Body:
    """Return the body of a job whose pool lasts for another time; 0 ends it.

    Raises
    ------
    ValidationError
        Unless the pool is available.
    """
    status = warm_pool_status(job, at).get("Status")
    if status != "Available":
        found = (
            f"the warm pool of {job.key.name} is {status}" if status else f"{job.key.name} has no warm pool"
        )
        raise ValidationError(f"{_PERIOD} can be changed while a warm pool is Available, and {found}")
    end = job.body["TrainingEndTime"]
    config = {**job.body["ResourceConfig"], _PERIOD: period}
    note = job.body[_NOTE] if at < end + period else {**job.body[_NOTE], "ended_at": at}
    return {**job.body, "ResourceConfig": config, _NOTE: note}


def _digest(body: Body) -> str:
    """Return what tells the jobs that may have each other's pools from all others."""
    resources = body["ResourceConfig"]
    equal = [body.get(name) for name in _EQUAL] + [resources.get(name) for name in _EQUAL_RESOURCES]
    return hashlib.sha256(json.dumps(equal, sort_keys=True).encode()).hexdigest()[:32]


def _entry(key: Key, digest: str) -> Key:
    return Key(key.account, key.region, _KIND, f"{digest}/{key.name}")


def _note_pool(transaction: Transaction, key: Key, digest: str, at: float) -> None:
    entry = _entry(key, digest)
    if Resources.fetch(transaction, entry) is None:  # of a job of that name that was deleted
        arn = f"{entry.kind}/{entry.account}/{entry.region}/{entry.name}"
        Resources.insert(transaction, entry, arn=arn, status="Noted", at=at, body={"job": key.name})


def _taken_over(transaction: Transaction, key: Key, digest: str, at: float) -> float | None:
    """Give the first pool that is available to a new job; return since when it is there. Forget those that are over."""
    for entry in Resources.fetch_below(transaction, key.account, key.region, _KIND, f"{digest}/"):
        job = Resources.fetch(transaction, Key(key.account, key.region, TRAINING_JOB, entry.body["job"]))
        status = warm_pool_status(job, at).get("Status") if job is not None else None
        if status == "InUse":
            continue
        Resources.delete(transaction, entry.key)
        if job is None or status != "Available":
            continue
        since: float = job.body[_NOTE]["since"]
        if at - since < _LONGEST_SECONDS:
            note = {**job.body[_NOTE], "ended_at": at, "successor": key.name}
            Resources.update(transaction, job.key, at=at, body={**job.body, _NOTE: note})
            return since
    return None
