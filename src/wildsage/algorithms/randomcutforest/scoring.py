"""Scores of rows by a forest, and the share that each feature has in them.

A score is inversely proportional to the depth at which a row is expected to come to rest when it is inserted into the
trees: at a node of depth k, the row is cut off the node's box with probability p, the share of the box, widened to hold
the row, that the widening makes up; cut off, it lies at k + 1. A row that reaches a leaf equal to itself lies the
deeper, the more equal ones there are. The mean depth of all trees is set against that of a tree that parts its points
anywhere: ordinary rows have about 1, anomalies several.

Forests of version 1 take the mean of the inverse depths (docs/decisions/0057-scores-by-mean-depth.md).

Source: S. Guha et al., ICML 2016; the damping and the depths of version 1 are those of aws/random-cut-forest-by-aws.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.randomcutforest.forest import Forest

_PAIRS = 1 << 14
"""Pairs of a row and a tree that go down together: enough to outweigh the calls."""
_BLOCK = 1 << 21
"""Numbers that they may take at a step: a few processors' caches."""

_GREATEST = np.finfo(np.float32).max

Codes = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Step:
    """Where some pairs of a row and a tree may come to rest.

    Attributes
    ----------
    row, share, depth
        (pairs,): the row, which share of it comes to rest here, and how deep it then lies.
    beyond
        (pairs, 2 d): how far the row lies above and below the box, by feature; None: not asked for.
    """

    row: NDArray[np.intp]
    share: NDArray[np.float64]
    depth: NDArray[np.float64] | int
    beyond: NDArray[np.floating] | None


class Scorer:
    """Scores rows.

    Parameters
    ----------
    threads
        For large requests; scores do not depend on it.
    """

    def __init__(self, forest: Forest, threads: int = 1) -> None:
        self._forest = forest
        self._threads = threads
        self._faces = _faces(forest)
        # Side by side: in a sum of all corners, the sides of small columns would be lost beside large numbers.
        upper, lower = self._faces[:, : self.width], self._faces[:, self.width :]
        self._perimeter = np.add(upper, lower, dtype=np.float64).sum(axis=1)
        self._feature = forest.feature.astype(np.intp)
        self._children = forest.children.reshape(-1).astype(np.intp)
        depths = _depths(forest)
        self._ordinary = depths[forest.sample_size]
        self._below = depths[forest.leaf_mass]
        self._damping = 1 - forest.leaf_mass / (2 * forest.sample_size)
        self._ones = np.ones(2 * self.width, np.float32)

    @property
    def width(self) -> int:
        """Features of a row."""
        return int(self._forest.points.shape[1])

    def scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score rows (m, d): (m,)."""
        return self._in_blocks(self._score, rows)

    def attributions(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Share out the scores of rows among their features: (m, d), whose rows add up to the scores."""
        return self._in_blocks(self._attribute, rows)

    def _in_blocks(
        self, function: Callable[[NDArray[np.float32]], NDArray[np.float64]], rows: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        pairs = min(_PAIRS, _BLOCK // (2 * self.width))
        step = max(1, pairs // len(self._forest.roots))
        blocks = [rows[start : start + step] for start in range(0, len(rows), step)]
        if self._threads == 1 or len(blocks) == 1:
            return np.concatenate([function(block) for block in blocks])
        with ThreadPoolExecutor(self._threads) as pool:
            return np.concatenate(list(pool.map(function, blocks)))

    def _score(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        total = np.zeros(len(rows))
        for step in self._descend(rows, by_feature=False):
            total += np.bincount(step.row, self._summands(step), len(rows))
        return self._scaled(total)

    def _attribute(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Share out each score as the inverse depths come from the features."""
        count, width = rows.shape
        total, parts = np.zeros(count), np.zeros(count * width)
        for step in self._descend(rows, by_feature=True):
            total += np.bincount(step.row, self._summands(step), count)
            if step.beyond is None:
                continue
            beyond = np.minimum(step.beyond, _GREATEST).astype(np.float64)
            either = beyond[:, :width] + beyond[:, width:]
            extent = either.sum(axis=1, keepdims=True)
            part = np.divide(either, extent, out=np.full_like(either, 1 / width), where=extent > 0)
            part *= (step.share / step.depth)[:, np.newaxis]
            place = step.row[:, np.newaxis] * width + np.arange(width)
            parts += np.bincount(place.reshape(-1), part.reshape(-1), parts.size)
        shares = parts.reshape(count, width)
        shares *= (self._scaled(total) / shares.sum(axis=1))[:, np.newaxis]
        return shares

    def _summands(self, step: _Step) -> NDArray[np.float64]:
        """Return what adds up to the expected depth of a row, or to that of its inverse: (pairs,)."""
        return step.share / step.depth if self._forest.version == 1 else step.share * step.depth

    def _scaled(self, total: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn the sums of all trees into scores."""
        trees = len(self._forest.roots)
        inverse = total / trees if self._forest.version == 1 else trees / total
        scores: NDArray[np.float64] = self._ordinary * inverse
        return scores

    def _descend(self, rows: NDArray[np.float32], *, by_feature: bool) -> Iterator[_Step]:
        """Lead all rows through all trees, a level at a time."""
        forest = self._forest
        count, width = rows.shape
        sides = np.concatenate([rows, -rows], axis=1)
        flat = np.ascontiguousarray(rows).reshape(-1)
        node = np.repeat(forest.roots.astype(np.intp), count)
        row = np.tile(np.arange(count), len(forest.roots))
        rest = np.ones(len(node))  # what has not come to rest
        depth = 0
        while True:
            if node.size and node.min() < 0:
                ended = node < 0
                yield self._leave(rows, ~node[ended], row[ended], rest[ended], depth, by_feature=by_feature)
                going = np.flatnonzero(~ended)
                node, row, rest = node[going], row[going], rest[going]
            if not node.size:
                return
            beyond = sides.take(row, axis=0)
            with np.errstate(over="ignore", divide="ignore"):
                beyond -= self._faces.take(node, axis=0)
                np.maximum(beyond, 0, out=beyond)
                share = rest / (1 + self._perimeter.take(node) / (beyond @ self._ones))
            yield _Step(row, share, depth + 1, beyond if by_feature else None)
            rest = rest - share
            right = flat.take(row * width + self._feature.take(node)) > forest.cut.take(node)
            node = self._children.take(2 * node + right)
            depth += 1

    def _leave(
        self,
        rows: NDArray[np.float32],
        leaf: NDArray[np.intp],
        row: NDArray[np.intp],
        rest: NDArray[np.float64],
        depth: int,
        *,
        by_feature: bool,
    ) -> _Step:
        """Come to rest beside a leaf, or in it: a row equal to the leaf's points was cut off nowhere on its way."""
        forest = self._forest
        depths = np.full(len(leaf), depth + 1.0)
        inside = np.flatnonzero(rest == 1)
        points = forest.points[forest.leaf_point[leaf[inside]]]
        equal = inside[(points == rows[row[inside]]).all(axis=1)]
        depths[equal] = (depth + self._below[leaf[equal]]) / self._damping[leaf[equal]]
        if not by_feature:
            return _Step(row, rest, depths, None)
        apart = np.subtract(rows[row], forest.points[forest.leaf_point[leaf]], dtype=np.float64)
        return _Step(row, rest, depths, np.maximum(np.concatenate([apart, -apart], axis=1), 0))


def _depths(forest: Forest) -> NDArray[np.float64]:
    """Say how deep a point lies on average that is put to 0, 1, … others: (points of a tree + 1,).

    It is that of trees whose nodes part their points anywhere, 2 (1/2 + … + 1/n) for n points in all (F. T. Liu et al.,
    "Isolation Forest", ICDM 2008, equation 1); of version 1 that of trees in balance.
    """
    others = np.arange(forest.sample_size + 1)
    if forest.version == 1:
        return np.log2(others + 1)
    return 2 * np.cumsum(1 / (others + 1)) - 2


def _faces(forest: Forest) -> NDArray[np.float32]:
    """Upper and negative lower corners of the inner nodes' boxes: (inner nodes, 2 d)."""
    width = forest.points.shape[1]
    faces = np.empty((len(forest.feature), 2 * width), np.float32)
    for nodes in reversed(list(_levels(forest))):
        first, second = forest.children[nodes].T
        faces[nodes] = np.maximum(_faces_of(forest, faces, first), _faces_of(forest, faces, second))
    return faces


def _levels(forest: Forest) -> Iterator[Codes]:
    nodes = forest.roots
    while len(nodes := nodes[nodes >= 0]):
        yield nodes
        nodes = forest.children[nodes].reshape(-1)


def _faces_of(forest: Forest, faces: NDArray[np.float32], codes: Codes) -> NDArray[np.float32]:
    leaf = codes < 0
    found = np.empty((len(codes), faces.shape[1]), np.float32)
    found[~leaf] = faces[codes[~leaf]]
    points = forest.points[forest.leaf_point[~codes[leaf]]]
    found[leaf] = np.concatenate([points, -points], axis=1)
    return found
