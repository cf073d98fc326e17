"""Checkpoints of a training job: ``xgboost-checkpoint.<round>`` after each round."""

import re
from pathlib import Path
from typing import Any

import xgboost

from wildsage.algorithms.xgboost import library
from wildsage.toolkit.logs import LOGGER

_PREFIX = "xgboost-checkpoint"
_KEPT = 5
_TRIED = 5


class Checkpoints:
    """Writes the model after each round and keeps the last few. A `boosting.Watcher`.

    Parameters
    ----------
    writes
        Whether this host writes; all read.
    """

    def __init__(self, folder: Path, *, writes: bool) -> None:
        self._folder = folder
        self._writes = writes

    def latest(self) -> tuple[Path, int] | None:
        """Return the last checkpoint that can be read and the rounds that it has; None if there is none."""
        for number in reversed(self._rounds()[-_TRIED:]):
            path = self._path(number)
            try:
                library.read(path.read_bytes())
            except (xgboost.core.XGBoostError, ValueError, OSError) as error:
                LOGGER.warning("Wrong checkpoint model format %s: %s", path, library.first_lines(error))
                continue
            LOGGER.info("Checkpoint loaded from %s", path)
            LOGGER.info("Resuming from iteration %d", number + 1)
            return path, number + 1
        return None

    def after_round(self, booster: Any, number: int) -> bool:
        """Write the model; training goes on."""
        if self._writes:
            self._folder.mkdir(parents=True, exist_ok=True)
            library.save(booster, self._path(number))
            for old in self._rounds()[:-_KEPT]:
                self._path(old).unlink(missing_ok=True)
        return False

    def _path(self, number: int) -> Path:
        return self._folder / f"{_PREFIX}.{number}"

    def _rounds(self) -> list[int]:
        if not self._folder.is_dir():
            return []
        found = (re.fullmatch(rf"{re.escape(_PREFIX)}\.(\d+)", path.name) for path in self._folder.iterdir())
        return sorted(int(match[1]) for match in found if match)
