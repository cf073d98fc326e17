"""A tree and its score, written down node by node as the paper and the sheet of weights say them."""

from fractions import Fraction
from functools import cache
from math import log2


def tree_of(forest, root):
    """A leaf is a list of equal points, an inner node (feature, cut, first, second)."""
    if root < 0:
        return [forest.points[forest.leaf_point[~root]].tolist()] * int(forest.leaf_mass[~root])
    first, second = forest.children[root]
    return int(forest.feature[root]), float(forest.cut[root]), tree_of(forest, first), tree_of(forest, second)


def points_of(tree):
    return tree if isinstance(tree, list) else points_of(tree[2]) + points_of(tree[3])


def excess(tree, x):
    """Lengths of a box's sides, and how much each grows to hold x."""
    sides, growths = [], []
    for values, own in zip(zip(*points_of(tree), strict=True), x, strict=True):
        sides.append(max(values) - min(values))
        growths.append(max(*values, own) - min(*values, own) - sides[-1])
    return sides, growths


@cache
def depth_among(points, version):
    """How deep one of some points lies on average, in a balanced tree or in one that parts them anywhere."""
    if version == 1:
        return log2(points)
    # Parted into k and the others, each k as likely: the mean of both sides' mean depths, and a step.
    depths = [Fraction(0), Fraction(0)]
    for n in range(2, points + 1):
        depths.append(1 + sum(2 * k * depths[k] for k in range(1, n)) / Fraction(n * (n - 1)))
    return float(depths[points])


def rests(tree, x, whole, version, depth=0, share=1.0):
    """Where x may come to rest in a tree: (share, depth, what each feature has of it)."""
    sides, growths = excess(tree, x)
    grown = sum(growths)
    if isinstance(tree, list):
        if grown:
            yield share, depth + 1, [growth / grown for growth in growths]
        else:
            deep = depth + depth_among(len(tree) + 1, version)
            yield share, deep / (1 - len(tree) / (2 * whole)), [1 / len(x)] * len(x)
        return
    feature, cut, first, second = tree
    total = sum(sides) + grown
    if grown:
        yield share * grown / total, depth + 1, [growth / grown for growth in growths]
    below = first if x[feature] <= cut else second
    yield from rests(below, x, whole, version, depth + 1, share * (1 - grown / total))


def attribution(forest, x):
    """What each feature has of the score of x."""
    whole, version = forest.sample_size, forest.version
    found = [rest for root in forest.roots for rest in rests(tree_of(forest, root), x, whole, version)]
    inverse = sum(share / depth for share, depth, _ in found)
    score = inverse / len(forest.roots)
    if version == 2:
        score = len(forest.roots) / sum(share * depth for share, depth, _ in found)
    parts = [sum(share / depth * part[k] for share, depth, part in found) for k in range(len(x))]
    return [depth_among(whole + 1, version) * score * part / inverse for part in parts]
