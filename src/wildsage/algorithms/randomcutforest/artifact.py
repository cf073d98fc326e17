"""A forest as a file: numpy's ``npz``, so that ``numpy.load`` opens it."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.randomcutforest.forest import VERSION, Forest
from wildsage.toolkit.errors import UserError

_KINDS: Mapping[str, tuple[str, int]] = {
    "points": ("f", 2),
    "sample_size": ("i", 0),
    "roots": ("i", 1),
    "feature": ("i", 1),
    "cut": ("f", 1),
    "children": ("i", 2),
    "leaf_point": ("i", 1),
    "leaf_mass": ("i", 1),
    "version": ("i", 0),
}
"""Kind of numbers and dimensions of each array. Files of version 1 lack ``version``."""

_UNREADABLE = (
    ValueError, TypeError, AttributeError, OSError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error
)  # fmt: skip
"""What numpy and zipfile say of bytes that are not theirs."""


def encode(forest: Forest) -> bytes:
    """Write a forest; equal forests give equal bytes."""
    stream = io.BytesIO()
    arrays: dict[str, Any] = {name: getattr(forest, name) for name in _KINDS}
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def decode(content: bytes, name: str) -> Forest:
    """Read a forest.

    Parameters
    ----------
    name
        Of the file, for errors.

    Raises
    ------
    UserError
        For anything that is not a forest whose every row comes to a leaf.
    """
    arrays = _read(content, name)
    for key, (kind, dimensions) in _KINDS.items():
        if arrays[key].dtype.kind != kind or arrays[key].ndim != dimensions:
            raise UserError(
                f"{name}: '{key}' is an array of {arrays[key].dtype} with {arrays[key].ndim} dimensions; expected "
                f"are {dimensions} and the kind '{kind}'"
            )
    integers = {
        key: arrays[key].astype(np.int32)
        for key in ("roots", "feature", "children", "leaf_point", "leaf_mass")
    }
    forest = Forest(
        points=arrays["points"].astype(np.float32),
        sample_size=int(arrays["sample_size"]),
        cut=arrays["cut"].astype(np.float32),
        version=int(arrays["version"]),
        **integers,
    )
    fault = _fault(forest)
    if fault:
        raise UserError(f"{name} holds no forest: {fault}")
    return forest


def _read(content: bytes, name: str) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            first = {} if "version" in file else {"version": np.array(1)}
            return {key: file[key] for key in _KINDS if key not in first} | first
    except _UNREADABLE as error:
        raise UserError(
            f"The model cannot be read: {name} is not an npz file with the arrays {', '.join(_KINDS)}"
        ) from error


def _fault(forest: Forest) -> str | None:
    """Say what is wrong with the structure; None: nothing."""
    inner, leaves = len(forest.feature), len(forest.leaf_point)
    codes = np.concatenate([forest.roots, forest.children.reshape(-1)])
    checks = (
        (forest.version in range(1, VERSION + 1), f"its version is {forest.version}, and not 1 to {VERSION}"),
        (len(forest.roots) > 0, "it has no trees"),
        (forest.children.shape == (inner, 2), "inner nodes do not have two children each"),
        (len(forest.cut) == inner and len(forest.leaf_mass) == leaves, "arrays differ in length"),
        (
            np.array_equal(np.sort(codes), np.arange(-leaves, inner)),
            "a node is the child of none or of several",
        ),
        (_within(forest.feature, forest.points.shape[1]), "a feature is not a column of the points"),
        (_within(forest.leaf_point, len(forest.points)), "a leaf's point is not a row of the points"),
        (bool(np.isfinite(forest.points).all() and np.isfinite(forest.cut).all()), "a number is not finite"),
    )
    for holds, fault in checks:
        if not holds:
            return fault
    if ((forest.children >= 0) & (forest.children <= np.arange(inner)[:, np.newaxis])).any():
        return "a child has a smaller number than its parent"
    least, most = forest.leaf_mass.min(), forest.leaf_mass.max()
    total = len(forest.roots) * forest.sample_size
    if least < 1 or most > forest.sample_size or forest.leaf_mass.sum() != total:
        return "the masses of the leaves are not sample_size for each tree"
    return None


def _within(indices: NDArray[np.int32], count: int) -> bool:
    return not indices.size or bool(indices.min() >= 0 and indices.max() < count)
