"""``serve``: a score for each row of a request, and on demand what each feature has of it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.randomcutforest.artifact import decode
from wildsage.algorithms.randomcutforest.scoring import Scorer
from wildsage.algorithms.randomcutforest.spec import SPEC
from wildsage.toolkit.inference import Columns, RowsPredictor
from wildsage.toolkit.model_files import MODEL_FILE, find_model_file
from wildsage.toolkit.serving import RequestError
from wildsage.toolkit.threads import threads


class ScoringModel:
    """A trained model."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    @property
    def feature_dim(self) -> int:
        """Features of a row."""
        return self._scorer.width

    def predict(self, features: NDArray[np.float32], options: Mapping[str, str]) -> Columns:
        """Return the ``score`` of each row; where ``attribution`` is true, also each feature's part of it.

        Raises
        ------
        RequestError
            406 for an ``attribution`` that is neither true nor false.
        """
        wish = options.get("attribution", "false").lower()
        if wish not in {"true", "false"}:
            raise RequestError(406, f"attribution is '{wish}' in the Accept header: use true or false")
        if wish == "false":
            return {"score": self._scorer.scores(features)}
        attribution = self._scorer.attributions(features)
        return {"score": attribution.sum(axis=1), "attribution": attribution}


def load(folder: Path) -> RowsPredictor:
    """Load ``model_algo-*`` from a model's folder.

    Raises
    ------
    UserError
        If there is no such file, or it holds no forest.
    """
    file = find_model_file(folder, f"Random Cut Forest expects a file {MODEL_FILE}")
    return RowsPredictor(SPEC, ScoringModel(Scorer(decode(file.read_bytes(), file.name), threads())))
