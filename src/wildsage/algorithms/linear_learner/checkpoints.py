"""Checkpoints of a training job: ``linear-learner-checkpoint-EPOCH.npz`` after each epoch, the last one only."""

import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.toolkit.collective import Collective
from wildsage.toolkit.errors import UserError

_PREFIX = "linear-learner-checkpoint"


class Checkpoints:
    """The checkpoints in a folder; the first host writes and reads them for all."""

    def __init__(self, folder: Path, hosts: Collective) -> None:
        self._folder = folder
        self._hosts = hosts

    def latest(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of the last one; empty if there is none.

        Raises
        ------
        UserError
            If it cannot be read.
        """
        found = self._found()
        content = self._folder.joinpath(f"{_PREFIX}-{found[-1]}.npz").read_bytes() if found else b""
        shared = self._hosts.share(np.frombuffer(content, np.uint8)).tobytes()
        if not shared:
            return {}
        try:
            with np.load(io.BytesIO(shared), allow_pickle=False) as opened:
                return dict(opened)
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(
                f"the checkpoint {_PREFIX}-{found[-1] if found else '*'}.npz cannot be read: remove it"
            ) from error

    def write(self, epoch: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write the state after an epoch so that a reader never sees half of it."""
        if not self._hosts.is_first:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        before = self._found()
        temporary = self._folder / f".{_PREFIX}.npz"
        with zipfile.ZipFile(temporary, "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)
        temporary.rename(self._folder / f"{_PREFIX}-{epoch}.npz")
        for old in before:
            if old != epoch:
                (self._folder / f"{_PREFIX}-{old}.npz").unlink(missing_ok=True)

    def _found(self) -> list[int]:
        if not self._hosts.is_first or not self._folder.is_dir():
            return []
        names = (re.fullmatch(rf"{_PREFIX}-(\d+)\.npz", path.name) for path in self._folder.iterdir())
        return sorted(int(match[1]) for match in names if match)
