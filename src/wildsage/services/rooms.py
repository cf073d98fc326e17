"""What the services stand on: the composition root makes it once, each service takes what it needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from wildsage.images.catalogue import ImageCatalogue
from wildsage.jobs.capacity import Capacity
from wildsage.services.authorization import Roles
from wildsage.services.sagemaker_runtime.invocation import Invocations
from wildsage.store.access_keys import AccessKeys
from wildsage.store.alarms import Alarms
from wildsage.store.buckets import Buckets
from wildsage.store.file_systems import FileSystems
from wildsage.store.logs import LogStreams
from wildsage.store.metrics import MetricStore
from wildsage.store.object_access import RoleObjects
from wildsage.store.resources import Resources
from wildsage.store.tags import Tags
from wildsage.store.tuning_trials import TuningTrials
from wildsage.toolkit.spec import AlgorithmSpec


@dataclass(frozen=True, slots=True)
class ServiceRooms:
    """The store and the machinery behind the services.

    Attributes
    ----------
    objects
        As the role of a request may see them.
    can_isolate
        Whether this machine can run a container without a network.
    metric_definitions
        ``MetricDefinitions`` of a built-in algorithm, by its module.
    saves_checkpoints
        Whether a built-in algorithm goes on from checkpoints, by its module.
    declaration
        All that a built-in algorithm declares, by its module.
    """

    resources: Resources
    tags: Tags
    tuning_trials: TuningTrials
    buckets: Buckets
    file_systems: FileSystems
    objects: RoleObjects
    keys: AccessKeys
    roles: Roles
    logs: LogStreams
    metrics: MetricStore
    alarms: Alarms
    images: ImageCatalogue
    capacity: Capacity
    invocations: Invocations
    can_isolate: bool
    metric_definitions: Callable[[str], Sequence[Mapping[str, str]]]
    saves_checkpoints: Callable[[str], bool]
    declaration: Callable[[str], AlgorithmSpec]
