"""What the tests of XGBoost have in common: data, its texts, a container."""

import numpy as np
import xgboost

from wildsage.algorithms.xgboost.serve import load
from wildsage.toolkit.local import Files

MODULE = "wildsage.algorithms.xgboost"


def csv(features, *columns) -> bytes:
    rows = np.column_stack([*columns, features]).tolist()
    return "\n".join(",".join(map(repr, row)) for row in rows).encode()


def libsvm(features, labels, first=0) -> bytes:
    lines = (
        f"{label:g} " + " ".join(f"{i + first}:{value!r}" for i, value in enumerate(row) if value)
        for row, label in zip(features.tolist(), labels.tolist(), strict=True)
    )
    return "\n".join(lines).encode()


def split(bunch):
    order = np.random.default_rng(0).permutation(len(bunch.target))
    x, y = bunch.data[order].astype(np.float32), bunch.target[order].astype(np.float32)
    cut = len(y) * 4 // 5
    return x[:cut], y[:cut], x[cut:], y[cut:]


def run(container, hyperparameters, train, validation=None, content_type="text/csv", **environment):
    channels = {"train": Files(content_type, {"part-0": train})}
    if validation is not None:
        channels["validation"] = Files(content_type, {"part-1": validation})
    container.prepare(hyperparameters, channels)
    return container.train_here(**environment)


def invoke(container, body, accept="text/csv", content_type="text/csv", **environment):
    """Load and predict in this process; the conformance suite does it through a served container."""
    return load(container.paths.model, environment).predict(body, content_type, accept)[0]


def booster(container, name="xgboost-model"):
    return xgboost.Booster(model_file=bytearray((container.paths.model / name).read_bytes()))


def history(log, metric):
    """The values of a metric, round by round."""
    lines = (line for line in log.splitlines() if line.startswith("[") and f"\t{metric}:" in line)
    return [float(line.split(f"\t{metric}:")[1].split("\t")[0]) for line in lines]
