"""A container folder without a sandbox: the runtime is started by its path, as in a framework environment."""

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from wildsage.images.program import RUNTIME


@dataclass(frozen=True)
class ContainerFolder:
    base: Path

    def configure(self, hyperparameters: Mapping[str, str], channels: tuple[str, ...] = ("train",)) -> None:
        config = self.base / "input" / "config"
        config.mkdir(parents=True, exist_ok=True)
        inputs = {name: {"TrainingInputMode": "File"} for name in channels}
        resources = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"}
        (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
        (config / "inputdataconfig.json").write_text(json.dumps(inputs))
        (config / "resourceconfig.json").write_text(json.dumps(resources))
        for name in channels:
            (self.base / "input" / "data" / name).mkdir(parents=True, exist_ok=True)

    def code(self, files: Mapping[str, str], folder: str = "code") -> Path:
        place = self.base / folder
        for name, text in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)
        return place

    def environment(self, **variables: str) -> dict[str, str]:
        return {
            "PATH": "/usr/bin:/bin",
            "SAGEMAKER_BASE_DIR": str(self.base),
            "PIP_NO_INDEX": "1",
            **variables,
        }

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", str(RUNTIME), *command],
            env=self.environment(**variables),
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )

    @property
    def failure(self) -> str:
        return (self.base / "output" / "failure").read_text()


@pytest.fixture
def container(tmp_path: Path) -> ContainerFolder:
    return ContainerFolder(tmp_path / "ml")


def archive(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture
def make_archive():
    return archive
