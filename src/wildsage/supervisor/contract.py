"""What passes between the server and a supervisor: one job file in, a journal and an exit record out.

A *run* is one launch of one container: a host of a training job, or a worker of an endpoint. Its folder:

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
| ``out/`` | supervisor | packed ``model.tar.gz`` and ``output.tar.gz``, for the server to adopt |

No exit record and no lock means that the platform lost the run. The supervisor needs no database and no
other file of the server; inputs come over HTTP from `JobFile.endpoint_url`, unless their content files are in sight
(`InputObject.files`).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from wildsage.compute.base import Limits, Mount

__all__ = [
    "Channel", "Event", "EventKind", "ExitRecord", "InputMode", "InputObject", "JobFile", "Limits", "Mount", "Outcome",
    "Program", "Share", "StopReason", "StopRequest",
]  # fmt: skip

JOB_FILE = "job.json"
TOKEN_FILE = "token"  # noqa: S105 - a file name
STOP_FILE = "stop"
JOURNAL_FILE = "journal.jsonl"
EXIT_FILE = "exit.json"
ML_FOLDER = "ml"
RUN_FOLDER = "run"
OUT_FOLDER = "out"
SERVE_SOCKET = "serve.sock"
"""In ``run/``: where a container that understands ``WILDSAGE_BIND_SOCKET`` listens."""


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
        ``File``: brought to ``input/data/NAME`` before the start. ``FastFile``: seen there read-only.
        ``Pipe``: streamed through the FIFOs ``input/data/NAME_0``, ``NAME_1``, …
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
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: tuple[Mount, ...] = ()
    working_directory: str = "/"
    needs_opt_ml: bool = False


@dataclass(frozen=True, slots=True)
class JobFile:
    """Everything a supervisor knows about its run.

    Attributes
    ----------
    run_id
        Unique; the name of the run's folder.
    purpose
        ``train`` ends by itself and its ``/opt/ml/model`` is packed; ``serve`` runs until it is stopped or
        dies, and `model` is extracted to ``/opt/ml/model`` before the start.
    config_files
        Content of ``/opt/ml/input/config/NAME`` by name.
    model
        ``serve``: the archives (or plain objects) to extract, in order.
    compress_output
        False: ``OutputDataConfig.CompressionType`` is NONE and ``out/`` gets folders instead of archives.
    endpoint_url, region
        The server, for the inputs and for the container's own AWS calls.
    credentials_url
        Gives the temporary credentials of the run's role to whoever sends the content of ``token``.
    log_path
        The stream's segment, written in the format of `wildsage.formats.logframes`.
    isolated
        No network at all (``EnableNetworkIsolation``), and no credentials.
    hostname, hosts
        The container's name, and addresses on the loopback network by name of all hosts of its job.
    facts
        What the supervisor does not need, and a reader of the run wants to know: image, instance type.
    """

    run_id: str
    purpose: Literal["train", "serve"]
    program: Program
    endpoint_url: str
    region: str
    credentials_url: str
    log_path: str
    channels: tuple[Channel, ...] = ()
    config_files: Mapping[str, str] = field(default_factory=dict)
    model: tuple[InputObject, ...] = ()
    compress_output: bool = True
    max_runtime_seconds: float | None = None
    stop_grace_seconds: float = 120.0
    limits: Limits = field(default_factory=Limits)
    isolated: bool = False
    sandbox: str = "auto"
    hostname: str = "algo-1"
    hosts: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

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
        )
        raw["channels"] = tuple(map(Channel.from_fields, raw["channels"]))
        raw["model"] = input_objects(raw["model"])
        raw["limits"] = Limits(**raw["limits"])
        return cls(**raw)


EventKind = Literal["started", "downloading", "launched", "stopping", "exited", "uploading"]


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
        ``stopping`` (SIGTERM was sent), ``exited``, ``uploading`` (packing).
    detail
        Facts for the log and for Describe: sandbox level, bytes staged, exit code, reason of the stop.
    """

    sequence: int
    at: float
    kind: EventKind
    detail: Mapping[str, Any] = field(default_factory=dict)


StopReason = Literal["requested", "max_runtime", "max_wait", "bad_input"]


@dataclass(frozen=True, slots=True)
class StopRequest:
    """Content of ``stop``."""

    reason: StopReason = "requested"


Outcome = Literal["completed", "failed", "stopped", "input_error", "disk_full", "platform_error"]


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """How a run ended.

    Attributes
    ----------
    outcome
        ``completed`` (exit code 0), ``failed`` (any other end of the container), ``stopped`` (asked to, or
        over its time; artifacts were packed), ``input_error`` (an input could not be brought in or streamed:
        `message` is for the user), ``disk_full`` (inputs or artifacts found no space; not repeated), ``platform_error`` (Wildsage's own fault; the run may be repeated).
    exit_code
        Of the container; 128 + N after signal N; None where it never started.
    failure
        The first 1,024 characters of ``/opt/ml/output/failure``.
    log_tail
        The last lines of the log, for a failure without a failure file.
    artifacts
        Size in bytes by file or folder name in ``out/``.
    billable_seconds
        From the launch of the container to its end.
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

    @classmethod
    def from_json(cls, text: str) -> "ExitRecord":
        """Read what the supervisor wrote."""
        raw = json.loads(text)
        raw["log_tail"] = tuple(raw["log_tail"])
        return cls(**raw)
