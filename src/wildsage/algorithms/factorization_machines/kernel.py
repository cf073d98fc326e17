"""Whole runs of batches compiled: the steps of `learner` and `adam` on sparse rows, without a matrix for each batch.

Numbers are float32 as there; sums over rows are taken in their order, and sums over factors in another. The factors of
a feature come in lanes: tuples of eight numbers, of which the compiler makes vectors. Where a lane begins is an index
without a sign, since nobody then asks whether it counts from the end.
"""

import math

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.factorization_machines.layout import (
    Data,
    Lane,
    Parameters,
    Rules,
    Scratch,
    Stretched,
)
from wildsage.toolkit.kernels import kernel, part

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_KEEP_MEAN, _NEW_MEAN = np.float32(0.9), np.float32(1 - 0.9)
_KEEP_SQUARE, _NEW_SQUARE = np.float32(0.999), np.float32(1 - 0.999)
_NOTHING: Lane = (_ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO)
_1, _2, _3, _4, _5, _6, _7, _8 = np.arange(1, 9, dtype=np.uint64)


@kernel
def arrange(
    data: Data, order: NDArray[np.int64], size: int, places: NDArray[np.int32], stretched: Stretched
) -> None:
    """Copy rows side by side, and give the features of each batch of `size` rows their places.

    The processor waits for many rows at once then, and not for each before it is worked with.

    Parameters
    ----------
    order
        Which rows.
    places
        (d,), -1 for each feature; left so.
    stretched
        Filled.
    """
    starts, columns = stretched.starts, stretched.columns
    for place in range(len(order)):
        row = order[place]
        starts[place] = data.starts[row]
        stretched.ends[place] = data.starts[row + 1]
        stretched.labels[place] = data.labels[row]
    entry = np.uint64(0)
    for place in range(len(order)):
        first = starts[place]
        starts[place] = entry
        for taken in range(first, stretched.ends[place]):
            columns[entry] = data.columns[taken]
            stretched.values[entry] = data.values[taken]
            entry += _1
    starts[len(order)] = entry
    for batch in range(len(stretched.counts)):
        begin, end = starts[batch * size], starts[min((batch + 1) * size, len(order))]
        stretched.counts[batch] = _number(
            columns[begin:end], stretched.places[begin:end], stretched.touched[begin:end], places
        )


@part
def _number(
    columns: NDArray[np.uint32],
    places: NDArray[np.uint32],
    touched: NDArray[np.uint32],
    known: NDArray[np.int32],
) -> int:
    """Give each feature of a batch a place; returns how many there are."""
    count = 0
    for entry in range(len(columns)):
        column = columns[entry]
        # Written without a branch, which the processor could not foresee.
        place = count if known[column] < 0 else known[column]
        count += 1 if known[column] < 0 else 0
        known[column] = place
        touched[place] = column
        places[entry] = place
    for place in range(count):
        known[touched[place]] = -1
    return count


@kernel
def take_steps(
    stretched: Stretched,
    size: int,
    classifies: bool,
    parameters: Parameters,
    rules: Rules,
    scratch: Scratch,
    tallies: NDArray[np.float64],
) -> None:
    """Take a step for each `size` rows.

    Parameters
    ----------
    stretched
        What `arrange` has filled.
    tallies
        (steps, numbers of the predictor's tally), zeros: filled.
    """
    rows = len(stretched.labels)
    for step in range(len(tallies)):
        first, last = step * size, min((step + 1) * size, rows)
        slopes = 0.0
        for row in range(first, last):
            begin, end = stretched.starts[row], stretched.starts[row + 1]
            score = _score(begin, end, stretched, parameters, scratch)
            slope = _slope(score, stretched.labels[row], classifies, tallies[step])
            slopes += np.float64(slope)
            _add_gradient(begin, end, slope, stretched, scratch)
        _step_bias(slopes, parameters.bias, rules)
        begin = stretched.starts[first]
        for place in range(stretched.counts[step]):
            _step_feature(stretched.touched[begin + np.uint64(place)], place, parameters, rules, scratch)


@part
def _score(
    begin: np.uint32, end: np.uint32, stretched: Stretched, parameters: Parameters, scratch: Scratch
) -> np.float32:
    """Score a row, and leave its sums."""
    weights = parameters.weights
    score, pairs = np.float32(parameters.bias[0]), _NOTHING
    for entry in range(begin, end):
        score += stretched.values[entry] * weights[stretched.columns[entry], 0]
    for lane in range(_1, np.uint64(weights.shape[1]), _8):
        sums = _NOTHING
        for entry in range(begin, end):
            term = _times(stretched.values[entry], _load(weights[stretched.columns[entry]], lane))
            sums = _plus(sums, term)
            pairs = _minus(pairs, _product(term, term))
        pairs = _plus(pairs, _product(sums, sums))
        _store(scratch.sums, lane, sums)
    return score + _HALF * _total(pairs)


@part
def _add_gradient(
    begin: np.uint32, end: np.uint32, slope: np.float32, stretched: Stretched, scratch: Scratch
) -> None:
    """Add a row's gradient to those of its features."""
    gradient = scratch.gradient
    for entry in range(begin, end):
        place, part = stretched.places[entry], slope * stretched.values[entry]
        gradient[place, 0] += part
        scratch.own[place] += part * stretched.values[entry]
    for lane in range(_1, np.uint64(gradient.shape[1]), _8):
        sums = _load(scratch.sums, lane)
        for entry in range(begin, end):
            of_feature = gradient[stretched.places[entry]]
            added = _times(slope * stretched.values[entry], sums)
            _store(of_feature, lane, _plus(_load(of_feature, lane), added))


@part
def _slope(score: np.float32, label: np.float32, classifies: bool, tally: NDArray[np.float64]) -> np.float32:
    """Return the loss's derivative by the score, and add to the tally of the `Predictor`."""
    tally[0] += 1.0
    if not classifies:
        slope = score - label
        exact = np.float64(slope)
        tally[1] += exact * exact
        tally[2] += abs(exact)
        return slope
    exact = np.float64(score)
    shrunk = math.exp(-abs(exact))
    tally[1] += math.log1p(shrunk) + max(exact, 0.0) - np.float64(label) * exact
    positive, predicted = label == _ONE, score >= _ZERO
    tally[2] += positive == predicted
    tally[3] += positive and predicted
    tally[4] += positive
    tally[5] += predicted
    return np.float32((1.0 if predicted else shrunk) / (1.0 + shrunk)) - label


@part
def _step_bias(slopes: float, bias: NDArray[np.float64], rules: Rules) -> None:
    clip = np.float64(rules.clip)
    gradient = min(max(slopes * np.float64(rules.rescale), -clip), clip) + rules.bias_decay * bias[0]
    bias[3] += 1.0
    bias[1] += (1 - 0.9) * (gradient - bias[1])
    bias[2] += (1 - 0.999) * (gradient * gradient - bias[2])
    correction = math.sqrt(1 - 0.999 ** bias[3]) / (1 - 0.9 ** bias[3])
    bias[0] -= rules.bias_rate * correction * bias[1] / (math.sqrt(bias[2]) + np.float64(rules.eps))


@part
def _step_feature(
    column: np.uint32, place: int, parameters: Parameters, rules: Rules, scratch: Scratch
) -> None:
    """Step a feature, and clear what was added up of it."""
    weights, means, squares = parameters.weights[column], parameters.means[column], parameters.squares[column]
    gradient, own = scratch.gradient[place], scratch.own[place]
    scratch.own[place] = _ZERO
    touches = np.uint32(parameters.touches[column])
    parameters.touches[column] += 1
    linear, factors = rules.lengths[0, touches], rules.lengths[1, touches]
    changes = rules.rescale != _ONE or rules.clip < np.inf
    # Of a lane the linear term is the first number, the others are 0.
    first = _alone(weights[0]), _alone(means[0]), _alone(squares[0])
    slopes = _alone(gradient[0])
    gradient[0] = _ZERO
    if changes:
        slopes = _within(rules.clip, _times(rules.rescale, slopes))
    stepped, mean, square = _stepped(first, slopes, linear, rules.linear_decay, rules.eps)
    weights[0], means[0], squares[0] = stepped[0], mean[0], square[0]
    for lane in range(_1, np.uint64(len(weights)), _8):
        old = _load(weights, lane)
        slopes = _minus(_load(gradient, lane), _times(own, old))
        _store(gradient, lane, _NOTHING)
        if changes:
            slopes = _within(rules.clip, _times(rules.rescale, slopes))
        known = old, _load(means, lane), _load(squares, lane)
        stepped, mean, square = _stepped(known, slopes, factors, rules.factors_decay, rules.eps)
        _store(weights, lane, stepped)
        _store(means, lane, mean)
        _store(squares, lane, square)


@part
def _stepped(
    known: tuple[Lane, Lane, Lane], slopes: Lane, length: np.float32, decay: np.float32, eps: np.float32
) -> tuple[Lane, Lane, Lane]:
    """Return weights, means and squares after a step."""
    old, mean, square = known
    slopes = _plus(slopes, _times(decay, old))
    mean = _plus(_times(_KEEP_MEAN, mean), _times(_NEW_MEAN, slopes))
    square = _plus(_times(_KEEP_SQUARE, square), _times(_NEW_SQUARE, _product(slopes, slopes)))
    return _minus(old, _times(length, _quotient(mean, _above(_root(square), eps)))), mean, square


# Lanes.


@part
def _load(a: NDArray[np.float32], at: int) -> Lane:
    return a[at], a[at + _1], a[at + _2], a[at + _3], a[at + _4], a[at + _5], a[at + _6], a[at + _7]


@part
def _store(a: NDArray[np.float32], at: int, b: Lane) -> None:
    a[at], a[at + _1], a[at + _2], a[at + _3] = b[0], b[1], b[2], b[3]
    a[at + _4], a[at + _5], a[at + _6], a[at + _7] = b[4], b[5], b[6], b[7]


@part
def _alone(a: np.float32) -> Lane:
    return a, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO


@part
def _above(a: Lane, b: np.float32) -> Lane:
    return a[0] + b, a[1] + b, a[2] + b, a[3] + b, a[4] + b, a[5] + b, a[6] + b, a[7] + b


@part
def _times(a: np.float32, b: Lane) -> Lane:
    return a * b[0], a * b[1], a * b[2], a * b[3], a * b[4], a * b[5], a * b[6], a * b[7]


@part
def _plus(a: Lane, b: Lane) -> Lane:
    low = a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]
    high = a[4] + b[4], a[5] + b[5], a[6] + b[6], a[7] + b[7]
    return low + high


@part
def _minus(a: Lane, b: Lane) -> Lane:
    low = a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3]
    high = a[4] - b[4], a[5] - b[5], a[6] - b[6], a[7] - b[7]
    return low + high


@part
def _product(a: Lane, b: Lane) -> Lane:
    low = a[0] * b[0], a[1] * b[1], a[2] * b[2], a[3] * b[3]
    high = a[4] * b[4], a[5] * b[5], a[6] * b[6], a[7] * b[7]
    return low + high


@part
def _quotient(a: Lane, b: Lane) -> Lane:
    low = a[0] / b[0], a[1] / b[1], a[2] / b[2], a[3] / b[3]
    high = a[4] / b[4], a[5] / b[5], a[6] / b[6], a[7] / b[7]
    return low + high


@part
def _root(a: Lane) -> Lane:
    low = np.sqrt(a[0]), np.sqrt(a[1]), np.sqrt(a[2]), np.sqrt(a[3])
    high = np.sqrt(a[4]), np.sqrt(a[5]), np.sqrt(a[6]), np.sqrt(a[7])
    return low + high


@part
def _within(a: np.float32, b: Lane) -> Lane:
    """Bring numbers into the range from -a to a."""
    low = _near(a, b[0]), _near(a, b[1]), _near(a, b[2]), _near(a, b[3])
    high = _near(a, b[4]), _near(a, b[5]), _near(a, b[6]), _near(a, b[7])
    return low + high


@part
def _near(a: np.float32, b: np.float32) -> np.float32:
    return min(max(b, -a), a)


@part
def _total(a: Lane) -> np.float32:
    return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
