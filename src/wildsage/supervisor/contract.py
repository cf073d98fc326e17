"""What passes between the server and a supervisor: one job file in, a journal and an exit record out.

A *run* is one launch of one container: a host of a job, or a worker of an endpoint. Its folder:

| file | writer | content |
|---|---|---|
| ``job.json`` | server, before the launch | `JobFile` |
| ``token`` | server, mode 0600 | the secret that the credentials URL asks for |
| ``stop`` | server, by rename | `StopRequest`: end the container |
| ``lock`` | supervisor | held (flock) for as long as the supervisor lives |
| ``journal.jsonl`` | supervisor, fsynced | `Event` per line |
| ``exit.json`` | supervisor, by rename, last | `ExitRecord` |
| ``ml/`` | supervisor and container | the container's ``/opt/ml`` |
| ``run/`` | container | sockets; mounted at ``/run/wildsage`` |
| ``run/peers`` | server, mode 0600 | a secret that the hosts of the job share, where there are several |
| ``sent/`` | supervisor, by rename | what is uploaded while the container runs, for the server to adopt |
| ``out/`` | supervisor | what the container made (`Output`), for the server to adopt at the end |

No exit record and no lock means that the platform lost the run. The supervisor needs no database and no
other file of the server; inputs come over HTTP from `JobFile.endpoint_url`, unless their content files are in sight
(`InputObject.files`).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from wildsage.compute.base import Limits, Mount
from wildsage.core.engine_images import EngineImage
from wildsage.supervisor.surroundings import HostProxyCommand, NetworkPlace

__all__ = [
    "Channel", "CheckpointPlace", "Event", "EventKind", "ExitRecord", "InputMode", "InputObject", "JobFile", "Limits",
    "Mount", "Outcome", "Output", "Program", "Share", "StopReason", "StopRequest",
]  # fmt: skip

JOB_FILE = "job.json"
TOKEN_FILE = "token"  # noqa: S105 - a file name
STOP_FILE = "stop"
JOURNAL_FILE = "journal.jsonl"
EXIT_FILE = "exit.json"
ML_FOLDER = "ml"
RUN_FOLDER = "run"
OUT_FOLDER = "out"
SENT_FOLDER = "sent"
PEERS_FILE = "peers"
"""In ``run/``."""
SERVE_SOCKET = "serve.sock"
"""In ``run/``: where a container that understands ``WILDSAGE_BIND_SOCKET`` listens."""
INPUT_DATA = "input/data"
"""Below ``/opt/ml``: where the channels of a training job are."""
INPUT_CONFIG = "input/config"
"""Below ``/opt/ml``: where a training job reads what it is."""


_LONGEST_LOCATION = 300
"""Characters."""


@dataclass(frozen=True, slots=True)
class InputObject:
    """One stored object to bring in.

    Attributes
    ----------
    path
        Where it goes, relative to the channel's folder.
    etag
        What it was when the job was created: a changed object fails the job instead of mixing versions.
    is_archive
        Of a model: extracted at its place instead of being put there as it is.
    files
        Short cut, where server and supervisor share a machine: the files whose contents, one behind the
        other, are the object. They belong to the store: read, never written. Where they are absent or
        gone, the object is fetched.
    """

    bucket: str
    key: str
    path: str
    size: int
    etag: str
    is_archive: bool = False
    files: tuple[str, ...] = ()

    @property
    def location(self) -> str:
        """Where it is stored, for a text that says what is wrong: of a long key, its ends, so that there is room for it."""
        text = f"s3://{self.bucket}/{self.key}"
        return text if len(text) <= _LONGEST_LOCATION else f"{text[:200]}…{text[-99:]}"


InputMode = Literal["File", "FastFile", "Pipe"]


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of a channel this host gets: the `index`-th (from 0) of `count` hosts."""

    index: int = 0
    count: int = 1


@dataclass(frozen=True, slots=True)
class Channel:
    """An input channel.

    Attributes
    ----------
    objects
        All of them, in their order; of an augmented manifest, the manifest alone.
    mode
        ``File``: brought to `place` before the start. ``FastFile``: seen there read-only.
        ``Pipe``: streamed through FIFOs of the same name with ``_0``, ``_1``, … behind it.
    gzip
        ``Pipe``: each object is decompressed.
    wrap_records
        ``Pipe``: each object, or each attribute of a manifest's line, becomes one RecordIO record.
    attributes
        ``Pipe``: the object is an augmented manifest, and these attributes of its lines are streamed.
    seed
        ``Pipe``: objects (lines of an augmented manifest) come in an order drawn from it, anew in each epoch.
    share
        ``ShardedByS3Key``: what of them this host gets.
    folder, writable
        Instead of objects: a folder of this machine that the channel shows.
    target
        Where it is, below ``/opt/ml``; empty: ``input/data/NAME``.
    """

    name: str
    objects: tuple[InputObject, ...] = ()
    mode: InputMode = "File"
    gzip: bool = False
    wrap_records: bool = False
    attributes: tuple[str, ...] = ()
    seed: int | None = None
    share: Share = Share()
    folder: str = ""
    writable: bool = False
    target: str = ""

    @property
    def place(self) -> str:
        """Where it is, below ``/opt/ml``."""
        return self.target or f"{INPUT_DATA}/{self.name}"

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> "Channel":
        """Make it of what JSON made of it."""
        return cls(
            **{
                **fields,
                "objects": input_objects(fields["objects"]),
                "attributes": tuple(fields.get("attributes", ())),
                "share": Share(**fields.get("share", {})),
            }
        )


def input_objects(items: list[dict[str, Any]]) -> tuple[InputObject, ...]:
    """Make stored objects of what JSON made of them."""
    return tuple(InputObject(**{**item, "files": tuple(item.get("files", ()))}) for item in items)


@dataclass(frozen=True, slots=True)
class Output:
    """A folder of the container that is taken when it has ended. Links out of it are never followed.

    Attributes
    ----------
    place
        The folder, below ``/opt/ml``. It is there when the container starts.
    name
        What it becomes in ``out/``: an archive, or a folder with its files.
    is_archive
        Packed as a gzipped tar.
    is_always
        An archive is made even of nothing.
    has_links
        Of a folder: a link to a file of the same folder becomes a copy of it; else links are left out.
    is_continuous
        Of a folder: while the container runs, its files are put into ``sent/`` as they are finished.
    """

    place: str
    name: str
    is_archive: bool = False
    is_always: bool = False
    has_links: bool = False
    is_continuous: bool = False


@dataclass(frozen=True, slots=True)
class CheckpointPlace:
    """Where a job's checkpoints are.

    Attributes
    ----------
    prefix
        Of their keys; what is behind it is the path in the folder. It ends with ``/`` unless it is empty.
    local_path
        The folder, as the container sees it.
    objects
        What is there already: brought in before the start.
    """

    bucket: str
    prefix: str
    local_path: str
    objects: tuple[InputObject, ...] = ()

    @classmethod
    def from_fields(cls, fields: dict[str, Any] | None) -> "CheckpointPlace | None":
        """Make it of what JSON made of it; a job may have none."""
        return None if fields is None else cls(**{**fields, "objects": input_objects(fields["objects"])})


@dataclass(frozen=True, slots=True)
class Program:
    """What runs in the container.

    Attributes
    ----------
    argv
        The command, as the container sees its paths.
    environment
        The whole environment. Nothing is inherited from the server.
    mounts
        What the image brings besides the system's own folders: its folder, an interpreter, a package.
    needs_opt_ml
        It opens ``/opt/ml`` by that very name; without a private file system it is refused.
    image
        The image of a container engine that it is in; None: it is a program of this machine.
    port
        Where it listens for its calls, in a network of its own; None: it shares this machine's.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: tuple[Mount, ...] = ()
    working_directory: str = "/"
    needs_opt_ml: bool = False
    image: EngineImage | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class JobFile:
    """Everything a supervisor knows about its run.

    Attributes
    ----------
    run_id
        Unique; the name of the run's folder.
    purpose
        ``train`` and ``process`` end by themselves and their `outputs` are taken; ``serve`` runs until it is
        stopped or dies, and `model` is extracted to ``/opt/ml/model`` before the start.
    folders
        Made below ``/opt/ml`` before the start, beside those of inputs and outputs.
    config_files
        Text by its path below ``/opt/ml``.
    model
        ``serve``: the archives (or plain objects) to extract, in order.
    outputs
        What is taken of ``/opt/ml`` at the end.
    message_path
        Below ``/opt/ml``: the file in which the container says why it failed, or what came of it.
    checkpoints
        ``train``: kept in S3 while the container runs; None: the job has none.
    max_runtime_seconds
        How long the container may run.
    max_wait_seconds
        How long the run may take in all, from the start of its supervisor.
    interrupt_after_seconds
        When the capacity is taken back from a container that still runs then; None: never.
    endpoint_url, region
        The server, for the inputs and for the container's own AWS calls.
    credentials_url
        Gives the temporary credentials of the run's role to whoever sends the content of ``token``.
    log_path
        The stream's segment, written in the format of `wildsage.formats.logframes`.
    isolated
        No network at all (``EnableNetworkIsolation``), and no credentials.
    network
        The network that an isolated container shares with its peers; None: it is alone.
    hostname, hosts
        The container's name, and addresses on the loopback network by name of all hosts of its job.
    host_proxy
        Answers AWS's own host names for a container that shares this machine's network; None: nothing does.
    facts
        What the supervisor does not need, and a reader of the run wants to know: image, instance type.
    """

    run_id: str
    purpose: Literal["train", "process", "serve"]
    program: Program
    endpoint_url: str
    region: str
    credentials_url: str
    log_path: str
    channels: tuple[Channel, ...] = ()
    folders: tuple[str, ...] = (INPUT_CONFIG, INPUT_DATA, "model", "output/data")
    config_files: Mapping[str, str] = field(default_factory=dict)
    model: tuple[InputObject, ...] = ()
    outputs: tuple[Output, ...] = ()
    message_path: str = "output/failure"
    checkpoints: CheckpointPlace | None = None
    max_runtime_seconds: float | None = None
    max_wait_seconds: float | None = None
    interrupt_after_seconds: float | None = None
    stop_grace_seconds: float = 120.0
    limits: Limits = field(default_factory=Limits)
    isolated: bool = False
    network: NetworkPlace | None = None
    sandbox: str = "auto"
    hostname: str = "algo-1"
    hosts: Mapping[str, str] = field(default_factory=dict)
    host_proxy: HostProxyCommand | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def backend(self) -> str:
        """What carries the container: the engine whose image it is, else the sandbox."""
        return self.program.image.engine if self.program.image else self.sandbox

    def to_json(self) -> str:
        """Serialize."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "JobFile":
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError, KeyError, TypeError
            If the text is something else.
        """
        raw: dict[str, Any] = json.loads(text)
        program = raw["program"]
        raw["program"] = Program(
            argv=tuple(program["argv"]),
            environment=program["environment"],
            mounts=tuple(Mount(**mount) for mount in program["mounts"]),
            working_directory=program["working_directory"],
            needs_opt_ml=program["needs_opt_ml"],
            image=EngineImage.from_fields(program["image"]) if program.get("image") else None,
            port=program.get("port"),
        )
        raw["channels"] = tuple(map(Channel.from_fields, raw["channels"]))
        raw["model"] = input_objects(raw["model"])
        if "outputs" not in raw:
            _modernize(raw)
        raw["outputs"] = tuple(Output(**output) for output in raw["outputs"])
        raw["folders"] = tuple(raw["folders"])
        raw["checkpoints"] = CheckpointPlace.from_fields(raw.get("checkpoints"))
        raw["limits"] = Limits(**raw["limits"])
        raw["network"] = NetworkPlace(**raw["network"]) if raw.get("network") else None
        raw["host_proxy"] = HostProxyCommand.from_fields(raw.get("host_proxy"))
        return cls(**raw)


def archived_outputs(*, compressed: bool) -> tuple[Output, ...]:
    """Return what a training job leaves behind: its model, and what else it wrote."""
    return tuple(
        Output(place, f"{name}.tar.gz", is_archive=True, is_always=name == "model")
        if compressed
        else Output(place, name, has_links=True)
        for place, name in (("model", "model"), ("output/data", "output"))
    )


def _modernize(raw: dict[str, Any]) -> None:
    """Give a job file of a release that knew training jobs only what later ones say."""
    compressed = raw.pop("compress_output")
    raw["outputs"] = (
        [asdict(output) for output in archived_outputs(compressed=compressed)]
        if raw["purpose"] == "train"
        else []
    )
    raw["folders"] = JobFile.__dataclass_fields__["folders"].default
    raw["config_files"] = {f"{INPUT_CONFIG}/{name}": text for name, text in raw["config_files"].items()}


EventKind = Literal["started", "downloading", "launched", "stopping", "exited", "synced", "uploading"]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the journal.

    Attributes
    ----------
    sequence
        1, 2, 3 …: the server applies each once.
    at
        Epoch seconds.
    kind
        ``started`` (the lock is held), ``downloading`` (inputs), ``launched`` (the container runs),
        ``stopping`` (SIGTERM was sent), ``exited``, ``synced`` (the checkpoints are stored), ``uploading`` (packing).
    detail
        Facts for the log and for Describe: sandbox level, bytes staged, exit code, reason of the stop.
    """

    sequence: int
    at: float
    kind: EventKind
    detail: Mapping[str, Any] = field(default_factory=dict)


StopReason = Literal[
    "requested", "max_runtime", "max_wait", "interrupted", "bad_input", "bad_output", "bad_checkpoint", "host_failed"
]  # fmt: skip
"""``interrupted``: the spot capacity was taken back; the job goes on in another run. ``host_failed``: another host of
the job did."""


@dataclass(frozen=True, slots=True)
class StopRequest:
    """Content of ``stop``."""

    reason: StopReason = "requested"


Outcome = Literal[
    "completed", "failed", "stopped", "bad_message", "input_error", "checkpoint_error", "disk_full", "platform_error"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """How a run ended.

    Attributes
    ----------
    outcome
        ``completed`` (exit code 0), ``failed`` (any other end of the container), ``stopped`` (asked to, or
        over its time; artifacts were packed, unless it was interrupted), ``bad_message`` (what a container of
        ``process`` said is no text), ``input_error`` (an input could not be brought in or streamed: `message` is for
        the user), ``checkpoint_error`` (a checkpoint could not be stored: likewise; artifacts were packed),
        ``disk_full`` (inputs, checkpoints or artifacts found no space; not repeated), ``platform_error`` (Wildsage's
        own fault; the run may be repeated).
    exit_code
        Of the container; 128 + N after signal N; None where it never started.
    failure
        The first 1,024 characters of the file that `JobFile.message_path` names.
    log_tail
        The last lines of the log, for a failure without a failure file.
    artifacts
        Size in bytes by file or folder name in ``out/``.
    billable_seconds
        From the launch of the container to its end.
    ended_at, told_at
        Epoch seconds at which the container ended, and at which it was told to; None: neither happened.
    """

    outcome: Outcome
    at: float
    exit_code: int | None = None
    stop_reason: StopReason | None = None
    message: str = ""
    failure: str = ""
    log_tail: tuple[str, ...] = ()
    artifacts: Mapping[str, int] = field(default_factory=dict)
    billable_seconds: float = 0.0
    ended_at: float | None = None
    told_at: float | None = None

    @classmethod
    def from_json(cls, text: str) -> "ExitRecord":
        """Read what the supervisor wrote."""
        raw = json.loads(text)
        raw["log_tail"] = tuple(raw["log_tail"])
        return cls(**raw)
