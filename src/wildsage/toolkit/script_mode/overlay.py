"""A Python environment of the job's own on top of the image's, which is shared and read-only.

It is a virtual environment whose packages come first and whose base is the image's environment: what the
image has counts as installed, and ``pip install`` of anything else works, also from inside a script.
Making one takes milliseconds: nothing is copied.

Between the two there may be a layer: an overlay of the same image, made beforehand, that holds what the job's
``requirements.txt`` asks for (`wildsage.images.layers`).
"""

import importlib
import os
import shlex
import site
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_FOLDER = ".wildsage-python"
_SHIMS = Path(__file__).resolve().parent / "shims"
_RUNTIME = str(Path(__file__).resolve().with_name("__main__.py"))
_THROUGH_RUNTIME = {"torchrun": ["-P", _RUNTIME, "torchrun"]}
"""Programs that are started by a command of the runtime: by name, what the interpreter gets."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """One such environment.

    Attributes
    ----------
    layer
        The overlay between it and the image, if there is one.
    """

    folder: Path
    layer: "Overlay | None" = None

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        """Where pip puts what it installs here."""
        return Path(sysconfig.get_path("purelib", "venv", {"base": str(self.folder)}))

    @classmethod
    def below(cls, base: Path) -> "Overlay":
        """Return the overlay below `base`, whether it was made or not."""
        return cls(base / _FOLDER)

    @classmethod
    def make(cls, base: Path, layer: "Overlay | None" = None) -> "Overlay":
        """Make the overlay of the running interpreter below `base`; kept if it is there already.

        Parameters
        ----------
        layer
            Another overlay of this interpreter, which comes in between.
        """
        overlay = cls(cls.below(base).folder, layer)
        folder = overlay.folder
        if (folder / "pyvenv.cfg").is_file():
            return overlay
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        overlay.packages.mkdir(parents=True, exist_ok=True)
        _put_on_top(overlay.packages, [layer.packages] if layer else map(Path, site.getsitepackages()))
        _link_interpreters(folder / "bin")
        if layer is not None:
            _wrap_scripts(layer.folder / "bin", folder / "bin")
        _wrap_scripts(Path(sys.executable).parent, folder / "bin")
        base_python = getattr(sys, "_base_executable", sys.executable)
        home = f"home = {Path(base_python).parent}\ninclude-system-site-packages = false\n"
        (folder / "pyvenv.cfg").write_text(home)
        return overlay

    def program(self, command: str) -> Path:
        """Make a program that is a command of the runtime, for others to start; returns its path."""
        path = self.folder / "bin" / f"wildsage-{command}"
        _write_script(path, shlex.join([str(self.python), "-P", _RUNTIME, command]))
        return path

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return `environment` with the overlay's programs first on ``PATH``, then the layer's and the image's."""
        below = [self.layer.folder / "bin"] if self.layer else []
        path = environment.get("PATH") or os.defpath
        return {
            **environment,
            "PATH": os.pathsep.join(
                [*map(str, [self.folder / "bin", *below, Path(sys.executable).parent]), path]
            ),
            "VIRTUAL_ENV": str(self.folder),
        }


def _put_on_top(packages: Path, below: Iterable[Path]) -> None:
    """Make what is below importable: the image, or the layer, which brings the image with it."""
    # In a .pth file, so that the image's own .pth files (editable installs, say) take effect too.
    (packages / "_image.pth").write_text(
        "".join(f"import site; site.addsitedir({str(path)!r})\n" for path in below if path.is_dir())
    )
    # Last of all, so that packages of the same name win.
    last = [path for path in (_SHIMS, *_bundled_pip()) if path.exists()]
    (packages / "_last.pth").write_text("".join(f"{path}\n" for path in last))


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
    if find_spec("pyspark"):  # what AWS's Spark containers start
        runtime = Path(__file__).with_name("__main__.py")
        _write_script(
            target / "smspark-submit", shlex.join([str(target / "python"), "-P", str(runtime), "spark"])
        )
    if sys.prefix == sys.base_prefix:
        return  # a whole distribution's programs, most of which are none of Python's
    for script in source.iterdir():
        if (target / script.name).exists() or script.name.startswith("python") or not script.is_file():
            continue
        with script.open("rb") as stream:
            first = stream.readline(256)
        if first.startswith(b"#!") and b"python" in first:
            command = _THROUGH_RUNTIME.get(script.name, [str(script)])
            _write_script(target / script.name, shlex.join([str(target / "python"), *command]))


def _write_script(path: Path, command: str) -> None:
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o755)
