"""k-NN through its container, as the SDK uses it."""

import json
import re

import faiss
import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from wildsage.algorithms.knn import KNN, SPEC
from wildsage.formats import extras, protobuf
from wildsage.formats.recordio import read_records
from wildsage.formats.recordio_protobuf import write_dense, write_sparse
from wildsage.formats.sparse import from_dense
from wildsage.toolkit.local import Files, LocalContainer, loopback_addresses, train_together

MODULE = "wildsage.algorithms.knn"
DIGITS, CLASSES = (part.astype(np.float32) for part in load_digits(return_X_y=True))
TRAIN, TEST = slice(300, None), slice(0, 300)
# What sagemaker.KNN(k=5, sample_size=1000, predictor_type="classifier").fit([record sets]) sends.
SENT = {"k": "5", "sample_size": "1000", "predictor_type": "classifier", "feature_dim": "64"}
DATA = {
    name: Files(None, {"matrix_0.pbr": write_dense(DIGITS[part], CLASSES[part])})
    for name, part in (("train", TRAIN), ("test", TEST))
}

PEER = KNeighborsClassifier(5).fit(DIGITS[TRAIN], CLASSES[TRAIN]).score(DIGITS[TEST], CLASSES[TEST])


@pytest.fixture
def container(tmp_path):
    return LocalContainer(MODULE, tmp_path)


def logged(log, metric):
    pattern = next(each.pattern for each in SPEC.metrics if each.name == metric)
    return float(re.findall(pattern, log)[-1])


def train(container, changed=None, data=None):
    container.prepare(SENT | (changed or {}), data or DATA)
    code, log = container.train_here()
    assert code == 0, log
    return log


def test_the_job_of_the_sdk(container):
    log = train(container)
    assert logged(log, "test:accuracy") > PEER - 0.02
    assert "#test_score (algo-1) : ('accuracy', 0.9" in log
    assert "test macro_f_1.000 <score>=0.9" in log
    assert logged(log, "train:throughput") > 0
    assert logged(log, "train:progress") == 100
    assert "Using per-worker sample size = 1000 (" in log
    assert "...Got reservoir sample from algo-1: data=(1000, 64), labels=(1000,), NaNs=0" in log
    index = faiss.read_index(str(container.paths.model / "model_algo-1"))
    labels = np.fromfile(container.paths.model / "model_algo-1.labels", np.float32)
    assert type(index) is faiss.IndexFlatL2
    assert index.ntotal == len(labels) == 1000
    known = json.loads((container.paths.model / "model_algo-1.json").read_text())
    assert known == {
        "k": 5,
        "predictor_type": "classifier",
        "dimension_reduction": None,
        "normalize": False,
        "version": "1.0",
        "feature_dim": 64,
    }


def test_a_sample_of_all_rows_predicts_what_scikit_learn_predicts(container):
    log = train(container, {"sample_size": "5000", "k": "1"})
    peer = KNeighborsClassifier(1).fit(DIGITS[TRAIN], CLASSES[TRAIN])
    assert logged(log, "test:accuracy") == pytest.approx(peer.score(DIGITS[TEST], CLASSES[TEST]), abs=1e-9)


def test_the_regressor(container):
    rows, targets = (part.astype(np.float32) for part in load_diabetes(return_X_y=True))
    data = {
        name: Files("text/csv", {"a": b"\n".join(",".join(map(repr, [y, *x])).encode() for x, y in part)})
        for name, part in (
            ("train", zip(rows[100:].tolist(), targets[100:].tolist(), strict=True)),
            ("test", zip(rows[:100].tolist(), targets[:100].tolist(), strict=True)),
        )
    }
    log = train(container, {"predictor_type": "regressor", "feature_dim": "10", "k": "9"}, data)
    peer = KNeighborsRegressor(9).fit(rows[100:], targets[100:])
    wanted = np.mean((peer.predict(rows[:100]) - targets[:100]) ** 2)
    assert logged(log, "test:mse") == pytest.approx(wanted, rel=1e-5)
    assert "#test_score (algo-1) : ('mse', " in log


@pytest.mark.parametrize(
    ("changed", "lost"),
    [
        ({}, 0),
        ({"index_metric": "COSINE"}, 0),
        ({"index_type": "faiss.IVFFlat"}, 0.01),
        ({"index_type": "faiss.IVFFlat", "index_metric": "COSINE", "faiss_index_ivf_nlists": "20"}, 0.01),
        ({"index_type": "faiss.IVFPQ", "faiss_index_pq_m": "8"}, 0.03),
        ({"dimension_reduction_type": "sign", "dimension_reduction_target": "40"}, 0.04),
        ({"dimension_reduction_type": "fjlt", "dimension_reduction_target": "40"}, 0.04),
    ],
)
def test_every_kind_of_index_classifies_digits(container, changed, lost):
    log = train(container, changed | {"sample_size": "2000"})
    assert logged(log, "test:accuracy") >= PEER - lost - 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_another_order_of_the_rows_gives_no_worse_a_sample(container, seed):
    order = np.random.default_rng(seed).permutation(len(DIGITS))
    rows, labels = DIGITS[order], CLASSES[order]
    data = {
        "train": Files(None, {"a": write_dense(rows[TRAIN], labels[TRAIN])}),
        "test": Files(None, {"a": write_dense(rows[TEST], labels[TEST])}),
    }
    assert logged(train(container, {"sample_size": "700"}, data), "test:accuracy") > 0.93


def test_dimensions_that_the_parts_do_not_divide_are_filled_with_zeros(container):
    train(container, {"index_type": "faiss.IVFPQ", "faiss_index_pq_m": "3", "sample_size": "300"})
    assert faiss.read_index(str(container.paths.model / "model_algo-1")).d == 66
    model = KNN.load(container.paths.model)
    assert (model.predict(DIGITS)["predicted_label"] == CLASSES).mean() > 0.8


def test_the_target_is_raised_to_a_multiple_of_the_parts(container):
    pq = {"index_type": "faiss.IVFPQ", "faiss_index_pq_m": "12"}
    train(
        container,
        pq | {"sample_size": "300", "dimension_reduction_type": "fjlt", "dimension_reduction_target": "40"},
    )
    assert faiss.read_index(str(container.paths.model / "model_algo-1")).d == 48


def write_model(container, settings=None):
    """Labels 0, 1 and 2 at (0, 0), (3, 4) and (6, 8)."""
    folder = container.paths.model
    folder.mkdir(parents=True)
    index = faiss.IndexFlatL2(2)
    index.add(np.float32([[0, 0], [3, 4], [6, 8]]))
    faiss.write_index(index, str(folder / "model_algo-1"))
    np.float32([0, 1, 2]).tofile(folder / "model_algo-1.labels")
    known = {"k": 2, "predictor_type": "classifier", "dimension_reduction": None, "normalize": False}
    (folder / "model_algo-1.json").write_text(json.dumps(known | (settings or {})))


@pytest.mark.parametrize("accept", ["application/json; verbose=true", "Application/JSON ;VERBOSE = True"])
def test_answers_with_and_without_neighbours(container, accept):
    write_model(container)
    with container.serve() as endpoint:
        assert json.loads(endpoint.invoke(b"0,1\n6,9\n", "text/csv").body) == {
            "predictions": [{"predicted_label": 0.0}, {"predicted_label": 2.0}]
        }
        answer = endpoint.invoke(b"0,0\n6,8\n", "text/csv", accept)
        assert json.loads(answer.body) == {
            "predictions": [
                {"predicted_label": 0.0, "distances": [0.0, 5.0], "labels": [0.0, 1.0]},
                {"predicted_label": 2.0, "distances": [0.0, 5.0], "labels": [2.0, 1.0]},
            ]
        }
        lines = endpoint.invoke(b'{"features": [3, 4]}', "application/jsonlines", "application/jsonlines")
        assert lines.body == b'{"predicted_label": 1.0}\n'
        media_type = "application/x-recordio-protobuf"
        answer = endpoint.invoke(write_dense(np.float32([[6, 8]])), media_type, f"{media_type}; verbose=true")
        (record,) = (protobuf.decode_record(part) for part in read_records(answer.body))
        assert {name: list(tensor.values) for name, tensor in record.label.items()} == {
            "predicted_label": [2],
            "distances": [0, 5],
            "labels": [2, 1],
        }
        refused = endpoint.invoke(b"0,0\n", "text/csv", "application/json; verbose=maybe")
        assert (refused.status, refused.body) == (
            406,
            b"verbose is 'maybe': use verbose=true or verbose=false",
        )


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"k": 1}, 2),
        ({"k": 3, "predictor_type": "regressor"}, 1),
        ({"k": 2, "predictor_type": "regressor"}, 1.5),
    ],
)
def test_what_a_user_changes_in_the_settings_counts(container, settings, wanted):
    write_model(container, settings)
    model = KNN.load(container.paths.model)
    assert model.predict([[6.0, 8.0]])["predicted_label"].tolist() == [wanted]


def test_more_neighbours_than_rows_are_as_many_as_there_are(container, caplog):
    write_model(container, {"k": 10})
    with caplog.at_level("WARNING"):
        answer = KNN.load(container.paths.model).predict([[0.0, 0.0]], verbose="true")
    assert answer["labels"].tolist() == [[0, 1, 2]]
    assert "k is 10, but the index has 3 rows only" in caplog.text


def test_cosine_answers_similarities_the_largest_first():
    model = KNN(k=3, predictor_type="classifier", index_metric="COSINE").fit(
        [[1.0, 0.0], [0.0, 5.0], [-2.0, 0.0], [0.0, 0.0]], [0, 1, 2, 3]
    )
    answer = model.predict([[9.0, 0.0]], verbose="true")
    assert answer["distances"].tolist() == [[1, 0, 0]]
    assert answer["labels"].tolist() == [[0, 1, 3]]


def test_hosts_that_have_the_same_rows_do_not_draw_one_twice(tmp_path):
    hosts = loopback_addresses(2)
    containers = [LocalContainer(MODULE, tmp_path / host) for host in hosts]
    for number, each in enumerate(containers):
        each.prepare(SENT | {"sample_size": "1497"}, {"train": DATA["train"]}, hosts, current=number)
        distribute(each, "FullyReplicated")
    together(containers)
    index = faiss.read_index(str(containers[0].paths.model / "model_algo-1"))
    drawn = sorted(map(tuple, index.reconstruct_n(0, index.ntotal).tolist()))
    assert drawn == sorted(map(tuple, DIGITS[TRAIN].tolist()))


def distribute(container, distribution):
    """Say how the objects of the channel ``train`` reach the hosts, as the platform does."""
    path = container.paths.config / "inputdataconfig.json"
    config = json.loads(path.read_text())
    config["train"]["S3DistributionType"] = distribution
    path.write_text(json.dumps(config))


def together(containers):
    done = train_together(containers)
    assert [each.returncode for each in done] == [0] * len(done), "".join(each.stdout for each in done)
    return [each.stdout for each in done]


def test_sparse_records_give_the_same_model(tmp_path):
    files = []
    for name, data in (("dense", write_dense), ("sparse", lambda rows, y: write_sparse(from_dense(rows), y))):
        container = LocalContainer(MODULE, tmp_path / name)
        train(container, data={"train": Files(None, {"a": data(DIGITS[TRAIN], CLASSES[TRAIN])})})
        files.append((container.paths.model / "model_algo-1").read_bytes())
    assert files[0] == files[1]


def test_what_has_no_effect_is_said(container):
    log = train(container, {"faiss_index_pq_m": "4", "dimension_reduction_target": "8"})
    assert (
        "Without effect beside the other hyperparameters: dimension_reduction_target, faiss_index_pq_m" in log
    )


PQ = {"index_type": "faiss.IVFPQ", "faiss_index_pq_m": "12"}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (PQ | {"index_metric": "COSINE"}, "index_metric is COSINE, but index_type faiss.IVFPQ knows L2 only"),
        (PQ | {"index_metric": "INNER_PRODUCT"}, "index_metric is INNER_PRODUCT"),
        (
            PQ | {"faiss_index_pq_m": "5"},
            "The value '5' is not valid for the 'faiss_index_pq_m' hyperparameter",
        ),
        ({"index_type": "faiss.IVFPQ"}, "No value(s) were specified for 'faiss_index_pq_m'"),
        ({"dimension_reduction_type": "sign"}, "No value(s) were specified for 'dimension_reduction_target'"),
        (
            {"dimension_reduction_type": "sign", "dimension_reduction_target": "64"},
            "dimension_reduction_target is 64, but has to be less than the 64 features",
        ),
        (
            PQ | {"dimension_reduction_type": "sign", "dimension_reduction_target": "61"},
            "raised to a multiple of faiss_index_pq_m 12, is 72: more than the 64 features",
        ),
        ({"feature_dim": "32"}, "has 64 features, but the hyperparameter feature_dim is 32"),
        (
            {"index_type": "faiss.IVFFlat", "faiss_index_ivf_nlists": "1001"},
            "faiss_index_ivf_nlists is 1001, but the sample has only 1000 rows",
        ),
    ],
)
def test_what_the_user_did_wrong_is_said(container, changed, reason):
    container.prepare(SENT | changed, DATA)
    assert container.train_here()[0] == 2
    assert reason in container.failure


def test_rows_without_labels_are_refused(container):
    container.prepare(SENT, {"train": Files(None, {"a": write_dense(DIGITS)})})
    assert container.train_here()[0] == 2
    assert "Every record needs one label; found 0" in container.failure


def test_without_faiss_the_extra_is_named(container, monkeypatch):
    monkeypatch.setattr(extras, "installed", lambda library: False)
    assert logged(train(container), "test:accuracy") > PEER - 0.02
    container.prepare(SENT | PQ, DATA)
    assert container.train_here()[0] == 1
    assert container.failure == (
        "index_type faiss.IVFPQ needs the library faiss: pip install 'wildsage[knn]'"
    )


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("model_algo-1", None, "k-NN expects model_algo-1 with an index of FAISS"),
        ("model_algo-1.labels", None, "the model has no file model_algo-1.labels"),
        ("model_algo-1.labels", b"\0" * 8, "the index has 3 rows, but there are 2 labels"),
        (
            "model_algo-1.json",
            b'{"k": 1, "predictor_type": "classifier", "feature_dim": 3}',
            "are for an index of 3",
        ),
        ("model_algo-1", b"garbage", "model_algo-1 holds no index of FAISS"),
    ],
)
def test_a_model_that_is_none_ends_the_server(container, name, content, reason):
    write_model(container)
    path = container.paths.model / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(RuntimeError, match=f"(?s)exit code 2.*{reason}"), container.serve():
        pass
