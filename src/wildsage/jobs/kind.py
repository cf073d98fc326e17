"""What the machinery has to know of a kind of job. One file for each kind says it: ``training.py``.

The machinery claims, waits, launches, follows, repeats and settles; it asks a kind what a job of it is, what
its container finds and leaves below ``/opt/ml``, how its phases are shown, and where what it made goes.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from wildsage.images.catalogue import ImageCatalogue, ResolvedImage
from wildsage.images.program import ImageProgram
from wildsage.images.requirements import NONE, Requirements
from wildsage.jobs.history import History
from wildsage.store.logs import MetricPoint
from wildsage.store.object_access import ObjectAccess
from wildsage.store.resources import Body, Resource
from wildsage.store.run_tokens import RunRole
from wildsage.supervisor.contract import ExitRecord, InputMode, Output, Share

Members = Mapping[str, Any]
"""A create request, or a stored body."""
HOMOGENEOUS = "homogeneousCluster"
"""The group of all hosts of a job that names no groups."""

IMAGE_KIND = "_ImageKind"
"""Member of a stored body: which kind of image it was when the job was created."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a job, before anybody looked at what is there.

    Attributes
    ----------
    channel
        In the form of an ``InputDataConfig`` entry.
    target
        Where the container finds it, below ``/opt/ml``; empty: where channels of training jobs are.
    groups
        Names of the instance groups whose hosts get it; empty: all do.
    """

    channel: Members
    mode: InputMode
    target: str = ""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Host:
    """One of the instances that a job runs on.

    Attributes
    ----------
    name
        By which its container and the others know it.
    group
        Of the instance group it is in.
    """

    name: str
    instance_type: str
    group: str = HOMOGENEOUS

    def gets(self, given: Input) -> bool:
        """Tell whether an input is for this host."""
        return not given.groups or self.group in given.groups


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a job runs on: its hosts, of which there is always a first."""

    hosts: tuple[Host, ...]

    @classmethod
    def alike(cls, instance_type: str, count: int = 1) -> "Cluster":
        """Return so many hosts of one type."""
        return cls.of_groups([(HOMOGENEOUS, instance_type, count)])

    @classmethod
    def of_groups(cls, groups: Sequence[tuple[str, str, int]]) -> "Cluster":
        """Return the hosts of groups, each of which has a name, an instance type and a count."""
        types = [(name, instance_type) for name, instance_type, count in groups for _ in range(count)]
        return cls(
            tuple(Host(f"algo-{number}", kind, name) for number, (name, kind) in enumerate(types, start=1))
        )

    @property
    def names(self) -> list[str]:
        """The names of all hosts, in the order in which containers read them: ``algo-10`` is before ``algo-2``."""
        return sorted(host.name for host in self.hosts)

    @property
    def instance_types(self) -> list[str]:
        """The type of each host."""
        return [host.instance_type for host in self.hosts]

    def share_of(self, host: Host, given: Input) -> Share:
        """Return which part of a sharded input a host gets that gets some."""
        those = [one for one in self.hosts if one.gets(given)]
        return Share(those.index(host), len(those))

    def resources_of(self, host: Host) -> Mapping[str, Any]:
        """Return what ``resourceconfig.json`` says on a host."""
        groups: dict[str, dict[str, Any]] = {}
        for one in self.hosts:
            group = groups.setdefault(
                one.group,
                {"instance_group_name": one.group, "instance_type": one.instance_type, "hosts": []},
            )
            group["hosts"].append(one.name)
        return {
            "current_host": host.name,
            "current_instance_type": host.instance_type,
            "current_group_name": host.group,
            "hosts": self.names,
            "instance_groups": list(groups.values()),
            "network_interface_name": "lo",
        }


@dataclass(frozen=True, slots=True)
class Setting:
    """What a container finds, and where it leaves what it makes. Paths are below ``/opt/ml``.

    Attributes
    ----------
    purpose, outputs, message_path, folders, config_files
        As `wildsage.supervisor.contract.JobFile` has them.
    environment
        Variables besides those of the image.
    max_runtime_seconds
        None: as long as it takes.
    isolated
        Without a network.
    """

    purpose: Literal["train", "process"]
    environment: Mapping[str, str]
    folders: tuple[str, ...]
    config_files: Mapping[str, str]
    outputs: tuple[Output, ...]
    message_path: str
    max_runtime_seconds: float | None
    isolated: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where the files of a folder go.

    Attributes
    ----------
    folder
        Below the run's ``out/`` and ``sent/``; empty: all of them.
    uri
        ``s3://BUCKET/PREFIX``; what is below the folder is put below it.
    is_continuous
        Also while the container runs.
    """

    folder: str
    uri: str
    is_continuous: bool = False


class JobKind(ABC):
    """One kind of job. Has no state: every method may be called at any time, again and again.

    Attributes
    ----------
    name
        Of its resources, as their ARNs have it.
    noun
        What people call one.
    word
        Begins the names of its members: ``TrainingJob`` of ``TrainingJobName``.
    log_group
        Its streams are ``JOB/HOST-…``.
    run_prefix
        Begins the ids of its runs, and so the names of their folders.
    history
        How its phases are shown.
    start_time
        The member that says when the container began to run.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    word: ClassVar[str]
    log_group: ClassVar[str]
    run_prefix: ClassVar[str]
    history: ClassVar[History]
    start_time: ClassVar[str]

    @staticmethod
    def role_of(job: Resource) -> RunRole:
        """Return the role that everything of a job is done as."""
        return RunRole(job.key.account, job.body["RoleArn"])

    # What a job asks for

    @abstractmethod
    def image_uri(self, body: Members) -> str:
        """Return what the request calls the image."""

    @abstractmethod
    def image_of(self, images: ImageCatalogue, body: Members) -> ResolvedImage:
        """Find the image.

        Raises
        ------
        wildsage.images.catalogue.UnknownImageError
            If no such image runs here.
        """

    @abstractmethod
    def program_of(self, image: ResolvedImage, body: Members) -> ImageProgram:
        """Return how the container starts.

        Raises
        ------
        wildsage.images.catalogue.UnknownImageError
            If the image has nothing for this kind of job.
        """

    async def requirements_of(self, job: Resource, objects: ObjectAccess) -> Requirements:  # noqa: ARG002 - for others
        """Return which packages the job's code asks for, as far as can be seen before it runs: of most kinds none."""
        return NONE

    @abstractmethod
    def cluster_of(self, body: Members) -> Cluster:
        """Return what a job runs on."""

    @abstractmethod
    def inputs_of(self, body: Members) -> Sequence[Input]:
        """Return what is brought in, in its order."""

    @abstractmethod
    def setting_of(self, job: Resource, host: Host) -> Setting:
        """Return what the container of a host finds and leaves."""

    def metric_definitions(self, body: Members) -> Sequence[Mapping[str, str]]:  # noqa: ARG002 - most have none
        """Return what is looked for in the log."""
        return ()

    def retries(self, body: Members) -> int:  # noqa: ARG002 - most have no choice
        """Return how often a run that the platform lost is repeated."""
        return 1

    # What became of it

    @abstractmethod
    def times_of(self, job: Resource, at: float, record: ExitRecord | None) -> Body:
        """Return the members that say how long a job took; without a record it never ran."""

    def results_of(self, records: Sequence[ExitRecord], metrics: Sequence[MetricPoint]) -> Body:  # noqa: ARG002 - a default
        """Return the members that say what came of it, wherever it ended; `records` are of the hosts in their order."""
        return {}

    @abstractmethod
    def deliveries_of(self, job: Resource) -> Sequence[Delivery]:
        """Return where what a run leaves goes.

        Raises
        ------
        wildsage.core.s3_uri.S3UriError
            If a place is none.
        """

    def delivered(self, job: Resource, out: Path) -> Body:  # noqa: ARG002 - a default
        """Return the members that say where it went; `out` is empty but for its folders."""
        return {}

    def failure_of(self, record: ExitRecord) -> str:
        """Return the reason that the container itself gave; empty: the end of its log says it."""
        return record.failure
