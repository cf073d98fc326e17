"""What every codec of numbers gives: rows of features, with their labels."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.formats.errors import FormatError, NotFiniteError
from wildsage.formats.sparse import SparseRows, from_dense, stack, take_rows


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive rows of one kind (dense or sparse) and width.

    Attributes
    ----------
    features
        (n, d) float32, or sparse rows.
    labels
        (n, m) float32; m is 0 where there are no labels.
    weights
        (n,) float32; None where the format or the data has none.
    groups
        (n,) int64, the query that each row belongs to; None where there are none.
    """

    features: NDArray[np.float32] | SparseRows
    labels: NDArray[np.float32]
    weights: NDArray[np.float32] | None = None
    groups: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def width(self) -> int:
        """Count of columns."""
        return self.features.width if isinstance(self.features, SparseRows) else self.features.shape[1]


def as_float32(values: NDArray[Any] | Sequence[float]) -> NDArray[np.float32]:
    """Bring numbers to the type of all features.

    One beyond float32 becomes infinite, which `finite` refuses with its place.

    Raises
    ------
    OverflowError
        For a whole number of Python that is beyond float64.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(values, np.float32)


def join(parts: Iterable[Rows], source: str) -> Rows:
    """Put the parts of one object together; without any, the result has no rows and no columns.

    Raises
    ------
    FormatError
        With the row, where dense and sparse parts, dense widths, or labels, weights and groups differ.
    """
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Rows(np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32))
    row = 1
    for part in parts:
        if _kind(part) != _kind(parts[0]):
            raise FormatError(source, f"{_describe(part)}; the rows before: {_describe(parts[0])}", row=row)
        row += len(part)
    dense = [part.features for part in parts if isinstance(part.features, np.ndarray)]
    return Rows(
        np.concatenate(dense)
        if dense
        else stack([part.features for part in parts if isinstance(part.features, SparseRows)]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.weights for part in parts if part.weights is not None])
        if parts[0].weights is not None
        else None,
        np.concatenate([part.groups for part in parts if part.groups is not None])
        if parts[0].groups is not None
        else None,
    )


def take(rows: Rows, chosen: NDArray[np.int64] | slice) -> Rows:
    """Return some rows, in the order given; a slice of dense rows is not copied."""
    features = rows.features
    return Rows(
        take_rows(features, chosen) if isinstance(features, SparseRows) else features[chosen],
        rows.labels[chosen],
        None if rows.weights is None else rows.weights[chosen],
        None if rows.groups is None else rows.groups[chosen],
    )


def merge(parts: Sequence[Rows]) -> Rows:
    """Put parts of one width together, features and labels; where some are sparse, all become so."""
    if len(parts) == 1:
        return parts[0]
    labels = np.concatenate([part.labels for part in parts])
    dense = [part.features for part in parts if not isinstance(part.features, SparseRows)]
    if len(dense) == len(parts):
        return Rows(np.concatenate(dense), labels)
    return Rows(stack([_sparse(part.features) for part in parts]), labels)


def _sparse(features: NDArray[np.float32] | SparseRows) -> SparseRows:
    return features if isinstance(features, SparseRows) else from_dense(features)


def _kind(rows: Rows) -> tuple[int | None, int, bool, bool]:
    # Sparse rows of LIBSVM text are as wide as their last entry: they may differ.
    width = rows.features.shape[1] if isinstance(rows.features, np.ndarray) else None
    return width, rows.labels.shape[1], rows.weights is None, rows.groups is None


def _describe(rows: Rows) -> str:
    text = f"{'sparse' if isinstance(rows.features, SparseRows) else 'dense'}, {rows.width} features, "
    text += f"{rows.labels.shape[1]} labels"
    return (
        text
        + (", a weight" if rows.weights is not None else "")
        + (", a group" if rows.groups is not None else "")
    )


def finite(parts: Iterable[Rows], source: str, *, missing: bool = False) -> Iterator[Rows]:
    """Pass rows on as long as all their numbers are finite.

    Parameters
    ----------
    missing
        NaN stands for a missing value: features and weights may have it. What labels may be is left to the algorithm.

    Raises
    ------
    NotFiniteError
        At the first that is NaN or infinite, with its row and place.
    """
    row = 1
    refused = np.isinf if missing else _is_not_finite
    for part in parts:
        features = part.features if isinstance(part.features, np.ndarray) else part.features.values
        labels = None if missing else part.labels
        for name, values in (("feature", features), ("label", labels), ("weight", part.weights)):
            # One sum is much cheaper than a test of every value; only a bad sum, or a large one, is looked into.
            with np.errstate(invalid="ignore", over="ignore"):
                if values is None or math.isfinite(float(values.sum())):
                    continue
            places = np.argwhere(refused(values))
            if len(places):
                raise _not_finite(source, part, name, values, places[0], row)
        yield part
        row += len(part)


def _is_not_finite(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    return ~np.isfinite(values)


def _not_finite(
    source: str, part: Rows, name: str, values: NDArray[np.float32], place: NDArray[np.int64], row: int
) -> NotFiniteError:
    value = float(values[tuple(place)])
    if name == "feature" and isinstance(part.features, SparseRows):
        index, column = part.features.place(int(place[0]))
    else:
        index, column = int(place[0]), int(place[1]) if len(place) > 1 else 0
    what = f"{name} {column + 1}" if name != "weight" else name
    kind = "missing (NaN)" if math.isnan(value) else "infinite"
    return NotFiniteError(source, kind, f"{what} is {value}; only finite numbers are taken", row=row + index)
