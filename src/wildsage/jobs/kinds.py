"""All kinds of jobs that run here."""

from collections.abc import Mapping

from wildsage.jobs.kind import JobKind
from wildsage.jobs.processing import PROCESSING
from wildsage.jobs.training import TRAINING
from wildsage.store.resources import Key

KINDS: Mapping[str, JobKind] = {kind.name: kind for kind in (TRAINING, PROCESSING)}
"""By the kind of their resources."""


def kind_of(job: Key) -> JobKind:
    """Return the kind of a job."""
    return KINDS[job.kind]
