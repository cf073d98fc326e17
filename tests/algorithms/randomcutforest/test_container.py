"""Random Cut Forest through its container, as the SDK uses it."""

import json
import re

import numpy as np
import pytest

from wildsage.algorithms.randomcutforest import SPEC, RandomCutForest
from wildsage.formats.recordio_protobuf import write_dense, write_sparse
from wildsage.formats.sparse import from_dense
from wildsage.toolkit.conformance import read_numbers, to_csv
from wildsage.toolkit.local import Files, LocalContainer, loopback_addresses, train_together

MODULE = "wildsage.algorithms.randomcutforest"
# What sagemaker.RandomCutForest().fit(record_set) sends, beside the content type that is not sent.
SENT = {"feature_dim": "3", "num_trees": "50", "num_samples_per_tree": "64", "mini_batch_size": "1000"}


def data(seed=0, count=4000, anomalies=20):
    """Rows, anomalies first, and their labels."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 3)).astype(np.float32)
    rows[:anomalies] += rng.choice([-8, 8], (anomalies, 3))
    return rows, (np.arange(count) < anomalies).astype(np.float32)


ROWS, LABELS = data()
TEST = Files(None, {"matrix_0.pbr": write_dense(*data(seed=1))})


@pytest.fixture
def container(tmp_path):
    return LocalContainer(MODULE, tmp_path)


def measured(log):
    return {
        metric.name: float(found[-1]) for metric in SPEC.metrics if (found := re.findall(metric.pattern, log))
    }


def test_the_job_of_the_sdk(container):
    container.prepare(SENT, {"train": Files(None, {"matrix_0.pbr": write_dense(ROWS)}), "test": TEST})
    code, log = container.train_here()
    assert code == 0, log
    found = measured(log)
    assert set(found) == {metric.name for metric in SPEC.metrics}
    assert found["train:progress"] == 100
    assert found["test:recall"] > 0.9
    assert found["test:f1"] > 0.7
    assert found["test:accuracy"] > 0.99
    assert f"#test_score (algo-1) : ('f1', {found['test:f1']})" in log
    assert "('negative_recall', 0.99" in log
    assert "50 trees of 64 rows each, out of a sample of 3200" in log


def test_the_layout_of_the_artifact(container):
    container.prepare(SENT, {"train": Files(None, {"a": write_dense(ROWS)})})
    assert container.train_here()[0] == 0
    with np.load(container.paths.model / "model_algo-1", allow_pickle=False) as file:
        arrays = {name: (file[name].dtype.name, file[name].ndim) for name in file.files}
        assert file["points"].shape == (3200, 3)
        assert file["sample_size"] == 64
        assert len(file["roots"]) == 50
        assert file["leaf_mass"].sum() == 50 * 64
    assert arrays == {
        "points": ("float32", 2),
        "sample_size": ("int64", 0),
        "roots": ("int32", 1),
        "feature": ("int32", 1),
        "cut": ("float32", 1),
        "children": ("int32", 2),
        "leaf_point": ("int32", 1),
        "leaf_mass": ("int32", 1),
        "version": ("int64", 0),
    }


# 8 is cut off at the root with 4 / 8, else at the leaf below; 4 is equal to that leaf's two points. The first artifacts
# have no version: they take the mean of inverse depths.
FIRST = [np.log2(5) * (0.5 / 1 + 0.5 / 2), np.log2(5) * (1 - 2 / 8) / (1 + np.log2(3))]
SECOND = [
    2 * (1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) * inverse for inverse in (1 / (0.5 + 0.5 * 2), 0.75 / (1 + 5 / 3))
]


@pytest.mark.parametrize(("version", "wanted"), [({}, FIRST), ({"version": np.int64(2)}, SECOND)])
def test_a_forest_of_frozen_bytes_is_served(container, version, wanted):
    """One tree: the points 0, 1 and twice 4 are cut at 2, then at 0.5."""
    container.paths.model.mkdir(parents=True)
    arrays = {
        "points": np.float32([[0], [1], [4]]),
        "sample_size": np.int64(4),
        "roots": np.int32([0]),
        "feature": np.int32([0, 0]),
        "cut": np.float32([2, 0.5]),
        "children": np.int32([[1, -1], [-2, -3]]),
        "leaf_point": np.int32([2, 0, 1]),
        "leaf_mass": np.int32([2, 1, 1]),
    }
    with (container.paths.model / "model_algo-1").open("wb") as file:
        np.savez(file, **arrays, **version)
    with container.serve() as endpoint:
        answer = endpoint.invoke(b"8\n4\n", "text/csv")
        assert list(json.loads(answer.body)) == ["scores"]
        assert read_numbers(answer.body, "application/json") == pytest.approx(wanted)
        answer = endpoint.invoke(b"8\n4\n", "text/csv", "application/jsonlines")
        assert [list(json.loads(line)) for line in answer.body.splitlines()] == [["score"]] * 2
        answer = endpoint.invoke(b"8\n", "text/csv", "application/json; attribution=true")
        assert json.loads(answer.body) == {
            "scores": [{"score": pytest.approx(wanted[0]), "attribution": [pytest.approx(wanted[0])]}]
        }
        answer = endpoint.invoke(b"8\n", "text/csv", "application/json; attribution=maybe")
        assert (answer.status, b"use true or false" in answer.body) == (406, True)


@pytest.mark.parametrize("kind", ["csv", "sparse"])
def test_every_form_of_the_data_gives_the_same_model(tmp_path, kind):
    models = []
    given = {
        "dense": Files(None, {"a": write_dense(ROWS)}),
        "sparse": Files(None, {"a": write_sparse(from_dense(ROWS))}),
        "csv": Files("text/csv;label_size=0", {"a": to_csv(ROWS)}),
    }
    for name in ("dense", kind):
        container = LocalContainer(MODULE, tmp_path / name)
        container.prepare(SENT, {"train": given[name]})
        assert container.train_here()[0] == 0, container.failure
        models.append((container.paths.model / "model_algo-1").read_bytes())
    assert models[0] == models[1]


def test_three_hosts_find_what_one_finds(tmp_path):
    """The third has no object."""
    hosts = loopback_addresses(3)
    containers = [LocalContainer(MODULE, tmp_path / host) for host in hosts]
    for number, container in enumerate(containers):
        part = {"part": write_dense(ROWS[number::2])} if number < 2 else {}
        container.prepare(SENT, {"train": Files(None, part), "test": TEST}, hosts, current=number)
    done = train_together(containers)
    assert [each.returncode for each in done] == [0] * 3, done[0].stdout + done[1].stdout
    assert [len(list(each.paths.model.iterdir())) for each in containers] == [1, 0, 0]
    assert measured(done[0].stdout)["test:f1"] > 0.7
    with np.load(containers[0].paths.model / "model_algo-1") as file:
        taken = {tuple(row) for row in file["points"].tolist()}
        assert file["leaf_mass"].sum() == 50 * 64
    # Both hosts' rows are there, each about as often.
    shares = [len(taken & {tuple(row) for row in ROWS[number::2].tolist()}) for number in range(2)]
    assert sum(shares) == 3200
    assert 1500 < shares[0] < 1700


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"num_trees": "49"}, "for the 'num_trees' hyperparameter"),
        ({"num_samples_per_tree": "2049"}, "for the 'num_samples_per_tree' hyperparameter"),
        ({"eval_metrics": '["auc"]'}, "a list of the following: 'accuracy', 'precision_recall_fscore'"),
        ({"feature_dim": "2"}, "has 3 features, but the hyperparameter feature_dim is 2"),
    ],
)
def test_what_the_user_did_wrong_is_said(container, changed, reason):
    container.prepare(SENT | changed, {"train": Files(None, {"a": write_dense(ROWS)})})
    assert container.train_here()[0] == 2
    assert reason in container.failure


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (Files(None, {"a": write_dense(ROWS)}), "Every record needs one label; found 0"),
        (Files(None, {"a": write_dense(ROWS, 2 * LABELS)}), "A label is 2; it has to be 1 for an anomaly"),
        (Files("text/csv;label_size=0", {"a": to_csv(ROWS)}), "label_size must be 1"),
    ],
)
def test_a_test_channel_needs_labels_of_anomalies(container, files, reason):
    container.prepare(SENT, {"train": Files(None, {"a": write_dense(ROWS)}), "test": files})
    assert container.train_here()[0] == 2
    assert reason in container.failure


@pytest.mark.parametrize(
    ("channel", "distribution", "rule"),
    [("train", "FullyReplicated", "ShardedByS3Key"), ("test", "ShardedByS3Key", "FullyReplicated")],
)
def test_channels_are_distributed_as_they_have_to_be(container, channel, distribution, rule):
    container.prepare(SENT, {"train": Files(None, {"a": write_dense(ROWS)}), "test": TEST})
    path = container.paths.config / "inputdataconfig.json"
    config = json.loads(path.read_text())
    config[channel]["S3DistributionType"] = distribution
    path.write_text(json.dumps(config))
    assert container.train_here()[0] == 2
    assert f"of channel '{channel}' is '{distribution}'" in container.failure
    assert f"'{rule}' only" in container.failure


@pytest.mark.parametrize("metrics", [["accuracy"], ["precision_recall_fscore"]])
def test_only_the_wished_metrics_are_measured(metrics):
    model = RandomCutForest(num_trees=50, eval_metrics=metrics).fit(ROWS, test=(ROWS, LABELS))
    names = {"test:accuracy"} if metrics == ["accuracy"] else {"test:precision", "test:recall", "test:f1"}
    assert set(model.metrics) == names


def test_a_single_feature_and_equal_rows():
    model = RandomCutForest(num_trees=50).fit(np.ones((100, 1)))
    scores = model.predict([[1], [2]])["score"]
    assert scores[0] < scores[1]
    assert np.isfinite(scores).all()
