"""PCA through its container, as the SDK uses it."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from wildsage.formats.ndarray import read_ndarrays, write_ndarrays
from wildsage.formats.recordio_protobuf import write_dense, write_sparse
from wildsage.formats.sparse import from_dense
from wildsage.toolkit.local import Files, LocalContainer, loopback_addresses, train_together

MODULE = "wildsage.algorithms.pca"
DIGITS = load_digits().data.astype(np.float32)
# What sagemaker.PCA(num_components=5).fit(record_set) sends, beside the content type that is not sent.
SENT = {"num_components": "5", "feature_dim": "64", "mini_batch_size": "500"}


@pytest.fixture
def container(tmp_path):
    return LocalContainer(MODULE, tmp_path)


def arrays_of(container):
    arrays, names = read_ndarrays((container.paths.model / "model_algo-1").read_bytes())
    return dict(zip(names, arrays, strict=True))


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_the_job_of_the_sdk(container, mode):
    channels = {name: Files(None, {"matrix_0.pbr": write_dense(DIGITS)}) for name in ("train", "test")}
    container.prepare(SENT | {"algorithm_mode": mode}, channels)
    code, log = container.train_here()
    assert code == 0, log
    model = arrays_of(container)
    assert {name: (array.shape, array.dtype.name) for name, array in model.items()} == {
        "mean": ((1, 64), "float32"),
        "v": ((64, 5), "float32"),
        "s": ((5,), "float32"),
    }
    peer = PCA(5, svd_solver="full").fit(DIGITS)
    assert abs(model["v"][:, -1] @ peer.components_[0]) > 0.9999
    np.testing.assert_allclose(model["s"][::-1], peer.singular_values_, rtol=1e-2)
    assert np.all(np.diff(model["s"]) > 0)
    back = peer.inverse_transform(peer.transform(DIGITS))
    best = ((DIGITS - back) ** 2).sum(axis=1).mean()
    logged = float(log.split("test reconstruction_mse <loss>=")[1].split()[0])
    assert best * 0.9999 < logged < best * 1.005


def test_the_projection_is_answered_with_the_largest_component_last(container):
    container.paths.model.mkdir(parents=True)
    model = {"mean": np.float32([[1, 1]]), "v": np.float32([[1, 0], [0, 1]]), "s": np.float32([1, 2])}
    (container.paths.model / "model_algo-1").write_bytes(write_ndarrays(model))
    with container.serve() as endpoint:
        answer = endpoint.invoke(b"3,5\n0,2\n", "text/csv")
        assert json.loads(answer.body) == {
            "projections": [{"projection": [2.0, 4.0]}, {"projection": [-1.0, 1.0]}]
        }
        answer = endpoint.invoke(b"3,5\n", "text/csv", "application/jsonlines")
        assert answer.body == b'{"projection": [2.0, 4.0]}\n'
        assert b"the rows have 3 features" in endpoint.invoke(b"1,2,3", "text/csv").body


def test_without_the_mean(container):
    container.prepare(SENT | {"subtract_mean": "False"}, {"train": Files(None, {"a": write_dense(DIGITS)})})
    code, log = container.train_here()
    assert code == 0, log
    model = arrays_of(container)
    assert not model["mean"].any()
    # The first direction is then that of the mean itself.
    mean = DIGITS.mean(axis=0)
    assert abs(model["v"][:, -1] @ mean) / np.linalg.norm(mean) > 0.99


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_sparse_and_dense_records_give_the_same_model(tmp_path, mode):
    models = []
    for name, data in (("dense", write_dense(DIGITS)), ("sparse", write_sparse(from_dense(DIGITS)))):
        container = LocalContainer(MODULE, tmp_path / name)
        container.prepare(SENT | {"algorithm_mode": mode}, {"train": Files(None, {"a": data})})
        assert container.train_here()[0] == 0, container.failure
        models.append((container.paths.model / "model_algo-1").read_bytes())
    assert models[0] == models[1]


def test_two_hosts_find_what_one_finds_with_random_directions(tmp_path):
    hosts = loopback_addresses(2)
    containers = [LocalContainer(MODULE, tmp_path / host) for host in hosts]
    for number, container in enumerate(containers):
        data = {"train": Files(None, {"part": write_dense(DIGITS[number::2])})}
        container.prepare(SENT | {"algorithm_mode": "randomized"}, data, hosts, current=number)
    done = train_together(containers)
    assert [each.returncode for each in done] == [0, 0], done[0].stdout + done[1].stdout
    assert list(containers[1].paths.model.iterdir()) == []
    peer = PCA(5, svd_solver="full").fit(DIGITS)
    overlap = np.linalg.svd(peer.components_ @ arrays_of(containers[0])["v"])[1]
    assert overlap.min() > 0.999


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"num_components": "65"}, "num_components is 65, but the rows have only 64 features (feature_dim)"),
        ({"feature_dim": "32"}, "has 64 features, but the hyperparameter feature_dim is 32"),
        ({"algorithm_mode": "exact"}, "one of the following: 'regular', 'randomized'"),
        ({"extra_components": "-2"}, "for the 'extra_components' hyperparameter"),
    ],
)
def test_what_the_user_did_wrong_is_said(container, changed, reason):
    container.prepare(SENT | changed, {"train": Files(None, {"a": write_dense(DIGITS)})})
    assert container.train_here()[0] == 2
    assert reason in container.failure


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (write_ndarrays([np.float32([[1, 2]])]), "expected are the arrays v of shape"),
        (write_ndarrays({"v": np.zeros((3, 2), "f4"), "mean": np.zeros(2, "f4")}), "mean has 2 numbers"),
        (b"garbage", "The model cannot be read"),
    ],
)
def test_a_model_that_is_none_ends_the_server(container, content, reason):
    container.paths.model.mkdir(parents=True)
    (container.paths.model / "model_algo-1").write_bytes(content)
    with pytest.raises(RuntimeError, match=f"(?s)exit code 2.*{reason}"), container.serve():
        pass
