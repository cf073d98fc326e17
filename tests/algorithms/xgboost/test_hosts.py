"""Several hosts, each with a part of the rows, make the model that one makes of all."""

import numpy as np
import xgboost
from sklearn.datasets import load_breast_cancer

from wildsage.toolkit.local import Files, LocalContainer, loopback_addresses, train_together

MODULE = "wildsage.algorithms.xgboost"
X, Y = load_breast_cancer(return_X_y=True)
TRAIN, TEST = np.arange(len(Y)) % 4 != 0, np.arange(len(Y)) % 4 == 0
SETTINGS = {
    "objective": "binary:logistic", "num_round": "12", "max_depth": "3", "eval_metric": "logloss", "tree_method": "hist",
    "nthread": "1",
}  # fmt: skip


def as_csv(rows):
    return b"\n".join(
        b",".join(b"%.6g" % value for value in (y, *x)) for x, y in zip(X[rows], Y[rows], strict=True)
    )


def as_libsvm(rows, first):
    lines = [
        " ".join([f"{y:g}", *(f"{column + first}:{value:.6g}" for column, value in enumerate(x) if value)])
        for x, y in zip(X[rows], Y[rows], strict=True)
    ]
    return "\n".join(lines).encode()


def run_all(tmp_path, parts, **settings):
    """Train on one host for each part (train, validation), and return the containers and their ends."""
    hosts = loopback_addresses(len(parts))
    containers = [LocalContainer(MODULE, tmp_path / host) for host in hosts]
    for number, (container, channels) in enumerate(zip(containers, parts, strict=True)):
        container.prepare({**SETTINGS, **settings}, channels, hosts, current=number)
        for name in channels:
            (container.paths.data / name).mkdir(parents=True, exist_ok=True)
    return containers, train_together(containers)


def shards(count, content_type="text/csv", write=as_csv):
    rows = np.flatnonzero(TRAIN)
    validation = Files(content_type, {"v": write(np.flatnonzero(TEST))})
    return [
        {"train": Files(content_type, {"t": write(rows[host::count])}), "validation": validation}
        for host in range(count)
    ]


def loss(done):
    return [
        float(line.rsplit("validation-logloss:", 1)[1])
        for line in done.stdout.splitlines()
        if "validation-logloss" in line
    ]


def test_hosts_without_data_take_no_part(tmp_path):
    first, last = shards(2)
    nothing = {"train": Files("text/csv", {}), "validation": last["validation"]}
    containers, done = run_all(tmp_path, [nothing, first, last])
    assert [each.returncode for each in done] == [0, 0, 0], "".join(each.stdout for each in done)
    hosts = loopback_addresses(3)
    assert f"Host {hosts[0]} has no data in channel train" in done[0].stdout
    assert f"Distributed node training with 3 hosts: {list(hosts)}" in done[2].stdout
    assert loss(done[1]) == loss(done[2]), "each host tells the metrics of all"
    assert loss(done[1])[-1] < 0.16
    assert [len(list(one.paths.model.iterdir())) for one in containers] == [0, 1, 0]


def test_where_one_host_has_all_data_it_boosts_alone(tmp_path):
    (part,) = shards(1)
    containers, done = run_all(
        tmp_path, [{"train": Files("text/csv", {}), "validation": part["validation"]}, part]
    )
    assert [each.returncode for each in done] == [0, 0]
    assert (containers[1].paths.model / "xgboost-model").exists()


def test_where_no_host_has_data_all_say_so(tmp_path):
    containers, done = run_all(tmp_path, [{"train": Files("text/csv", {})}] * 2)
    assert [each.returncode for each in done] == [2, 2]
    assert all("No host has training data" in one.failure for one in containers)


def test_columns_are_counted_alike_and_as_many_on_all_hosts(tmp_path):
    """The rows of one host do not use the first column nor the last: it cannot know that they are there."""
    rows = np.flatnonzero(TRAIN)

    def few(part, _first):
        return "\n".join(f"{Y[row]:g} 5:{X[row, 5]:.6g} 7:{X[row, 7]:.6g}" for row in part).encode()

    parts = [
        {"train": Files("text/libsvm", {"t": few(rows[::2], 0)})},
        {"train": Files("text/libsvm", {"t": as_libsvm(rows[1::2], 0)})},
    ]
    containers, done = run_all(tmp_path, parts)
    assert [each.returncode for each in done] == [0, 0], done[0].stdout + done[1].stdout
    booster = xgboost.Booster(model_file=containers[0].paths.model / "xgboost-model")
    assert booster.num_features() == 30


def test_rows_of_different_widths_are_refused(tmp_path):
    parts = shards(2)
    parts[1]["train"] = Files("text/csv", {"t": b"1,2,3\n0,4,5"})
    parts[1].pop("validation")
    parts[0].pop("validation")
    containers, done = run_all(tmp_path, parts)
    assert [each.returncode for each in done] == [2, 2]
    assert "The hosts have rows of [2, 30] features" in containers[0].failure
