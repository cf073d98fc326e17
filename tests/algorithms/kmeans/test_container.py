"""K-Means through its container, as the SDK uses it."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

from wildsage.formats.ndarray import read_ndarrays, write_ndarrays
from wildsage.formats.protobuf import Record, Tensor, decode_record, encode_record
from wildsage.formats.recordio import frame_record, read_records
from wildsage.formats.recordio_protobuf import write_dense
from wildsage.toolkit.local import Files, LocalContainer

MODULE = "wildsage.algorithms.kmeans"


@pytest.fixture
def container(tmp_path):
    return LocalContainer(MODULE, tmp_path)


def test_the_job_of_the_sdk(container):
    digits = load_digits().data.astype(np.float32)
    # What sagemaker.KMeans(k=10).fit(record_set) sends: no content type, force_dense, mini_batch_size.
    container.prepare(
        {"k": "10", "feature_dim": "64", "force_dense": "True", "mini_batch_size": "5000",
         "eval_metrics": '["msd","ssd"]'},
        {"train": Files(None, {"matrix_0.pbr": write_dense(digits, np.zeros(len(digits), np.float32))}),
         "test": Files(None, {"matrix_0.pbr": write_dense(digits)})},
    )  # fmt: skip
    done = container.train()
    assert done.returncode == 0, done.stdout
    arrays, names = read_ndarrays((container.paths.model / "model_algo-1").read_bytes())
    assert names == []
    assert [(array.shape, array.dtype) for array in arrays] == [((10, 64), np.float32)]
    exact = ((digits[:, np.newaxis].astype(float) - arrays[0]) ** 2).sum(axis=2).min(axis=1)
    logged = float(done.stdout.split("test msd <loss>=")[1].split()[0])
    assert logged == pytest.approx(exact.mean(), rel=1e-5)
    assert f"#test_score (algo-1) : ('msd', {logged})" in done.stdout
    with container.serve() as endpoint:
        body = endpoint.invoke(
            write_dense(digits[:50]), "application/x-recordio-protobuf", "application/x-recordio-protobuf"
        ).body
    records = [decode_record(payload) for payload in read_records(body)]
    assert [list(record.label) for record in records] == [["closest_cluster", "distance_to_cluster"]] * 50
    found = [record.label["distance_to_cluster"].values[0] for record in records]
    np.testing.assert_allclose(found, np.sqrt(exact[:50]), rtol=1e-5)


def test_centres_that_a_user_brings_are_served(container):
    container.paths.model.mkdir(parents=True)
    centres = np.float32([[0, 0], [3, 4]])
    (container.paths.model / "model_algo-1").write_bytes(write_ndarrays([centres]))
    with container.serve() as endpoint:
        answer = endpoint.invoke(b"3,5\n0,2\n", "text/csv")
        assert json.loads(answer.body) == {
            "predictions": [
                {"closest_cluster": 1.0, "distance_to_cluster": 1.0},
                {"closest_cluster": 0.0, "distance_to_cluster": 2.0},
            ]
        }
        assert endpoint.invoke(b"3,5\n0,2\n", "text/csv", "text/csv").body == b"1.0,1.0\n0.0,2.0\n"
        answer = endpoint.invoke(b"1,2,3", "text/csv")
        assert (answer.status, answer.body) == (
            400,
            b"the rows have 3 features, the model was trained with 2",
        )


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("xgboost-model", b"", "the model holds xgboost-model; K-Means expects a file model_algo-1"),
        ("model_algo-1", b"garbage", "The model cannot be read.*model_algo-1, byte 0"),
        ("model_algo-1", write_ndarrays([np.float32([1, 2])]), "expected is one of shape \\(k, d\\)"),
    ],
)
def test_a_model_that_is_none_ends_the_server(container, name, content, reason):
    container.paths.model.mkdir(parents=True)
    (container.paths.model / name).write_bytes(content)
    with pytest.raises(RuntimeError, match=f"(?s)exit code 2.*{reason}"), container.serve():
        pass


@pytest.mark.parametrize(
    ("hyperparameters", "channel", "reason"),
    [
        ({"k": "0", "feature_dim": "2"}, Files("text/csv;label_size=0", {"a": b"1,2\n"}), "The value '0' is not valid for the 'k'"),
        ({"k": "3", "feature_dim": "2"}, Files("text/csv;label_size=0", {"a": b"1,2\n1,2\n"}), "k is 3, but the training data has only 1 distinct rows"),
        ({"k": "1", "feature_dim": "3"}, Files("text/csv", {"a": b"1,2,3\n"}), "has 2 features, but the hyperparameter feature_dim is 3. The first column was taken as a label"),
        ({"k": "1", "feature_dim": "2"}, Files("text/csv;label_size=0", {"a": b"\n"}), "hold no rows"),
        ({"k": "1", "feature_dim": "2"}, Files(None, {"a": b"1,2\n3,4\n"}), "magic number"),
    ],
)  # fmt: skip
def test_what_the_user_did_wrong_is_said(container, hyperparameters, channel, reason):
    container.prepare(hyperparameters, {"train": channel})
    assert container.train().returncode == 2
    assert reason in container.failure


def test_sparse_and_dense_records_give_the_same_model(tmp_path):
    dense = np.float32([[1, 0, 0], [0, 2, 0], [1, 0, 1], [0, 2, 1]] * 5)
    rows = [Tensor(row[row != 0], np.flatnonzero(row).astype(np.uint64), (3,)) for row in dense]
    sparse = b"".join(frame_record(encode_record(Record({"values": row}))) for row in rows)
    models = []
    for name, data in (("dense", write_dense(dense)), ("sparse", sparse)):
        container = LocalContainer(MODULE, tmp_path / name)
        container.prepare({"k": "2", "feature_dim": "3"}, {"train": Files(None, {"a": data})})
        assert container.train().returncode == 0, container.failure
        models.append((container.paths.model / "model_algo-1").read_bytes())
    assert models[0] == models[1]
