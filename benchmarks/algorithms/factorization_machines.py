"""Factorization Machines beside xLearn, an FM in PyTorch and the Gibbs sampler of myFM."""

import importlib
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from myfm import MyFMRegressor
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from benchmarks.algorithms.comparison import Comparison, Missing, Target, alternate
from benchmarks.algorithms.data import Matrix, bundled, fashion_mnist, movielens_100k
from wildsage.algorithms.factorization_machines import FactorizationMachines

# It has to be compiled by its installation, which does not work everywhere.
xlearn = importlib.import_module("xlearn") if importlib.util.find_spec("xlearn") else None

NAME = "Factorization Machines"
RANK = 16
# Each side has the settings that it does best with among a few that were tried, and as many epochs.
OURS = {
    "num_factors": RANK,
    "predictor_type": "regressor",
    "linear_lr": 0.01,
    "factors_lr": 0.01,
    "linear_wd": 0.2,
    "factors_wd": 0.2,
    "factors_init_sigma": 0.05,
}
EPOCHS = 10
XLEARN = {"task": "reg", "opt": "adagrad", "lr": 0.3, "lambda": 0.02, "k": RANK, "nthread": 2}
TORCH_RATE, TORCH_DECAY = 0.01, 3e-4
SAMPLES = 100
HELD_OUT = 0.1


def compare(seeds: int) -> Iterator[Comparison | Missing]:
    if xlearn is None:
        yield Missing(NAME, "xlearn is not installed: it could not be compiled", optional=True)
    yield from _quality(seeds)
    yield from _speed(seeds)
    yield from _defaults(seeds)


class _Ratings:
    """MovieLens-100k with a tenth held out: pairs of columns (a user's, a film's), and one-hot rows of them."""

    def __init__(self, seed: int) -> None:
        table = movielens_100k()
        users = int(table[:, 0].max()) + 1
        pairs = np.stack([table[:, 0], users + table[:, 1]], axis=1)
        labels = table[:, 2].astype(np.float32)
        self.width = int(pairs.max()) + 1
        order = np.random.default_rng(seed).permutation(len(labels))
        rest = int(len(order) * HELD_OUT)
        self.pairs, self.labels = pairs[order[rest:]], labels[order[rest:]]
        self.test_pairs, self.test_labels = pairs[order[:rest]], labels[order[:rest]]
        self.rows, self.test_rows = self._one_hot(self.pairs), self._one_hot(self.test_pairs)

    def _one_hot(self, pairs: NDArray[np.int64]) -> csr_array:
        ends = np.arange(0, 2 * len(pairs) + 1, 2)
        return csr_array(
            (np.ones(2 * len(pairs), np.float32), pairs.reshape(-1), ends), (len(pairs), self.width)
        )

    def rmse(self, scores: NDArray[np.floating]) -> float:
        return float(np.sqrt(np.mean((scores - self.test_labels) ** 2)))


def _fitted(data: _Ratings) -> FactorizationMachines:
    return FactorizationMachines(**OURS, epochs=EPOCHS).fit(data.rows, data.labels)


def _ours(data: _Ratings) -> float:
    return data.rmse(_fitted(data).predict(data.test_rows)["score"])


class _TorchMachine(torch.nn.Module):
    def __init__(self, width: int, mean: float) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.tensor(mean))
        self.linear, self.factors = torch.nn.Embedding(width, 1), torch.nn.Embedding(width, RANK)
        torch.nn.init.normal_(self.linear.weight, 0, 0.01)
        torch.nn.init.normal_(self.factors.weight, 0, 0.05)

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        factors = self.factors(pairs)
        squares = factors.sum(1).square() - factors.square().sum(1)
        return self.bias + self.linear(pairs).sum((1, 2)) + 0.5 * squares.sum(1)


def _torch(data: _Ratings, seed: int) -> float:
    model = _trained_torch(data, seed)
    with torch.no_grad():
        return data.rmse(model(torch.from_numpy(data.test_pairs)).numpy())


def _trained_torch(data: _Ratings, seed: int) -> _TorchMachine:
    torch.manual_seed(seed)
    pairs, labels = torch.from_numpy(data.pairs), torch.from_numpy(data.labels)
    model = _TorchMachine(data.width, float(data.labels.mean()))
    optimizer = torch.optim.Adam(model.parameters(), TORCH_RATE, weight_decay=TORCH_DECAY, fused=True)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(labels)).split(1000):
            optimizer.zero_grad()
            (model(pairs[part]) - labels[part]).square().mean().backward()
            optimizer.step()
    return model


class _XLearn:
    """Its files and its model: it reads and writes text."""

    def __init__(self, data: _Ratings, folder: str) -> None:
        os.environ.setdefault("USER", "benchmark")  # without it xLearn ends the process
        self._data, self._folder = data, folder
        for name, pairs, labels in (
            ("train", data.pairs, data.labels),
            ("test", data.test_pairs, data.test_labels),
        ):
            rows = zip(labels, pairs, strict=True)
            lines = "".join(f"{label} {user}:1 {film}:1\n" for label, (user, film) in rows)
            Path(folder, name).write_text(lines)

    def fit(self) -> None:
        """Train; what was read of the text is kept by xLearn for the next time."""
        self._model = xlearn.create_fm()
        self._model.setTrain(f"{self._folder}/train")
        self._model.disableEarlyStop()
        self._model.setQuiet()
        self._model.fit(XLEARN | {"epoch": EPOCHS}, f"{self._folder}/model")

    def rmse(self) -> float:
        self._model.setTest(f"{self._folder}/test")
        self._model.predict(f"{self._folder}/model", f"{self._folder}/scores")
        return self._data.rmse(np.loadtxt(f"{self._folder}/scores"))


def _mcmc(data: _Ratings, seed: int) -> float:
    model = MyFMRegressor(rank=RANK, random_seed=seed)
    model.fit(csr_matrix(data.rows), data.labels, n_iter=SAMPLES)
    return data.rmse(model.predict(csr_matrix(data.test_rows)))


def _quality(seeds: int) -> Iterator[Comparison]:
    splits = [_Ratings(seed) for seed in range(seeds)]
    ours = tuple(_ours(data) for data in splits)
    peers: dict[str, Callable[[_Ratings, int], float]] = {f"PyTorch, Adam, {EPOCHS} epochs": _torch}
    if xlearn is not None:
        peers[f"xLearn, AdaGrad, {EPOCHS} epochs"] = _fitted_xlearn
    where = f"MovieLens-100k, rank {RANK}"
    for name, peer in peers.items():
        theirs = tuple(peer(data, seed) for seed, data in enumerate(splits))
        yield Comparison(NAME, where, "RMSE held out", ours, name, theirs, Target("ratio", most=1.01))
    sampled = tuple(_mcmc(data, seed) for seed, data in enumerate(splits))
    yield Comparison(NAME, where, "RMSE held out", ours, f"myFM, MCMC of {SAMPLES} samples", sampled)


def _fitted_xlearn(data: _Ratings, seed: int) -> float:
    del seed  # it has none
    with tempfile.TemporaryDirectory() as folder:
        model = _XLearn(data, folder)
        model.fit()
        return model.rmse()


def _speed(rounds: int) -> Iterator[Comparison]:
    data = _Ratings(0)
    where, measure = f"MovieLens-100k, rank {RANK}, {EPOCHS} epochs", "seconds to train"
    with tempfile.TemporaryDirectory() as folder:
        peers: dict[str, Callable[[], object]] = {"PyTorch, Adam": lambda: _trained_torch(data, 0)}
        if xlearn is not None:
            peers["xLearn, AdaGrad, 2 threads"] = _XLearn(data, folder).fit
        for name, peer in peers.items():
            ours, theirs = alternate(lambda: _fitted(data), peer, rounds)
            yield Comparison(NAME, where, measure, ours, name, theirs, Target("ratio", most=0.5))


def _defaults(seeds: int) -> Iterator[Comparison]:
    """One epoch at the defaults beside a linear model that is solved to the end."""
    for name, rows, labels in _tasks():
        classes = len(np.unique(labels)) == 2
        kind, measure = ("binary_classifier", "AUC") if classes else ("regressor", "RMSE")
        ours, theirs = [], []
        for seed in range(seeds):
            train, test, train_labels, wanted = train_test_split(
                rows, labels, test_size=0.2, random_state=seed
            )
            model = FactorizationMachines(num_factors=RANK, predictor_type=kind).fit(train, train_labels)
            scores = model.predict(test)["score"]
            if classes:
                linear = LogisticRegression(max_iter=1000).fit(train, train_labels)
                ours.append(float(roc_auc_score(wanted, scores)))
                theirs.append(float(roc_auc_score(wanted, linear.decision_function(test))))
            else:
                linear = Ridge(1.0).fit(train, train_labels)
                for values, predicted in ((ours, scores), (theirs, linear.predict(test))):
                    values.append(float(np.sqrt(np.mean((predicted - wanted) ** 2))))
        yield Comparison(
            NAME,
            f"{name}, defaults",
            f"{measure} held out",
            tuple(ours),
            "LogisticRegression" if classes else "Ridge",
            tuple(theirs),
            Target("ratio", least=0.9) if classes else Target("ratio", most=1.1),
        )


def _tasks() -> Iterator[tuple[str, csr_array | Matrix, Matrix]]:
    """Five real ones: sparse and dense, small and large; features are brought to about 1."""
    data = _Ratings(0)
    yield "MovieLens-100k", data.rows, data.labels
    yield "MovieLens-100k, 4 stars or more", data.rows, (data.labels >= 4).astype(np.float32)
    rows, labels = bundled("digits")
    yield "digits, is it an 8", rows / 16, (labels == 8).astype(np.float32)
    rows, labels = bundled("breast_cancer")
    yield "breast cancer", (rows - rows.mean(axis=0)) / rows.std(axis=0), labels
    rows, labels = fashion_mnist("t10k")
    yield "Fashion-MNIST (10,000), is it a shirt", rows / 255, (labels == 6).astype(np.float32)
    rows, labels = bundled("diabetes")
    yield "diabetes", rows, labels
