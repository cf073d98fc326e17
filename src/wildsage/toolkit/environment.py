"""What a training container is told: files and variables below ``/opt/ml``."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wildsage.toolkit.errors import PlatformError

_BASE = "/opt/ml"


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders of the contract, below the base folder."""

    base: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Paths":
        """``SAGEMAKER_BASE_DIR`` or ``/opt/ml``."""
        return cls(Path(environment.get("SAGEMAKER_BASE_DIR") or _BASE))

    @property
    def config(self) -> Path:
        """Configuration files."""
        return self.base / "input" / "config"

    @property
    def data(self) -> Path:
        """Input channels, a folder each."""
        return self.base / "input" / "data"

    @property
    def model(self) -> Path:
        """What becomes ``model.tar.gz``, or comes from it."""
        return self.base / "model"

    @property
    def output(self) -> Path:
        """Holds ``data`` and ``failure``."""
        return self.base / "output"

    @property
    def failure(self) -> Path:
        """The reason of a failure."""
        return self.base / "output" / "failure"

    @property
    def checkpoints(self) -> Path | None:
        """Where checkpoints go, to be brought back when the job is started again; None: it wants none.

        Raises
        ------
        PlatformError
            If the file that says it is malformed: the platform writes it.
        """
        path = self.config / "checkpointconfig.json"
        if not path.exists():
            return None
        local = _read(path, {}).get("LocalPath") or f"{_BASE}/checkpoints"
        # Where /opt/ml is another folder, what is below it is too.
        return self.base / local[len(_BASE) + 1 :] if local.startswith(f"{_BASE}/") else Path(local)


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """How a channel was configured.

    Attributes
    ----------
    content_type
        None where the job gives none.
    distribution
        Empty where nothing says it: outside of a job. A file system's is ``FullyReplicated``.
    """

    name: str
    content_type: str | None
    mode: str
    distribution: str
    record_wrapper: str


@dataclass(frozen=True, slots=True)
class TrainingEnvironment:
    """Everything a training container is told.

    Attributes
    ----------
    hyperparameters
        Texts, as the job gave them.
    hosts
        All hosts in order; `current_host` is among them.
    variables
        The process's environment variables.
    """

    paths: Paths
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, ChannelConfig]
    current_host: str
    hosts: tuple[str, ...]
    job_name: str
    variables: Mapping[str, str]

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "TrainingEnvironment":
        """Read the files and variables.

        Raises
        ------
        PlatformError
            If a file is missing or malformed: the platform writes them.
        """
        paths = Paths.from_environment(environment)
        resources = _read(
            paths.config / "resourceconfig.json", {"current_host": "algo-1", "hosts": ["algo-1"]}
        )
        given = _read(paths.config / "hyperparameters.json", {})
        channels = _read(paths.config / "inputdataconfig.json", {})
        return cls(
            paths,
            {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()},
            {name: _channel(name, config) for name, config in channels.items()},
            resources["current_host"],
            tuple(resources["hosts"]),
            environment.get("TRAINING_JOB_NAME", ""),
            environment,
        )


def _channel(name: str, config: Mapping[str, Any]) -> ChannelConfig:
    return ChannelConfig(
        name,
        config.get("ContentType") or None,
        config.get("TrainingInputMode") or "File",
        config.get("S3DistributionType") or "",
        config.get("RecordWrapperType") or "None",
    )


def _read(path: Path, default: dict[str, Any]) -> dict[str, Any]:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return default
    except OSError as error:
        raise PlatformError(f"{path} cannot be read") from error
    try:
        content = json.loads(text)
    except ValueError as error:
        raise PlatformError(f"{path} is not JSON") from error
    if not isinstance(content, dict):
        raise PlatformError(f"{path} holds no JSON object")
    return content
