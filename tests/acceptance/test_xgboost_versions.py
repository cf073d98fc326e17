"""The built-in XGBoost in the environment of its tag: the model is that of the library's own ``train``."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

from wildsage.images.program import runtime_command
from wildsage.toolkit.local import Files, LocalContainer, loopback_addresses

pytestmark = pytest.mark.acceptance

MODULE = "wildsage.algorithms.xgboost"
GIVEN = {
    "objective": "binary:logistic",
    "max_depth": "3",
    "eta": "0.3",
    "subsample": "0.8",
    "seed": "7",
    "nthread": "1",
}
_BY_HAND = """
import json, sys
import numpy as np, xgboost
rows, held, folder = np.load(sys.argv[1]), np.load(sys.argv[2]), sys.argv[3]
train, test = (xgboost.DMatrix(part[:, 1:], part[:, 0]) for part in (rows, held))
evals = [(train, "train"), (test, "validation")]
model = xgboost.train(json.loads(sys.argv[4]), train, 8, evals=evals, verbose_eval=False)
model.save_model(folder + "/by-hand")
print(xgboost.__version__)
"""


def as_csv(rows: NDArray[np.float32]) -> bytes:
    return b"\n".join(b",".join(b"%r" % value for value in row) for row in rows.tolist())


def test_hosts_of_an_old_tag_make_one_model_together(old_xgboost_image: Path, tmp_path: Path) -> None:
    features, labels = load_breast_cancer(return_X_y=True)
    rows = np.column_stack([labels, features]).astype(np.float32)
    validation = Files("text/csv", {"v.csv": as_csv(rows[:100])})
    hosts = loopback_addresses(2)
    containers = [LocalContainer(MODULE, tmp_path / host) for host in hosts]
    for number, container in enumerate(containers):
        train = Files("text/csv", {"t.csv": as_csv(rows[100 + number :: 2])})
        channels = {"train": train, "validation": validation}
        container.prepare({**GIVEN, "num_round": "20"}, channels, hosts, current=number)
    running = [
        subprocess.Popen(
            runtime_command(old_xgboost_image, "builtin", "train", MODULE),
            env={"SAGEMAKER_BASE_DIR": str(container.paths.base)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for container in containers
    ]  # fmt: skip
    logs = [one.communicate(timeout=120)[0] for one in running]
    assert [one.returncode for one in running] == [0, 0], "".join(logs)
    assert "XGBoost 1.2.0 runs" in logs[0]
    first, second = (
        [line.partition("\t")[2] for line in log.splitlines() if line.startswith("[19]\t")] for log in logs
    )
    assert first == second, "each host tells the metrics of all"
    assert float(first[0].rsplit("validation-", 1)[1].partition(":")[2]) < 0.1
    assert [len(list(one.paths.model.iterdir())) for one in containers] == [1, 0]


def test_the_model_of_a_tag_is_the_librarys_byte_for_byte(xgboost_image: Path, tmp_path: Path) -> None:
    features, labels = load_breast_cancer(return_X_y=True)
    rows = np.column_stack([labels, features]).astype(np.float32)
    parts = {"train": rows[100:], "validation": rows[:100]}
    container = LocalContainer(MODULE, tmp_path)
    channels = {name: Files("text/csv", {"rows.csv": as_csv(part)}) for name, part in parts.items()}
    container.prepare({**GIVEN, "num_round": "8"}, channels)
    done = subprocess.run(
        runtime_command(xgboost_image, "builtin", "train", MODULE),
        env={"SAGEMAKER_BASE_DIR": str(container.paths.base), "WILDSAGE_IMAGE_TAG": "1.7-1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "XGBoost 1.7.4 runs, as the image tag 1.7-1 promises" in done.stdout
    for name, part in parts.items():
        np.save(tmp_path / f"{name}.npy", part)
    files = [str(tmp_path / f"{name}.npy") for name in parts]
    by_hand = subprocess.run(
        [str(xgboost_image), "-c", _BY_HAND, *files, str(tmp_path), json.dumps(GIVEN)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert by_hand.stdout.split() == ["1.7.4"]
    assert (container.paths.model / "xgboost-model").read_bytes() == (tmp_path / "by-hand").read_bytes()
