"""Checkpoints of a training job: ``xgboost-checkpoint.<round>`` after each round."""

import re
from typing import Any

import xgboost

from wildsage.toolkit.environment import Paths

_PREFIX = "xgboost-checkpoint"
_KEPT = 5


class Checkpoints(xgboost.callback.TrainingCallback):
    """Writes the model after each round and keeps the last few."""

    def __init__(self, paths: Paths) -> None:
        super().__init__()
        self._folder = paths.checkpoints

    @staticmethod
    def wanted(paths: Paths) -> bool:
        """Tell whether the job has a checkpoint configuration."""
        return (paths.config / "checkpointconfig.json").exists()

    def latest(self) -> Any:
        """Load the checkpoint of the last round; None if there is none."""
        rounds = self._rounds()
        return xgboost.Booster(model_file=self._folder / f"{_PREFIX}.{rounds[-1]}") if rounds else None

    def _rounds(self) -> list[int]:
        if not self._folder.is_dir():
            return []
        found = (re.fullmatch(rf"{re.escape(_PREFIX)}\.(\d+)", path.name) for path in self._folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Write the model so that a reader never sees half of it."""
        del epoch, evals_log
        self._folder.mkdir(parents=True, exist_ok=True)
        last = model.num_boosted_rounds() - 1
        temporary = self._folder / f".{_PREFIX}.ubj"
        model.save_model(temporary)
        temporary.rename(self._folder / f"{_PREFIX}.{last}")
        for old in self._rounds()[:-_KEPT]:
            (self._folder / f"{_PREFIX}.{old}").unlink(missing_ok=True)
        return False
