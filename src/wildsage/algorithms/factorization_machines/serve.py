"""``serve``: the score of each row of a request, and the label of two classes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.factorization_machines.artifact import decode
from wildsage.algorithms.factorization_machines.blocks import block_of
from wildsage.algorithms.factorization_machines.machine import Machine, score
from wildsage.algorithms.factorization_machines.predictors import probabilities
from wildsage.algorithms.factorization_machines.spec import SPEC
from wildsage.formats.sparse import SparseRows
from wildsage.toolkit.inference import Columns, RowsPredictor
from wildsage.toolkit.model_files import MODEL_FILE, find_model_file


class Scores:
    """A trained machine, or one that a user brings.

    Parameters
    ----------
    classifies
        Scores are probabilities of the label 1, which is told where it is ½ or more.
    """

    def __init__(self, machine: Machine, *, classifies: bool) -> None:
        self._machine = machine
        self._classifies = classifies

    @property
    def feature_dim(self) -> int:
        """Features of a row."""
        return len(self._machine.weights)

    def predict(self, features: NDArray[np.float32] | SparseRows, options: Mapping[str, str]) -> Columns:
        """Return the ``score`` of each row, and its ``predicted_label`` of two classes."""
        del options  # there is nothing else to say
        scores = score(self._machine, block_of(features)).scores
        if not self._classifies:
            return {"score": scores}
        likely = probabilities(scores)
        return {"score": likely, "predicted_label": (likely >= np.float32(0.5)).astype(np.int64)}


def load(folder: Path) -> RowsPredictor:
    """Load ``model_algo-*`` from a model's folder: a zip archive of ``symbol.json``, ``params`` and ``meta.json``.

    Raises
    ------
    UserError
        If there is no such file.
    """
    file = find_model_file(folder, f"Factorization Machines expect a file {MODEL_FILE} with the parameters")
    machine, predictor_type = decode(file.read_bytes(), file.name)
    model = Scores(machine, classifies=predictor_type == "binary_classifier")
    return RowsPredictor(SPEC, model, keeps_sparse=True)
