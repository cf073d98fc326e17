"""The folders of failed runs, kept for a while: what ``wildsage replay`` opens.

A kept run has no secret and nothing that is stored elsewhere: its token, its sockets, the packed artifacts
and the container's own files outside ``/opt/ml`` are gone. Inputs stay where they are not too large;
``replay`` stages the others again.
"""

import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from wildsage.supervisor.contract import (
    INPUT_DATA,
    OUT_FOLDER,
    RUN_FOLDER,
    SENT_FOLDER,
    STOP_FILE,
    TOKEN_FILE,
)
from wildsage.supervisor.durable import write_durably
from wildsage.supervisor.folder import RunFolder, remove_tree
from wildsage.supervisor.inputs import SHOWN_FOLDER

KEPT_FILE = "kept.json"
_DAY_SECONDS = 86_400.0
_GONE = (RUN_FOLDER, OUT_FOLDER, SENT_FOLDER, "root", "stage", SHOWN_FOLDER)


@dataclass(frozen=True, slots=True)
class KeepLimits:
    """How much is kept: the oldest go first.

    Attributes
    ----------
    runs
        0 keeps none.
    total_bytes
        Of all together; the newest run stays even if it is larger alone.
    input_bytes
        Of one run: larger inputs are not kept with it.
    """

    runs: int = 20
    total_bytes: int = 10 * 1024**3
    days: float = 14.0
    input_bytes: int = 1024**3


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run that was kept.

    Attributes
    ----------
    job
        ARN of the job it was of.
    size
        In bytes, when it was kept.
    has_inputs
        Whether its inputs are still there.
    """

    run_id: str
    job: str
    kept_at: float
    size: int
    has_inputs: bool
    path: Path

    @property
    def folder(self) -> RunFolder:
        """The folder; locked while somebody works in it."""
        return RunFolder(self.path)


class KeptRuns:
    """The kept runs below one folder. Every method may be repeated, from any thread."""

    def __init__(self, folder: Path, limits: KeepLimits | None = None) -> None:
        self._folder = folder
        self._limits = limits or KeepLimits()

    def keep(self, run: RunFolder, job: str, at: float) -> None:
        """Move a run that has ended here; one that is not to be kept, or never began, is deleted."""
        if self._limits.runs <= 0 or not run.ml.is_dir():
            run.delete()
            return
        for name in (TOKEN_FILE, STOP_FILE):
            (run.path / name).unlink(missing_ok=True)
        for name in _GONE:
            remove_tree(run.path / name)
        inputs = [run.ml / place for place in _input_places(run)]
        has_inputs = sum(map(tree_size, inputs)) <= self._limits.input_bytes
        for folder in [] if has_inputs else inputs:
            remove_tree(folder)
        kept = KeptRun(run.path.name, job, at, tree_size(run.path), has_inputs, self._folder / run.path.name)
        said = {name: value for name, value in asdict(kept).items() if name != "path"}
        write_durably(run.path / KEPT_FILE, json.dumps(said))
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_tree(kept.path)
        run.path.rename(kept.path)

    def list(self) -> "list[KeptRun]":
        """Return what is kept, newest first."""
        found = []
        for path in self._folder.glob("*"):
            with suppress(OSError, ValueError, TypeError):
                said: Mapping[str, object] = json.loads((path / KEPT_FILE).read_text(encoding="utf-8"))
                found.append(KeptRun(path=path, **said))  # type: ignore[arg-type] # as `keep` wrote it
        return sorted(found, key=lambda run: (run.kept_at, run.run_id), reverse=True)

    def newest_of(self, run_ids: Collection[str]) -> KeptRun | None:
        """Return the newest of some runs that is kept: a job that was deleted may have had the same ARN."""
        return next((run for run in self.list() if run.run_id in run_ids), None)

    def remove(self, run: KeptRun) -> bool:
        """Delete a kept run; False: somebody works in it."""
        if run.folder.is_alive():
            return False
        run.folder.delete()
        return True

    def prune(self, at: float, is_wanted: Callable[[KeptRun], bool] = lambda _run: True) -> None:
        """Delete what is beyond the limits, or not wanted any more."""
        total = 0
        for number, run in enumerate(self.list()):
            total += run.size
            if (
                number >= self._limits.runs
                or (number and total > self._limits.total_bytes)
                or at - run.kept_at > self._limits.days * _DAY_SECONDS
                or not is_wanted(run)
            ):
                with suppress(OSError):
                    self.remove(run)


def tree_size(folder: Path) -> int:
    """Return the bytes of all files below a folder, links not followed; what cannot be read counts nothing."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_size  # noqa: PTH118 - names may be no text
    return total


def copy_inputs(kept: KeptRun, ml: Path) -> None:
    """Copy the kept inputs below another ``/opt/ml``: whatever happens there, the kept ones stay."""
    for place in _input_places(kept.folder):
        if (kept.folder.ml / place).is_dir():  # a shell may have removed it
            shutil.copytree(kept.folder.ml / place, ml / place, symlinks=True, dirs_exist_ok=True)


def _input_places(run: RunFolder) -> list[str]:
    """Return where the inputs of a run are, below its ``/opt/ml``; links, in the place of folders, are none."""
    places = {INPUT_DATA}
    with suppress(OSError, ValueError, KeyError, TypeError):
        places |= {channel.place for channel in run.job().channels if not channel.folder}
    below = [place for place in places if any(place.startswith(f"{other}/") for other in places)]
    return sorted(places.difference(below))
