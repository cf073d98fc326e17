"""Files that notebooks read from AWS's public sample buckets, rebuilt here or generated.

Two kinds, and each object says in its metadata which it is: data that is free to pass on and comes with
scikit-learn, and data that is *generated* after the documented columns of a file that cannot be passed on. A
model that is trained on the latter means nothing; a notebook runs with it from end to end.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.random import Generator

_TABULAR = "datasets/tabular"
_SEED = 0
_STATES = (
    "AK AL AR AZ CA CO CT DC DE FL GA HI IA ID IL IN KS KY LA MA MD ME MI MN MO MS MT NC ND NE NH NJ NM NV"
    " NY OH OK OR PA RI SC SD TN TX UT VA VT WA WI WV WY"
)
_CHURN_COLUMNS = (
    "State,Account Length,Area Code,Phone,Int'l Plan,VMail Plan,VMail Message,Day Mins,Day Calls,Day Charge,Eve Mins,"
    "Eve Calls,Eve Charge,Night Mins,Night Calls,Night Charge,Intl Mins,Intl Calls,Intl Charge,CustServ Calls,Churn?"
)


class DatasetUnavailableError(Exception):
    """A data set cannot be made here. The text says what to install."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set of the public sample buckets.

    Attributes
    ----------
    origin
        Where its content comes from, in a line of ASCII; ``generated`` where it is no real data.
    licence
        Under which terms it may be passed on.
    files
        Writers of its files, by key.
    buckets
        Names of the buckets that have it, without their region.
    """

    name: str
    origin: str
    licence: str
    files: Mapping[str, Callable[[], bytes]]
    buckets: tuple[str, ...] = (
        "sagemaker-sample-files",
        "sagemaker-example-files-prod",
        "sagemaker-sample-data",
    )


def _iris() -> bytes:
    flowers = _scikit_learn().load_iris()
    names = [f"Iris-{name}" for name in flowers.target_names]
    rows = zip(flowers.data, flowers.target, strict=True)
    return "".join(f"{_joined(row)},{names[label]}\n" for row, label in rows).encode()


def _breast_cancer() -> bytes:
    found = _scikit_learn().load_breast_cancer()
    rows = enumerate(zip(found.data, found.target, strict=True), start=1)
    return "".join(f"{number},{'MB'[label]},{_joined(row)}\n" for number, (row, label) in rows).encode()


def _abalone_table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sexes (M, F, I), seven measurements and rings, with roughly the sizes that the real ones have."""
    random, count = np.random.default_rng(_SEED), 4177
    rings = np.clip(random.gamma(9.5, 1.05, count).round(), 1, 29).astype(int)
    length = np.clip(0.78 * (1 - np.exp(-rings / 6.5)) + random.normal(0, 0.07, count), 0.075, 0.815)
    diameter = length * random.normal(0.8, 0.02, count)
    height = length * random.normal(0.27, 0.02, count)
    whole = 5.3 * length**3 * random.normal(1, 0.08, count)
    parts = whole[:, None] * random.normal((0.43, 0.22, 0.28), (0.04, 0.02, 0.03), (count, 3))
    measurements = np.column_stack([length, diameter, height, whole, parts]).clip(0.0005)
    sexes = np.where(length < random.normal(0.45, 0.08, count), "I", random.choice(["M", "F"], count))
    return sexes, measurements, rings


def _abalone_csv() -> bytes:
    rows = zip(*_abalone_table(), strict=True)
    return "".join(f"{sex},{_joined(row, '.4f')},{rings}\n" for sex, row, rings in rows).encode()


def _abalone_libsvm() -> bytes:
    def line(sex: str, row: np.ndarray, rings: int) -> str:
        values = [{"M": 1, "F": 2, "I": 3}[sex], *(f"{value:.4g}" for value in row)]
        return f"{rings} {' '.join(f'{index}:{value}' for index, value in enumerate(values, start=1))}\n"

    return "".join(line(*row) for row in zip(*_abalone_table(), strict=True)).encode()


def _churn() -> bytes:
    random = np.random.default_rng(_SEED)
    return "".join([f"{_CHURN_COLUMNS}\n", *(_customer(random) for _ in range(5000))]).encode()


def _customer(random: Generator) -> str:
    international, voice_mail = random.random() < 0.1, random.random() < 0.27
    minutes = random.normal((180, 200, 200, 10.2), (54, 50, 50, 2.8)).clip(0)
    calls = random.poisson((100, 100, 100, 4.5))
    service_calls = int(random.poisson(1.6))
    charges = minutes * (0.17, 0.085, 0.045, 0.27)
    score = (
        -3.4
        + 2.2 * international
        - 0.9 * voice_mail
        + 0.022 * (minutes[0] - 180)
        + 0.75 * max(0, service_calls - 2)
    )
    fields = [
        random.choice(_STATES.split()),
        max(1, int(random.normal(101, 40))),
        [408, 415, 510][random.integers(3)],
        f"{random.integers(327, 423)}-{random.integers(1000, 9999)}",
        "yes" if international else "no",
        "yes" if voice_mail else "no",
        int(random.integers(8, 50)) if voice_mail else 0,
    ]
    for spent, number, charge in zip(minutes, calls, charges, strict=True):
        fields += [f"{spent:.1f}", int(number), f"{charge:.2f}"]
    churns = random.random() < 1 / (1 + np.exp(-score))
    return ",".join(str(field) for field in [*fields, service_calls, "True." if churns else "False."]) + "\n"


def _joined(row: np.ndarray, form: str = "g") -> str:
    return ",".join(f"{value:{form}}" for value in row)


def _scikit_learn() -> Any:
    try:
        return importlib.import_module("sklearn.datasets")
    except ModuleNotFoundError:
        raise DatasetUnavailableError(
            "it comes with scikit-learn, which is not installed here: pip install scikit-learn"
        ) from None


DATASETS: Final[tuple[Dataset, ...]] = (
    Dataset(
        "iris",
        "Fisher's iris flowers, from scikit-learn",
        "CC BY 4.0 (UCI)",
        {f"{_TABULAR}/iris/iris.data": _iris},
    ),
    Dataset(
        "breast-cancer",
        "Breast Cancer Wisconsin (Diagnostic), from scikit-learn; the ids are only counted",
        "CC BY 4.0 (UCI)",
        {f"{_TABULAR}/breast_cancer/wdbc.csv": _breast_cancer},
    ),
    Dataset(
        "churn",
        "generated: customers of a telephone company that does not exist, with the columns of AWS's example",
        "Apache-2.0, as Wildsage",
        {f"{_TABULAR}/synthetic/churn.txt": _churn},
    ),
    Dataset(
        "abalone",
        "generated: not the measurements of UCI's Abalone, only its columns and rough sizes",
        "Apache-2.0, as Wildsage",
        {
            f"{_TABULAR}/uci_abalone/abalone.csv": _abalone_csv,
            f"{_TABULAR}/uci_abalone/abalone.libsvm": _abalone_libsvm,
        },
    ),
    Dataset(
        "abalone-seedcode",
        "generated: as abalone, where the pipelines of AWS's project templates read it",
        "Apache-2.0, as Wildsage",
        {"dataset/abalone-dataset.csv": _abalone_csv},
        ("sagemaker-servicecatalog-seedcode",),
    ),
)
"""All that can be made, by name."""
