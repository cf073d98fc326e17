"""What the attempts of one job share: its time, how often it may be retried, its checkpoints.

A job's stored body keeps the account of the attempts that are over under ``_Attempts``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from wildsage.core.errors import AccessDeniedError, NotFoundError
from wildsage.core.s3_uri import split_s3_uri
from wildsage.jobs.inputs import InputError, objects_below
from wildsage.jobs.spot import billable_of
from wildsage.store.object_access import ObjectAccess
from wildsage.store.resources import Body, Resource
from wildsage.supervisor.contract import CheckpointPlace

CHECKPOINTS = "/opt/ml/checkpoints"
"""Where a container's checkpoints are unless its job says otherwise."""

_ACCOUNT = "_Attempts"


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts of a job that are over.

    Attributes
    ----------
    retries
        Those that the platform lost.
    interruptions
        Those whose spot capacity was taken back.
    training_seconds, billable_seconds
        How long their containers ran, and how much of that counts.
    """

    retries: int = 0
    interruptions: int = 0
    training_seconds: float = 0.0
    billable_seconds: float = 0.0

    @classmethod
    def of(cls, job: Resource) -> "Attempts":
        """Read the account of a job."""
        return cls(**job.body.get(_ACCOUNT, {}))

    def left_of(self, limit: float | None) -> float | None:
        """Return the seconds that the job's containers may still run of `limit`, which is for all attempts together."""
        return None if limit is None else limit - self.training_seconds

    def lost(self, seconds: float) -> "Attempts":
        """Count an attempt that the platform lost: it takes time, and counts nothing."""
        return replace(self, retries=self.retries + 1, training_seconds=self.training_seconds + seconds)

    def interrupted(self, seconds: float) -> "Attempts":
        """Count an attempt whose capacity was taken back."""
        return replace(self.ended(seconds, interrupted=True), interruptions=self.interruptions + 1)

    def ended(self, seconds: float, *, interrupted: bool) -> "Attempts":
        """Count the time of an attempt."""
        return replace(
            self,
            training_seconds=self.training_seconds + seconds,
            billable_seconds=self.billable_seconds + billable_of(seconds, interrupted=interrupted),
        )

    def members(self) -> Body:
        """Return what a job's body keeps of it."""
        return {_ACCOUNT: asdict(self)}


def runtime_limit(job: Resource) -> float | None:
    """Return the seconds that all attempts of a job together may run; None: as long as it takes."""
    limit: float | None = job.body.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")
    return limit


def wait_left(job: Resource, now: float) -> float | None:
    """Return the seconds that a spot job still has to complete, waiting included; None: no such limit."""
    limit = job.body.get("StoppingCondition", {}).get("MaxWaitTimeInSeconds")
    return None if limit is None else max(0.0, job.created_at + limit - now)


def local_path(config: Mapping[str, Any]) -> str:
    """Return the folder of a ``CheckpointConfig`` in the container."""
    path: str = config.get("LocalPath") or CHECKPOINTS
    return path.rstrip("/")


async def checkpoints_of(job: Resource, objects: ObjectAccess) -> CheckpointPlace | None:
    """Find out where a job's checkpoints are, and which there are now.

    Raises
    ------
    InputError
        If the bucket is not there, or the role may not look.
    """
    config = job.body.get("CheckpointConfig")
    if config is None:
        return None
    bucket, key = split_s3_uri(config["S3Uri"])
    prefix = f"{key.strip('/')}/" if key.strip("/") else ""
    try:
        if objects.bucket(bucket) is None:
            raise InputError(f"the bucket {bucket} of CheckpointConfig.S3Uri does not exist")
        found = tuple(await objects_below(objects, bucket, prefix))
    except (AccessDeniedError, NotFoundError) as error:
        raise InputError(
            f"the checkpoints below {config['S3Uri']} cannot be read: {error.code}: {error.message}"
        ) from None
    return CheckpointPlace(bucket, prefix, local_path(config), found)
