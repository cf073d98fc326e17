from dataclasses import replace

import numpy as np
import pytest

from wildsage.algorithms.randomcutforest import forest as forest_module
from wildsage.algorithms.randomcutforest.artifact import decode, encode
from wildsage.algorithms.randomcutforest.forest import grow
from wildsage.toolkit.errors import UserError


def forest_of(points, trees=1, seed=0, threads=1):
    points = np.float32(points)
    rows = np.tile(np.arange(len(points)), (trees, 1))
    return grow(points, rows, np.random.default_rng(seed), threads)


def check(forest, node, members):
    """Follow the cuts from a node and compare what reaches its leaves with the points below it."""
    if node < 0:
        point = forest.points[forest.leaf_point[~node]]
        assert (members == point).all()
        assert len(members) == forest.leaf_mass[~node]
        return
    side = members[:, forest.feature[node]]
    assert side.min() <= forest.cut[node] < side.max()
    for child, part in zip(
        forest.children[node], (side <= forest.cut[node], side > forest.cut[node]), strict=True
    ):
        assert child < 0 or child > node
        check(forest, child, members[part])


@pytest.mark.parametrize("width", [1, 3, 40])
def test_every_cut_parts_the_points_of_its_node(width):
    points = np.random.default_rng(1).normal(size=(100, width)).round(1)
    forest = forest_of(points, trees=5)
    assert len(forest.roots) == 5
    for root in forest.roots:
        check(forest, root, forest.points)
    assert forest.leaf_mass.sum() == 500


def test_sides_are_cut_as_often_as_they_are_long_and_anywhere():
    forest = forest_of([[0, 0], [3, 1]], trees=4000)
    feature, cut = forest.feature[forest.roots], forest.cut[forest.roots]
    assert abs((feature == 0).mean() - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 4000)
    for side, length in ((0, 3), (1, 1)):
        places = np.sort(cut[feature == side]) / length
        # Kolmogorov and Smirnov's distance from the uniform distribution, at the level of 0.001.
        assert abs(places - np.linspace(0, 1, len(places))).max() < 1.95 / np.sqrt(len(places))


def test_equal_points_are_one_leaf():
    forest = forest_of(np.ones((7, 3)), trees=2)
    assert forest.roots.tolist() == [-1, -2]
    assert forest.leaf_mass.tolist() == [7, 7]
    assert forest.feature.size == 0


def test_constant_columns_are_never_cut():
    points = np.random.default_rng(0).normal(size=(64, 4))
    points[:, [0, 2]] = 5
    assert set(forest_of(points, trees=20).feature.tolist()) == {1, 3}


@pytest.mark.parametrize(
    "points",
    [
        [[1], [np.nextafter(np.float32(1), np.float32(2))]],
        [[-3e38], [3e38], [0]],
        [[1e-45], [0], [-1e-45]],
        [[2.0**k] for k in range(-60, 60)],
    ],
    ids=["neighbours", "huge", "tiny", "geometric"],
)
def test_numbers_at_the_edge_of_their_precision(points):
    forest = forest_of(points, trees=10)
    for root in forest.roots:
        check(forest, root, forest.points)


def test_the_forest_does_not_depend_on_threads_and_outlives_its_file(monkeypatch):
    monkeypatch.setattr(forest_module, "_GROUP", 6 * 64 * 20)  # five groups of six trees
    points = np.random.default_rng(2).normal(size=(64, 20))
    one, two = forest_of(points, trees=30), forest_of(points, trees=30, threads=3)
    assert encode(one) == encode(two)
    assert encode(decode(encode(one), "model_algo-1")) == encode(one)


def test_one_leaf_may_not_have_more_points_than_a_tree():
    forest = forest_of(np.ones((7, 3)), trees=2)
    with pytest.raises(UserError, match="the masses of the leaves are not"):
        decode(encode(replace(forest, leaf_mass=np.int32([6, 8]))), "model_algo-1")


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("children", lambda a: a[::-1], "a child has a smaller number"),
        ("children", np.zeros_like, "a node is the child of none or of several"),
        ("roots", lambda a: a[:0], "it has no trees"),
        ("feature", lambda a: a + 9, "a feature is not a column"),
        ("leaf_point", lambda a: a + 99, "a leaf's point is not a row"),
        ("leaf_mass", lambda a: a * 2, "the masses of the leaves are not"),
        ("version", lambda a: a + 1, "its version is 3, and not 1 to 2"),
        ("cut", lambda a: a * np.nan, "not finite"),
        ("cut", lambda a: a[1:], "differ in length"),
        ("points", lambda a: a.astype(int), "expected are 2 and the kind 'f'"),
    ],
)
def test_a_file_that_is_no_forest_is_refused(tmp_path, name, change, reason):
    (tmp_path / "whole").write_bytes(encode(forest_of(np.arange(12).reshape(6, 2), trees=2)))
    with np.load(tmp_path / "whole") as file:
        arrays = dict(file)
    np.savez(tmp_path / "changed.npz", **arrays | {name: change(arrays[name])})
    with pytest.raises(UserError, match=reason):
        decode((tmp_path / "changed.npz").read_bytes(), "model_algo-1")


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04garbage", b"\x93NUMPY\x01\x00"])
def test_a_file_of_something_else_is_refused(content):
    with pytest.raises(UserError, match="model_algo-1 is not an npz file with the arrays points, "):
        decode(content, "model_algo-1")
