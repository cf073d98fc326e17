"""What penalty suits the rows, where no validation channel tells: each model leaves some of them out.

All penalties and all parts that are left out are one matrix of models (`refinement`): a row weighs nothing in the
models that it is kept from, and judges them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.linear_learner.candidates import Candidate
from wildsage.algorithms.linear_learner.data import RowWeights
from wildsage.algorithms.linear_learner.losses import Loss
from wildsage.algorithms.linear_learner.models import LinearModels, settings_of
from wildsage.algorithms.linear_learner.optimizers import Descent
from wildsage.algorithms.linear_learner.products import Array
from wildsage.algorithms.linear_learner.refinement import Place, Refinement
from wildsage.algorithms.linear_learner.scaling import Scaling
from wildsage.formats.rows import Rows
from wildsage.toolkit.collective import Collective
from wildsage.toolkit.linear_algebra import bounded_products

_MULTIPLES: Final = 4.0 ** np.arange(-4, 4)
"""Of the usual penalty."""
_PARTS: Final = 4
_MODELS: Final = len(_MULTIPLES) * _PARTS
_PASSES: Final = 50
_LEAST_ROWS: Final = 10 * _PARTS
_MOST_PARAMETERS: Final = 1 << 22
_MOST_SCORES: Final = 1 << 25
"""Weights, and scores of the sample, of all models together."""


class CrossValidation:
    """Compares penalties on a sample of the rows.

    Parameters
    ----------
    sample
        Each host has its own.
    weights
        Of rows, by their class; of several models', the first's count.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        loss: Loss,
        scaling: Scaling,
        sample: Sequence[Rows],
        weights: RowWeights,
        hosts: Collective,
    ) -> None:
        self._parameters = parameters
        self._loss = loss
        self._scaling = scaling
        self._sample = sample
        self._weights = weights
        self._hosts = hosts
        kept = hosts.sum(sum((part.sum(axis=0) for _, part in self._parts()), np.zeros(_PARTS)))
        self._rows = float(kept.sum()) / (_PARTS - 1)
        self._kept = np.tile(kept, len(_MULTIPLES))

    def precision(self, usual: float, outputs: int) -> float | None:
        """Return what the penalty should be, by the loss of the rows that were left out.

        It is the one nearest to the usual among those that are not worse than the best by more than a standard error:
        where rows do not tell penalties apart, what is expected of weights counts.

        None: the loss has no gradient, there are too few rows, or too many scores or weights for all these models.

        Parameters
        ----------
        usual
            wd times the number of rows, as is what is returned: the inverse of the variance that weights are expected
            to have.
        outputs
            Columns of a model.
        """
        columns = _MODELS * outputs
        width = len(self._scaling.mean) + 1
        if not self._loss.is_smooth or self._rows < _LEAST_ROWS:
            return None
        if width * columns > _MOST_PARAMETERS or self._rows * columns > _MOST_SCORES:
            return None
        offered = np.repeat(usual * _MULTIPLES, _PARTS) / self._kept
        candidates = [Candidate(learning_rate=1.0, wd=float(wd), l1=0.0) for wd in offered]
        models = LinearModels(
            np.zeros((width, columns), np.float32),
            _MODELS,
            settings_of(candidates, outputs, self._parameters),
            self._loss,
            self._scaling,
            Descent(0.0),
        )
        refinement = Refinement(models, self._kept_rows, self._kept, self._scaling, self._hosts)
        batch = max((len(rows) for rows in self._sample), default=0)
        with bounded_products(2 * batch * width * columns):
            place, _ = refinement.run(models.parameters, _PASSES)
        return usual * float(_MULTIPLES[self._nearest(*self._left_out(place))])

    def _nearest(self, losses: NDArray[np.float64], products: NDArray[np.float64]) -> int:
        """Return the number of the penalty; see `_left_out`."""
        best = int(np.where(np.isfinite(losses), losses, np.inf).argmin())
        worse = losses - losses[best]
        squares = products.diagonal() - 2 * products[best] + products[best, best]
        error = np.sqrt(np.maximum(squares - worse**2 / self._rows, 0))
        distances = np.abs(np.log(_MULTIPLES))
        return int(np.where(worse <= error, distances, np.inf).argmin())

    def _parts(self) -> Iterator[tuple[Rows, Array]]:
        """Yield the batches, and for each row, (n, parts), 0 in the part that leaves it out and 1 elsewhere."""
        first = 0
        for rows in self._sample:
            own = (first + np.arange(len(rows))) % _PARTS
            yield rows, (own[:, np.newaxis] != np.arange(_PARTS)).astype(np.float32)
            first += len(rows)

    def _kept_rows(self) -> Iterator[tuple[Rows, Array]]:
        """Yield the batches with what rows weigh in each model."""
        for rows, kept in self._parts():
            yield rows, np.tile(kept, len(_MULTIPLES)) * self._weights_of(rows)

    def _left_out(self, place: Place) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the loss of the rows at each penalty, (penalties,), each row's by the model that did not see it.

        And the sum over the rows of the products of these losses, (penalties, penalties).
        """
        total = np.zeros((1 + len(_MULTIPLES), len(_MULTIPLES)))
        for (rows, kept), scores in zip(self._parts(), place.scores, strict=True):
            losses, _ = self._loss.evaluate(scores, self._scaling.labels(rows.labels))
            apart = losses.reshape(len(rows), -1, _PARTS).astype(np.float64)
            by_row = np.einsum("npk,nk->np", apart, 1 - kept) * self._weights_of(rows)
            total[0] += by_row.sum(axis=0)
            total[1:] += by_row.T @ by_row
        total = self._hosts.sum(total)
        return total[0], total[1:]

    def _weights_of(self, rows: Rows) -> Array:
        weights = RowWeights.of(self._weights.training, rows.labels)
        return np.ones((len(rows), 1), np.float32) if weights is None else weights[:, :1]
