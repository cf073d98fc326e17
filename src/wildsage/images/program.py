"""What an image starts, and what of this machine it brings into the container."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import wildsage
from wildsage.core.engine_images import EngineImage

Purpose = Literal["train", "process", "serve"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
Mounts = tuple[tuple[str, str], ...]

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SYSTEM_FOLDERS = tuple(Path(name) for name in ("/usr", "/bin", "/lib", "/lib64", "/sbin"))

PACKAGE = Path(wildsage.__file__).resolve().parent
RUNTIME = PACKAGE / "toolkit" / "script_mode" / "__main__.py"
"""Carries a user's script inside an interpreter that has no Wildsage of its own; also wraps an entrypoint."""


@dataclass(frozen=True, slots=True)
class ImageProgram:
    """How a container of an image starts. The caller adds what the job brings.

    Attributes
    ----------
    argv
        The command, as the container sees its paths.
    environment
        What the image sets; the job's own variables go on top of it.
    mounts
        Read-only (source, target) pairs. Here the target is always the source, so that a machine without
        a sandbox runs the same command.
    needs_literal_opt_ml
        True: the program addresses ``/opt/ml`` by its name, whatever ``SAGEMAKER_BASE_DIR`` says.
    engine_image
        What a container engine runs; None: the command is one of this machine.
    port
        Where it listens, in a network of its own; None: it shares this machine's and is told a port.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Mounts = ()
    working_directory: str = "/"
    needs_literal_opt_ml: bool = False
    engine_image: EngineImage | None = None
    port: int | None = None


def image_environment(*bins: Path) -> dict[str, str]:
    """Return the variables that every image sets, with the folders `bins` first on ``PATH``."""
    return {
        "PATH": ":".join([*map(str, bins), SYSTEM_PATH]),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PYTHONIOENCODING": "UTF-8",
        "PYTHONUNBUFFERED": "1",
        # The mounts are read-only and were compiled when they were installed.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def mounts_of(folders: Iterable[Path]) -> Mounts:
    """Mount each folder at its own path; folders inside another one, or of the system, are there already."""
    absolute = sorted({Path(os.path.abspath(folder)) for folder in folders})  # noqa: PTH100 - keeps symlinks
    kept: list[Path] = []
    for folder in absolute:
        known = any(folder.is_relative_to(present) for present in (*_SYSTEM_FOLDERS, *kept))
        if not known and folder != Path("/"):
            kept.append(folder)
    return tuple((str(folder), str(folder)) for folder in kept)


def base_python_folders() -> list[Path]:
    """Return the folders of the interpreter itself, which every virtual environment made from it needs."""
    # An interpreter that a tool installed is often reached through symlinks: both names are needed.
    base = Path(sys.base_prefix)
    return [base, base.resolve(), Path(sys.executable).resolve().parent.parent]


@cache
def host_python_folders() -> tuple[Path, ...]:
    """Return the folders that this interpreter and this very Wildsage need, editable installs included."""
    prefixes = [Path(sys.prefix), Path(sys.exec_prefix)]
    resolved = [prefix.resolve() for prefix in prefixes]
    return (*base_python_folders(), *prefixes, *resolved, PACKAGE.parent)


def runtime_command(python: Path, *arguments: str) -> tuple[str, ...]:
    """Return a command of the script-mode runtime; ``-P`` keeps its folder off the script's ``sys.path``."""
    return (str(python), "-P", str(RUNTIME), *arguments)


def overridden(
    python: Path, command: Sequence[str], entrypoint: Sequence[str], arguments: Sequence[str]
) -> tuple[str, ...]:
    """Return the command with ``ContainerEntrypoint`` and ``ContainerArguments`` applied.

    An entrypoint takes the place of the image's command. It runs behind the runtime's ``exec``, which
    gives it a Python environment of the job's own, so that ``pip install`` works there.
    Arguments alone follow the image's command.
    """
    if entrypoint:
        return runtime_command(python, "exec", *entrypoint, *arguments)
    return (*command, *arguments)
