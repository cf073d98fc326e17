"""A learner's steps by the compiled kernels, where there are some and the rows are sparse."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.factorization_machines.adam import Settings
from wildsage.algorithms.factorization_machines.blocks import added
from wildsage.algorithms.factorization_machines.layout import (
    LANE,
    Data,
    Parameters,
    Rules,
    Scratch,
    Stretched,
    lanes_of,
)
from wildsage.algorithms.factorization_machines.learner import Learner
from wildsage.formats.rows import Rows
from wildsage.formats.sparse import SparseRows
from wildsage.toolkit import kernels
from wildsage.toolkit.batches import Stretch

Arrange = Callable[[Data, NDArray[np.int64], int, NDArray[np.int32], Stretched], None]
TakeSteps = Callable[[Stretched, int, bool, Parameters, Rules, Scratch, NDArray[np.float64]], None]

_Lanes = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]

_MODULE = "wildsage.algorithms.factorization_machines.kernel"
_DENSE_SHARE = 0.25
"""Of all places, those that sparse rows hold a value for: above it, products of dense matrices are faster."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """The functions of `kernel`."""

    arrange: Arrange
    take_steps: TakeSteps


class Arranger:
    """Lays stretches of sparse rows out for the kernel; knows nothing of what is learnt, so it may work ahead."""

    def __init__(self, arrange: Arrange, width: int) -> None:
        self._arrange = arrange
        self._places = np.full(width, -1, np.int32)
        self._rows: Rows | None = None
        self._data: Data | None = None
        self._longest = 0

    def arranged(self, stretch: Stretch, size: int) -> Stretched | None:
        """Lay out batches of `size` rows; None: these rows are for the learner's numpy code."""
        data = self._laid_out(stretch.rows)
        if data is None:
            return None
        rows = len(stretch.order)
        entries = min(rows * self._longest, len(data.columns))
        stretched = Stretched(
            np.empty(rows + 1, np.uint32),
            np.empty(rows, np.uint32),
            np.empty(rows, np.float32),
            np.empty(entries, np.uint32),
            np.empty(entries, np.float32),
            np.empty(entries, np.uint32),
            np.empty(entries, np.uint32),
            np.empty(-(-rows // size), np.int64),
        )
        self._arrange(data, stretch.order, size, self._places, stretched)
        return stretched

    def _laid_out(self, rows: Rows) -> Data | None:
        """Lay rows out; those of a channel that is kept come again and again."""
        if rows is not self._rows:
            self._rows, self._data = rows, _data(rows)
            self._longest = 0 if self._data is None else int(np.diff(self._data.starts).max(initial=0))
        return self._data


class CompiledSteps:
    """Takes the steps of a learner; the numpy code of the learner takes the same."""

    def __init__(self, learner: Learner, take_steps: TakeSteps) -> None:
        self._learner, self._take_steps = learner, take_steps
        self._lanes: _Lanes | None = None
        self._scratch = _scratch(0, 1)

    def tallies(self, stretched: Stretched, size: int) -> NDArray[np.float64]:
        """Take a step for each `size` rows, and return the tallies of their predictions: (steps, ...).

        Where training diverges, the loss is no number from some step on.
        """
        learner, adam = self._learner, self._learner.adam
        steps = len(stretched.counts)
        tallies = np.zeros((steps, learner.predictor.size))
        bias = np.array([learner.machine.bias, adam.bias_mean, adam.bias_square, adam.steps])
        weights, means, squares = self._in_lanes()
        parameters = Parameters(weights, means, squares, adam.touches, bias)
        rules = _rules(learner.settings, adam.lengths(adam.steps + steps))
        self._make_room(int(stretched.counts.max(initial=0)))
        classifies = learner.predictor.classifies
        self._take_steps(stretched, size, classifies, parameters, rules, self._scratch, tallies)
        learner.machine.bias, adam.bias_mean, adam.bias_square = (float(number) for number in bias[:3])
        adam.steps += steps
        return tallies

    def _in_lanes(self) -> _Lanes:
        """Return weights, means and squares in lanes; from the first time on the learner has a view of these."""
        if self._lanes is None:
            machine, adam = self._learner.machine, self._learner.adam
            width = machine.weights.shape[1]
            self._lanes = lanes_of(machine.weights), lanes_of(adam.means), lanes_of(adam.squares)
            machine.weights, adam.means, adam.squares = (lanes[:, :width] for lanes in self._lanes)
        return self._lanes

    def _make_room(self, features: int) -> None:
        width = self._in_lanes()[0].shape[1]
        if self._scratch.gradient.shape < (features, width):
            self._scratch = _scratch(features, width)


def _scratch(features: int, width: int) -> Scratch:
    return Scratch(
        np.zeros(width, np.float32), np.zeros((features, width), np.float32), np.zeros(features, np.float32)
    )


def _data(rows: Rows) -> Data | None:
    features = rows.features
    if not isinstance(features, SparseRows):
        return None
    entries = len(features.columns)
    if entries > min(_DENSE_SHARE * len(features) * features.width, np.iinfo(np.int32).max):
        return None
    if not _ascends(features):
        features = added(features)
    return Data(
        features.starts.astype(np.uint32),
        features.columns.astype(np.uint32),
        features.values,
        np.ascontiguousarray(rows.labels[:, 0]),
    )


def _ascends(features: SparseRows) -> bool:
    """Tell whether each row has its columns in their order, and so none twice."""
    rises = np.diff(features.columns) > 0
    begins = features.starts[1:-1]
    rises[begins[(begins > 0) & (begins < len(features.columns))] - 1] = True
    return bool(rises.all())


def _rules(settings: Settings, lengths: NDArray[np.float32]) -> Rules:
    rates, decays = settings.rates, settings.decays
    return Rules(
        lengths,
        np.float32(settings.rescale),
        np.float32(np.inf if settings.clip is None else settings.clip),
        np.float32(decays.linear),
        np.float32(decays.factors),
        np.float32(settings.least_eps),
        float(rates.bias),
        float(decays.bias),
    )


def rehearse_arrange(arrange: Arrange) -> None:
    """Arrange one row, so that the kernel is compiled."""
    Arranger(arrange, 5).arranged(_one_row(), 1)


def rehearse_steps(take_steps: TakeSteps) -> None:
    """Take one step for one row, so that the kernel is compiled."""
    counts, few, lane = (
        np.array([0, 1], np.uint32),
        np.ones(1, np.float32),
        np.ones((1, 1 + LANE), np.float32),
    )
    one = np.float32(1)
    stretched = Stretched(
        starts=counts,
        ends=counts[1:].copy(),
        labels=few,
        columns=counts[:1].copy(),
        values=few.copy(),
        places=counts[:1].copy(),
        touched=counts[:1].copy(),
        counts=np.ones(1, np.int64),
    )
    parameters = Parameters(lane, lane.copy(), lane.copy(), np.zeros(1, np.int32), np.ones(4))
    rules = Rules(np.ones((2, 1), np.float32), one, one, one, one, one, 0.1, 0.1)
    scratch = _scratch(1, 1 + LANE)
    take_steps(stretched, 1, False, parameters, rules, scratch, np.zeros((1, 3)))


def _one_row() -> Stretch:
    row = SparseRows(np.array([0, 1]), np.zeros(1, np.int64), np.ones(1, np.float32), 5)
    return Stretch(Rows(row, np.zeros((1, 1), np.float32)), np.zeros(1, np.int64))


def load_kernels() -> Kernels | None:
    """Return the kernels; None: there is no numba."""
    arrange: Arrange | None = kernels.load(f"{_MODULE}:arrange", rehearse_arrange)
    take_steps: TakeSteps | None = kernels.load(f"{_MODULE}:take_steps", rehearse_steps)
    return Kernels(arrange, take_steps) if arrange and take_steps else None
