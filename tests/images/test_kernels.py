import asyncio
import dataclasses
import importlib.util
import os
import re
import subprocess
import sys

import pytest

from wildsage.core.clock import SystemClock
from wildsage.images import kernels
from wildsage.images.catalogue import ImageCatalogue
from wildsage.images.environments import Environments
from wildsage.images.kernels import Kernels, kernels_of
from wildsage.images.preparation import ImagePreparation
from wildsage.images.registered import RegisteredImages

FM = "wildsage.algorithms.factorization_machines"
KMEANS = "wildsage.algorithms.kmeans"
with_numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="numba comes with the extra kernels"
)


def catalogue(environments, folder):
    builtin = {"factorization-machines": FM, "kmeans": KMEANS}
    return ImageCatalogue(builtin, RegisteredImages(folder), environments, account="123456789012")


def uri(repository):
    return f"382416733822.dkr.ecr.us-east-1.amazonaws.com/{repository}:1"


def test_only_where_there_are_kernels_and_numba(monkeypatch):
    monkeypatch.setattr(kernels, "_numba", lambda: "0.68.1")
    assert kernels_of(FM) == Kernels(FM)
    assert kernels_of(KMEANS) is None
    assert re.fullmatch(
        r"kernels-factorization-machines-[\d.]+-numba-0\.68\.1-python-3\.\d+", Kernels(FM).key
    )
    monkeypatch.setattr(kernels, "_numba", lambda: "")
    assert kernels_of(FM) is None


@pytest.mark.builds
@with_numba
def test_they_are_compiled_once_and_jobs_fetch_them(tmp_path):
    environments = Environments(tmp_path / "cache")
    image = catalogue(environments, tmp_path / "images").resolve(uri("factorization-machines"))
    folder = environments.kernels_path(image.kernels)
    assert (str(folder), str(folder)) not in image.program("train").mounts
    lines = []
    asyncio.run(environments.prepare_kernels(image.kernels, lines.append))
    assert any("A kernel was compiled in " in line for line in lines)
    assert environments.is_ready(image.kernels)
    program = image.program("train")
    assert (str(folder), str(folder)) in program.mounts
    assert program.environment["WILDSAGE_KERNELS"] == str(folder)
    load = f"from wildsage.toolkit.logs import configure; configure()\nfrom {FM} import compiled\ncompiled.load_kernels()"
    given = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    variables = given | {"WILDSAGE_KERNELS": str(folder), "TMPDIR": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-c", load], env=variables, capture_output=True, text=True, check=True
    )
    assert "A kernel was fetched in " in found.stdout


class _Lines:
    """A log in memory."""

    def __init__(self):
        self.lines = []

    async def append(self, stream, lines, now):
        self.lines += [text for _, text in lines]


class _Stream:
    class path:  # noqa: N801 - as LogStream has it
        exists = staticmethod(lambda: True)


def test_a_job_runs_where_they_cannot_be_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "_numba", lambda: "0.68.1")
    monkeypatch.setattr(Kernels, "commands", lambda self, path: [["sh", "-c", "echo no compiler; exit 3"]])
    environments, logs = Environments(tmp_path / "cache"), _Lines()
    preparation = ImagePreparation(environments, logs, SystemClock())
    image = catalogue(environments, tmp_path / "images").resolve(uri("factorization-machines"))
    assert not preparation.is_ready(image)
    asyncio.run(preparation.prepare(image, _Stream()))
    assert "could not be made beforehand" in logs.lines[-1]
    assert not environments.is_ready(image.kernels)
    assert preparation.is_ready(dataclasses.replace(image, kernels=None))
