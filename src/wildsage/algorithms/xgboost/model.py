"""Model files: read in every format that the library knows, pickles without ever executing them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import xgboost
from numpy.typing import NDArray

from wildsage.algorithms.xgboost import library, pickles, selectable
from wildsage.algorithms.xgboost.data import library_input
from wildsage.algorithms.xgboost.library import Facts
from wildsage.algorithms.xgboost.objectives import VOTING
from wildsage.formats.sparse import SparseRows
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.inference import Columns
from wildsage.toolkit.logs import LOGGER

MODEL_NAME: Final = "xgboost-model"
_BOOSTER: Final = "xgboost.core.Booster"


@dataclass(frozen=True)
class Model:
    """A booster and what predictions need to know of it.

    Attributes
    ----------
    pickled
        It came from a pickle, as containers up to version 1.2 wrote it.
    limit
        Of a pickle: how many trees of a class count; 0: all.
    """

    booster: Any
    facts: Facts
    pickled: bool = False
    limit: int = 0

    def answers_like(self, other: "Model") -> bool:
        """Tell whether predictions of both can be put together."""
        own, its = self.facts, other.facts
        return (own.objective, own.classes, own.width) == (its.objective, its.classes, its.width)

    @cached_property
    def trees(self) -> int:
        """Trees of a class to predict with, where a version before 2.0 noted them; 0: all."""
        noted = self.limit or int(self.booster.attr("best_ntree_limit") or 0)
        return 0 if self.facts.is_linear else noted

    @cached_property
    def rounds(self) -> int:
        """Rounds to predict with: up to the best one, where early stopping noted it; 0: all."""
        if self.facts.is_linear or library.VERSION < (2, 0):
            return 0
        best = int(self.booster.attr("best_iteration") or -1) + 1
        noted = self.trees // self.facts.trees if self.trees else best
        return min(noted, int(self.booster.num_boosted_rounds()))

    @cached_property
    def uses_first_column(self) -> bool:
        """Whether it looks at column 0, which models that count columns from 1 never see."""
        return "f0" in self.booster.get_fscore()

    def predict(self, matrix: Any) -> NDArray[Any]:
        """Predict for each row of the library's matrix."""
        return library.predict(self.booster, matrix, rounds=self.rounds, trees=self.trees)


@dataclass(frozen=True, slots=True)
class Ensemble:
    """The models of a folder, which answer together. A `wildsage.toolkit.inference.Model`.

    Attributes
    ----------
    models
        One, or several of the same width and objective.
    """

    models: Sequence[Model]

    @property
    def facts(self) -> Facts:
        """Of the first model."""
        return self.models[0].facts

    @property
    def feature_dim(self) -> int:
        """Features of a row."""
        return self.facts.width

    def scores(self, features: NDArray[np.float32] | SparseRows) -> NDArray[Any]:
        """Predict for each row: (n,), or (n, classes) of multi:softprob. Several models average, or vote.

        Raises
        ------
        xgboost.core.XGBoostError
            For rows that the library cannot take.
        """
        matrix = xgboost.DMatrix(library_input(features, self.feature_dim))
        found = [model.predict(matrix) for model in self.models]
        if len(found) == 1:
            return np.asarray(found[0])
        if self.facts.objective in VOTING:
            return _vote(np.stack(found))
        mean: NDArray[Any] = np.mean(found, axis=0)
        return mean

    def predict(self, features: NDArray[np.float32] | SparseRows, options: Mapping[str, str]) -> Columns:
        """Return the ``score`` of each row, or the columns that the option ``output`` names."""
        scores = self.scores(features)
        keys = selectable.parse_keys(options.get("output", ""))
        return selectable.select(keys, self.facts, scores) if keys else {"score": scores}


def _vote(classes: NDArray[Any]) -> NDArray[Any]:
    """Take the most frequent class of each row, the smaller one of equals: (models, n) to (n,)."""
    kinds = np.unique(classes)
    votes = (classes[:, :, np.newaxis] == kinds).sum(axis=0)
    winners: NDArray[Any] = kinds[votes.argmax(axis=1)]
    return winners


def load_models(folder: Path, *, ensemble: bool = True) -> Ensemble:
    """Load the models of a folder: all of them, or the first.

    Raises
    ------
    UserError
        If there is none, one cannot be read, or they do not fit together.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for hidden in (path for path in files if path.name.startswith(".")):
        LOGGER.warning("Ignoring dotfile '%s' found in model directory", hidden)
    files = [path for path in files if not path.name.startswith(".")]
    if not files:
        raise UserError(f"the model holds no file; XGBoost expects {MODEL_NAME}")
    models = [_load(path) for path in (files if ensemble else files[:1])]
    for path, model in zip(files, models, strict=False):
        if not model.answers_like(models[0]):
            raise UserError(
                f"the models {files[0].name} ({models[0].facts}) and {path.name} ({model.facts}) cannot answer"
                " together: set SAGEMAKER_INFERENCE_ENSEMBLE to false, or leave one of them out"
            )
    return Ensemble(models)


def _load(path: Path) -> Model:
    data = path.read_bytes()
    state: Mapping[str, Any] | None = None
    if data[:1] == b"\x80" or data[:1] in b"(c":
        state = _pickled_state(data, path.name)
    if state is not None:
        data = pickles.as_bytes(state.get("handle")) or b""
        if not data:
            raise UserError(f"the model file {path.name} is a pickle of a Booster that was never trained")
    try:
        booster = library.read(data) if state is None else library.read_snapshot(data)
        facts = library.describe(booster)
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise _unreadable(path.name, data, error) from None
    limit = state.get("best_ntree_limit") if state is not None else 0
    return Model(booster, facts, state is not None, limit if isinstance(limit, int) else 0)


def _pickled_state(data: bytes, name: str) -> Mapping[str, Any]:
    try:
        booster = pickles.find(pickles.read(data), _BOOSTER)
    except pickles.PickleError as error:
        raise UserError(
            f"the model file {name} is a malformed pickle: {error}; it was not executed"
        ) from error
    if booster is None or not isinstance(booster.state, Mapping):
        raise UserError(f"the model file {name} is a pickle without an XGBoost booster; it was not executed")
    return booster.state


def _unreadable(name: str, data: bytes, error: Exception) -> UserError:
    """Say what a file needs that this version of the library cannot read."""
    said = f"XGBoost {xgboost.__version__} says: {library.first_lines(error)}"
    try:
        facts = library.describe_legacy(data)
    except ValueError:
        return UserError(f"the model file {name} is no XGBoost model, or one of a later version. {said}")
    return UserError(
        f"the model file {name} is in the binary format of XGBoost before 2.1 ({facts.objective}, {facts.width}"
        " features), which versions up to 3.0 read: host it with the image tag that it was trained with, or load it"
        f" with XGBoost 1.7 and save it again as xgboost-model.json. {said}"
    )
