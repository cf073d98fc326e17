"""A Python environment of the job's own on top of the image's, which is shared and read-only.

It is a virtual environment whose packages come first and whose base is the image's environment: what the
image has counts as installed, and ``pip install`` of anything else works, also from inside a script.
Making one takes milliseconds: nothing is copied.
"""

import importlib
import os
import shlex
import site
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_FOLDER = ".wildsage-python"
_SHIMS = Path(__file__).resolve().parent / "shims"


@dataclass(frozen=True, slots=True)
class Overlay:
    """One such environment."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @classmethod
    def make(cls, base: Path) -> "Overlay":
        """Make the overlay of the running interpreter below `base`; kept if it is there already."""
        folder = base / _FOLDER
        overlay = cls(folder)
        if (folder / "pyvenv.cfg").is_file():
            return overlay
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
        packages.mkdir(parents=True, exist_ok=True)
        below = [path for path in site.getsitepackages() if Path(path).is_dir()]
        # In a .pth file, so that the image's own .pth files (editable installs, say) take effect too.
        (packages / "_image.pth").write_text(
            "".join(f"import site; site.addsitedir({path!r})\n" for path in below)
        )
        # Last of all, so that packages of the same name win.
        last = [path for path in (_SHIMS, *_bundled_pip()) if path.exists()]
        (packages / "_last.pth").write_text("".join(f"{path}\n" for path in last))
        _link_interpreters(folder / "bin")
        _wrap_scripts(Path(sys.executable).parent, folder / "bin")
        base_python = getattr(sys, "_base_executable", sys.executable)
        home = f"home = {Path(base_python).parent}\ninclude-system-site-packages = false\n"
        (folder / "pyvenv.cfg").write_text(home)
        return overlay

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return `environment` with the overlay's programs first on ``PATH``."""
        image = str(Path(sys.executable).parent)
        path = environment.get("PATH") or os.defpath
        return {
            **environment,
            "PATH": os.pathsep.join([str(self.folder / "bin"), image, path]),
            "VIRTUAL_ENV": str(self.folder),
        }


def _link_interpreters(folder: Path) -> None:
    real = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    for name in ("python", "python3", f"python3.{sys.version_info.minor}"):
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(real)


def _bundled_pip() -> Sequence[Path]:
    """Return the pip that comes with the interpreter where the environment has none; it runs as a wheel."""
    if find_spec("pip") or not find_spec("ensurepip"):
        return []
    folder = Path(importlib.import_module("ensurepip").__file__ or "").parent / "_bundled"
    return list(folder.glob("pip-*.whl"))


def _wrap_scripts(source: Path, target: Path) -> None:
    """Give pip and the environment's other Python scripts (torchrun, …) the overlay's interpreter."""
    for name in ("pip", "pip3"):
        _write_script(target / name, f"{shlex.quote(str(target / 'python'))} -m pip")
    if sys.prefix == sys.base_prefix:
        return  # a whole distribution's programs, most of which are none of Python's
    for script in source.iterdir():
        if (target / script.name).exists() or script.name.startswith("python") or not script.is_file():
            continue
        with script.open("rb") as stream:
            first = stream.readline(256)
        if first.startswith(b"#!") and b"python" in first:
            _write_script(target / script.name, shlex.join([str(target / "python"), str(script)]))


def _write_script(path: Path, command: str) -> None:
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o755)
