"""Python environments for framework images: built once from a lock, kept in the cache, shared read-only.

Wheels only: no code of a package runs while it is installed, but of those that have none (`EnvironmentSpec.sources`).
What a build guarantees is in `wildsage.images.builds`.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wildsage.images.builds import Build, BuildFailedError, Built, BuiltFolders, OnLine
from wildsage.images.frameworks import EnvironmentSpec
from wildsage.images.kernels import Kernels
from wildsage.images.layers import Layer
from wildsage.images.program import RUNTIME
from wildsage.toolkit.script_mode.overlay import Overlay

PIP_OPTIONS = (
    "--progress-bar", "off", "--disable-pip-version-check", "--no-input", "--only-binary", ":all:",
)  # fmt: skip
_NOT_FOUND = re.compile(r"No matching distribution found for ([^\s()]+)")


class EnvironmentBuildError(Exception):
    """An environment could not be built. The text is for the user."""


class LayerBuildError(Exception):
    """Wheels alone do not make a layer. The text says why."""


Installer = Callable[[EnvironmentSpec, Path], Sequence[Sequence[str]]]
"""The commands that build an environment at a path."""

LayerInstaller = Callable[[Layer, Path, Path], Sequence[Sequence[str]]]
"""The commands that build a layer, by the interpreter below it and its path."""


def pip_installer(spec: EnvironmentSpec, path: Path) -> Sequence[Sequence[str]]:
    """Build with the standard library's venv and the pip it brings: the user's pip configuration holds."""
    python = str(path / "bin" / "python")
    pip = [python, "-m", "pip", "install", *PIP_OPTIONS, "--no-deps"]
    pip += [option for name in spec.sources for option in ("--no-binary", name)]
    check = [python, "-c", f"import {', '.join(spec.imports)}"]
    return [[sys.executable, "-m", "venv", str(path)], [*pip, *spec.pins], check]


def pip_layer_installer(layer: Layer, python: Path, path: Path) -> Sequence[Sequence[str]]:
    """Build an overlay of the environment, and let pip add what the environment does not have yet."""
    pip = [str(Overlay.below(path).python), "-P", "-m", "pip", "install", *PIP_OPTIONS]
    return [[str(python), "-P", str(RUNTIME), "overlay", str(path)], [*pip, *layer.lines]]


class Environments:
    """The environments of this machine, and the layers of packages on top of them.

    Parameters
    ----------
    cache
        The cache directory; environments lie below ``environments/`` in it and may be deleted at any
        time while no job runs.
    installer, layer_installer
        Make the build commands.
    variables
        Set for these commands, besides what this process has: an environment has a pip of its own, which
        does not see the configuration of another environment.
    """

    def __init__(
        self,
        cache: Path,
        installer: Installer = pip_installer,
        variables: Mapping[str, str] | None = None,
        layer_installer: LayerInstaller = pip_layer_installer,
    ) -> None:
        self._folders = BuiltFolders(cache / "environments", variables)
        self._installer = installer
        self._layer_installer = layer_installer

    @property
    def folder(self) -> Path:
        """Where everything lies."""
        return self._folders.folder

    def python_path(self, spec: EnvironmentSpec) -> Path:
        """Return the interpreter of an environment, whether it is ready or not."""
        return self._folders.path(spec.key) / "bin" / "python"

    def layer_path(self, layer: Layer) -> Path:
        """Return the folder of a layer, whether it is ready or not."""
        return self._folders.path(layer.key)

    def kernels_path(self, kernels: Kernels) -> Path:
        """Return the folder of an algorithm's kernels, whether they are compiled or not."""
        return self._folders.path(kernels.key)

    def is_ready(self, needed: EnvironmentSpec | Layer | Kernels) -> bool:
        """Tell whether an environment, a layer or kernels were built to their end."""
        return self._folders.is_ready(needed.key)

    def mark_used(self, needed: EnvironmentSpec | Layer | Kernels) -> None:
        """Take note that a container is about to need it."""
        self._folders.mark_used(needed.key)

    def built(self) -> list[Built]:
        """Return what was built to its end, by name."""
        return self._folders.built()

    def discard(self, built: Built) -> bool:
        """Delete one unless it is being prepared, or was needed meanwhile; returns whether it went."""
        return self._folders.discard(built)

    def remove(self, needed: EnvironmentSpec | Layer | Kernels) -> None:
        """Delete an environment, a layer or kernels; the next job that needs it builds it again."""
        self._folders.remove(needed.key)

    async def prepare(self, spec: EnvironmentSpec, on_line: OnLine) -> None:
        """Build the environment unless it is ready.

        Parameters
        ----------
        on_line
            Gets each line of the build's log, without its end.

        Raises
        ------
        EnvironmentBuildError
            With the package that is at fault where pip names one, the last lines of the build, and what to do.
        """
        build = Build(
            what=f"the environment {spec.name}",
            name=spec.name,
            key=spec.key,
            commands=lambda path: self._installer(spec, path),
            facts={"pins": list(spec.pins)},
        )
        try:
            await self._folders.prepare(build, on_line)
        except BuildFailedError as error:
            raise EnvironmentBuildError(_environment_failed(spec, error)) from error

    async def prepare_layer(self, layer: Layer, on_line: OnLine) -> None:
        """Build a layer unless it is ready; its environment must be.

        Raises
        ------
        LayerBuildError
            If the packages are not there as wheels, do not fit together, or no index is reachable.
        """
        python = self.python_path(layer.base)
        build = Build(
            what=f"the layer {layer.name}",
            name=layer.name,
            key=layer.key,
            commands=lambda path: self._layer_installer(layer, python, path),
            facts=layer.facts,
        )
        try:
            await self._folders.prepare(build, on_line)
        except BuildFailedError as error:
            raise LayerBuildError(_missing(error.lines) or f"{error.command} … failed") from error

    async def prepare_kernels(self, kernels: Kernels, on_line: OnLine) -> None:
        """Compile an algorithm's kernels unless that is done.

        Raises
        ------
        wildsage.images.builds.BuildFailedError
            If they cannot be compiled.
        """
        build = Build(
            what=f"the {kernels.name}", name=kernels.name, key=kernels.key, commands=kernels.commands
        )
        await self._folders.prepare(build, on_line)


def _missing(lines: Sequence[str]) -> str:
    """Return which package pip did not find; empty where that is not what went wrong."""
    found = (_NOT_FOUND.search(line) for line in reversed(lines))
    return next((f"no wheel of {match[1]} was found" for match in found if match), "")


def _environment_failed(spec: EnvironmentSpec, error: BuildFailedError) -> str:
    missing = _missing(error.lines)
    hint = f" {spec.hint}" if spec.hint else ""
    return (
        f"the environment {spec.name} could not be prepared: {f'{missing}; ' if missing else ''}"
        f"{error.command} … ended with exit code {error.exit_code}. Is a package index reachable?{hint} "
        f"The next job that needs it tries again, and so does: wildsage images prepare IMAGE_URI\n"
        f"The whole log is in {error.log}; it ends with\n" + "\n".join(error.lines)
    )
