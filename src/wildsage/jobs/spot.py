"""What takes the place of the spot market: whoever runs the server takes capacity back, by command or at a rate."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wildsage.core.errors import NotFoundError, ValidationError
from wildsage.store.layout import Layout
from wildsage.store.resources import Key, Resource, Resources
from wildsage.store.runs import TRAINING_JOB, Runs
from wildsage.supervisor.folder import RunFolder

_HOUR_SECONDS = 3600.0
FREE_SECONDS = _HOUR_SECONDS
"""EC2 asks nothing for spot capacity that it takes back within its first hour ("Billing for interrupted Spot
Instances", EC2 User Guide)."""


def is_spot(job: Resource) -> bool:
    """Tell whether a training job runs on capacity that may be taken back."""
    return bool(job.body.get("EnableManagedSpotTraining"))


def billable_of(seconds: float, *, interrupted: bool) -> float:
    """Return how much of a run's time counts: nothing where its capacity was taken back within the first hour."""
    return 0.0 if interrupted and seconds < FREE_SECONDS else seconds


@dataclass(frozen=True, slots=True)
class SpotMarket:
    """Interruptions that come by themselves, to spot jobs alone.

    Attributes
    ----------
    per_hour
        How many are to be expected in an hour of a container's running time; 0: none.
    seed
        The same seed interrupts the same attempt of a job of the same name after the same time.
    """

    per_hour: float = 0.0
    seed: int = 0

    def interruption(self, job: Resource, attempt: int) -> float | None:
        """Return the seconds after which the capacity of an attempt is taken back; None: it never is.

        The times between interruptions are exponential: each moment is as likely as any other.
        """
        if not self.per_hour or not is_spot(job):
            return None
        chance = random.Random(f"{self.seed}/{job.arn}/{attempt}")  # noqa: S311 - has to repeat, keeps no secret
        return chance.expovariate(self.per_hour / _HOUR_SECONDS)


class Interruptions:
    """Takes the capacity of a spot job back when its owner says so."""

    def __init__(self, resources: Resources, runs: Runs, layout: Layout) -> None:
        self._resources = resources
        self._runs = runs
        self._layout = layout

    async def interrupt(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer ``{"account", "region", "name"}`` with the attempt that ends, and whether it has checkpoints.

        When this returns the interruption is on disk: it comes whatever becomes of the server.

        Raises
        ------
        NotFoundError
            If there is no such job.
        ValidationError
            If it is no spot job, or has no capacity now.
        """
        key = Key(str(request["account"]), str(request["region"]), TRAINING_JOB, str(request["name"]))
        job = self._resources.get(key)
        if job is None:
            raise NotFoundError(
                f"there is no training job named {key.name} in {key.region}: --region looks in another"
            )
        if not is_spot(job):
            raise ValidationError(
                f"{key.name} is no spot job, and on-demand capacity is never taken back: create it with"
                " EnableManagedSpotTraining and MaxWaitTimeInSeconds"
            )
        if job.status != "InProgress":
            raise ValidationError(
                f"{key.name} is {job.status}: only a job that is InProgress can be interrupted"
            )
        runs = self._runs.of(key)
        hosts = [run for run in runs if run.attempt == runs[-1].attempt and run.state == "launched"]
        folders = [RunFolder(self._layout.runs / run.run_id) for run in hosts]
        living = [folder for folder in folders if not _has_ended(folder)]
        if not living:
            raise ValidationError(
                f"{key.name} has no capacity now that could be taken back: it is {job.body['SecondaryStatus']}"
            )
        for folder in living:
            await asyncio.to_thread(folder.request_stop, "interrupted")
        return {"attempt": runs[-1].attempt, "has_checkpoints": "CheckpointConfig" in job.body}


def _has_ended(folder: RunFolder) -> bool:
    """Tell whether a container has ended, though its checkpoints and artifacts may still be on their way."""
    return folder.exit_record() is not None or any(event.kind == "exited" for event in folder.events())
