"""Random cut trees: grown level by level, all trees of a group at once.

A tree cuts the bounding box of its points at a random place: the side with probability proportional to its length,
the position uniformly. Both parts are cut again until all points of a part are equal.

Source: S. Guha, N. Mishra, G. Roy, O. Schrijvers, "Robust Random Cut Forest Based Anomaly Detection on Streams",
ICML 2016, Definition 1.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

_GROUP = 1 << 19
"""Numbers of the trees that grow together: what stays in a processor's cache."""

VERSION = 2
"""Of the forests that are grown."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees over a sample of rows.

    A node is a code: inner nodes are numbered from 0, leaf k is ``~k`` (-1, -2, …). Children have larger numbers than
    their parents.

    Attributes
    ----------
    points
        (k, d), the sample; trees may share rows of it.
    sample_size
        Points of each tree, equal ones counted.
    roots
        (trees,) codes.
    feature, cut, children
        (inner nodes,), (inner nodes,), (inner nodes, 2): rows with ``x[feature] <= cut`` go to the first child.
    leaf_point, leaf_mass
        (leaves,): a row of `points`, and how many equal ones the leaf stands for.
    version
        How rows are scored: 1, by the mean of inverse depths; 2, by the mean depth.
    """

    points: NDArray[np.float32]
    sample_size: int
    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    cut: NDArray[np.float32]
    children: NDArray[np.int32]
    leaf_point: NDArray[np.int32]
    leaf_mass: NDArray[np.int32]
    version: int = VERSION


def grow(points: NDArray[np.float32], rows: NDArray[np.intp], rng: Generator, threads: int = 1) -> Forest:
    """Grow a tree over each line of `rows`.

    Parameters
    ----------
    points
        (k, d), finite.
    rows
        (trees, m) indices of points, m of at least 1.
    threads
        The forest does not depend on it.
    """
    trees, size = rows.shape
    step = max(1, _GROUP // (size * points.shape[1]))
    groups = [rows[start : start + step] for start in range(0, trees, step)]
    with ThreadPoolExecutor(threads) as pool:
        grown = list(
            pool.map(lambda part: _grow(points, *part), zip(groups, rng.spawn(len(groups)), strict=True))
        )
    return _joined(points, size, grown)


@dataclass(slots=True)
class _Growth:
    """Trees in the making: one list entry for each level."""

    codes: list[NDArray[np.int32]] = field(default_factory=list)
    feature: list[NDArray[np.int32]] = field(default_factory=list)
    cut: list[NDArray[np.float32]] = field(default_factory=list)
    leaf_point: list[NDArray[np.int32]] = field(default_factory=list)
    leaf_mass: list[NDArray[np.int32]] = field(default_factory=list)
    inner: int = 0
    leaves: int = 0

    def number(self, cuttable: NDArray[np.bool_]) -> None:
        """Number the nodes of a level: inner ones and leaves, each in their order."""
        inner, leaves = int(cuttable.sum()), int((~cuttable).sum())
        codes = np.empty(len(cuttable), np.int32)
        codes[cuttable] = np.arange(self.inner, self.inner + inner)
        codes[~cuttable] = ~np.arange(self.leaves, self.leaves + leaves)
        self.codes.append(codes)
        self.inner += inner
        self.leaves += leaves


def _grow(points: NDArray[np.float32], rows: NDArray[np.intp], rng: Generator) -> _Growth:
    trees, size = rows.shape
    width = points.shape[1]
    growth = _Growth()
    order = rows.reshape(-1)  # the points of a node are next to each other
    masses = np.full(trees, size)
    content = points.take(order, axis=0)
    sides = np.concatenate([content, -content], axis=1)
    while len(masses):
        starts = np.cumsum(masses) - masses
        several = np.flatnonzero(masses > 1)
        faces = _greatest(sides, starts[several], masses[several])
        reach = np.cumsum(np.add(faces[:, :width], faces[:, width:], dtype=np.float64), axis=1)
        unequal = reach[:, -1] > 0
        cuttable = np.zeros(len(masses), np.bool_)
        cuttable[several[unequal]] = True
        growth.number(cuttable)
        growth.leaf_point.append(order[starts[~cuttable]].astype(np.int32))
        growth.leaf_mass.append(masses[~cuttable].astype(np.int32))
        feature, cut = _cuts(faces[unequal], reach[unequal], rng)
        growth.feature.append(feature.astype(np.int32))
        growth.cut.append(cut)
        moved, masses = _partition(sides, masses, cuttable, feature, cut)
        order, sides = order[moved], sides.take(moved, axis=0)
    return growth


def _greatest(
    values: NDArray[np.float32], starts: NDArray[np.intp], counts: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Find the greatest values of runs of lines, each of two lines at least: (runs, columns).

    Runs are halved until one line is left; where a count is odd, the line in the middle is in both halves.
    ``np.maximum.reduceat`` does the same several times as slowly.
    """
    greatest = np.empty((len(starts), values.shape[1]), np.float32)
    run = np.arange(len(starts))
    while len(run):
        half = (counts + 1) // 2
        ends = np.cumsum(half)
        line = np.arange(ends[-1]) + np.repeat(starts - ends + half, half)
        values = np.maximum(
            values.take(line, axis=0), values.take(line + np.repeat(counts - half, half), axis=0)
        )
        single = half == 1
        starts = ends - half
        greatest[run[single]] = values[starts[single]]
        run, starts, counts = run[~single], starts[~single], half[~single]
    return greatest


def _cuts(
    faces: NDArray[np.float32], reach: NDArray[np.float64], rng: Generator
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Draw a place on the sides of each box, put end to end: it says which side is cut, and where.

    Parameters
    ----------
    faces
        (nodes, 2 d): upper corners, and lower ones negated.
    reach
        (nodes, d): where each side ends.
    """
    nodes, width = reach.shape
    each = np.arange(nodes)
    place = rng.random(nodes) * reach[:, -1]
    feature = np.minimum((reach <= place[:, np.newaxis]).sum(axis=1), width - 1)
    high, low = faces[each, feature], -faces[each, width + feature]
    before = np.where(feature > 0, reach[each, feature - 1], 0)
    # Rounding may neither leave the side nor put all points on one hand.
    cut = (low + (place - before)).astype(np.float32)
    return feature, np.clip(cut, low, np.nextafter(high, low))


def _partition(
    content: NDArray[np.float32],
    masses: NDArray[np.intp],
    cuttable: NDArray[np.bool_],
    feature: NDArray[np.intp],
    cut: NDArray[np.float32],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find where the points of the next level come from, and how many each of its nodes has."""
    kept = np.flatnonzero(np.repeat(cuttable, masses))
    masses = masses[cuttable]
    node = np.repeat(np.arange(len(masses)), masses)
    beyond = content[kept, feature[node]] > cut[node]
    ends = np.cumsum(masses)
    counted = np.concatenate([[0], np.cumsum(beyond)])
    first_of_node = counted[ends - masses]
    right = counted[ends] - first_of_node
    beyond_before = counted[:-1] - first_of_node[node]
    place = np.where(beyond, (ends - right)[node] + beyond_before, np.arange(len(node)) - beyond_before)
    moved = np.empty_like(kept)
    moved[place] = kept
    return moved, np.stack([masses - right, right], axis=1).reshape(-1)


def _joined(points: NDArray[np.float32], size: int, grown: Sequence[_Growth]) -> Forest:
    """Put groups one behind the other."""
    roots, children = [], []
    inner = leaves = 0
    for growth in grown:
        first, *rest = (np.where(codes < 0, codes - leaves, codes + inner) for codes in growth.codes)
        roots.append(first)
        children += rest
        inner += growth.inner
        leaves += growth.leaves
    return Forest(
        points,
        size,
        np.concatenate(roots),
        np.concatenate([level for growth in grown for level in growth.feature]),
        np.concatenate([level for growth in grown for level in growth.cut]),
        np.concatenate(children or [np.empty(0, np.int32)]).reshape(-1, 2),
        np.concatenate([level for growth in grown for level in growth.leaf_point]),
        np.concatenate([level for growth in grown for level in growth.leaf_mass]),
    )
