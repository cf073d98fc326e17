"""Jupyter kernels whose AWS calls come here: a kernel specification is a folder with a ``kernel.json``."""

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wildsage import __version__
from wildsage.store.installed import Installed
from wildsage.store.layout import Layout

_MARK = "wildsage"
_NAME = re.compile(r"[a-z0-9._-]+")


class KernelError(Exception):
    """A kernel cannot be installed or removed. The text says why."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel to install.

    Attributes
    ----------
    name
        What Jupyter calls its folder, in lower case.
    python
        The interpreter that runs notebooks; it needs the package ipykernel.
    """

    layout: Layout
    name: str
    display_name: str
    python: str
    fast_waits: bool = False

    def specification(self) -> dict[str, Any]:
        """Return the content of ``kernel.json``."""
        command = [sys.executable, "-m", "wildsage", "jupyter", "kernel", "--data-dir", str(self.layout.root)]
        command += ["--fast-waits"] if self.fast_waits else []
        return {
            "argv": [*command, "--", self.python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": self.display_name,
            "language": "python",
            "metadata": {
                "debugger": True,
                _MARK: {"version": __version__, "data_dir": str(self.layout.root)},
            },
        }


def user_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where Jupyter looks for the kernels of this user."""
    if environ.get("JUPYTER_DATA_DIR"):
        return Path(environ["JUPYTER_DATA_DIR"]) / "kernels"
    data = environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path("~/.local/share").expanduser()) / "jupyter" / "kernels"


def prefix_folder(prefix: Path) -> Path:
    """Return where Jupyter looks for the kernels of an environment."""
    return prefix / "share" / "jupyter" / "kernels"


def install(kernel: Kernel, folder: Path) -> Path:
    """Write a kernel's specification below a folder of kernels and return where it is; ours is replaced.

    Raises
    ------
    KernelError
        If the name is none, or another kernel has it.
    """
    if not _NAME.fullmatch(kernel.name):
        raise KernelError(f"{kernel.name!r} is no name of a kernel: use a to z, 0 to 9, '.', '_' and '-'")
    place = folder / kernel.name
    if place.exists() and not is_ours(place):
        raise KernelError(f"{place} is another kernel: choose another --name")
    Installed(kernel.layout).add(place.absolute(), "Jupyter kernel")  # first: `wildsage uninstall` knows it
    place.mkdir(parents=True, exist_ok=True)
    (place / "kernel.json").write_text(json.dumps(kernel.specification(), indent=1) + "\n")
    return place


def installed(layout: Layout) -> list[Path]:
    """Return the folders of kernels that were installed for a data directory and are still there."""
    places = [Path(item.path) for item in Installed(layout).list()]
    return sorted({place for place in places if is_ours(place)})


def remove(layout: Layout, name: str | None = None) -> list[Path]:
    """Remove kernels that were installed for a data directory, all or those of a name; returns their folders."""
    found = [place for place in installed(layout) if name in (None, place.name)]
    for place in found:
        shutil.rmtree(place)
        Installed(layout).remove(place)
    return found


def is_ours(place: Path) -> bool:
    """Tell whether a kernel was installed by Wildsage."""
    try:
        said = json.loads((place / "kernel.json").read_text())
        return _MARK in said["metadata"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
