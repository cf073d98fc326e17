import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from wildsage.algorithms.kmeans import KMeans
from wildsage.algorithms.pca import PCA
from wildsage.formats.ndarray import read_ndarrays
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.estimator import NotFittedError

ROWS = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)


def test_what_is_saved_is_the_model_of_a_job(tmp_path):
    model = PCA(num_components=2).fit(ROWS)
    model.save(tmp_path)
    arrays, names = read_ndarrays((tmp_path / "model_algo-1").read_bytes(), "model_algo-1")
    assert names == ["mean", "v", "s"]
    assert arrays[1].shape == (4, 2)
    again = PCA.load(tmp_path)
    assert np.array_equal(again.predict(ROWS)["projection"], model.predict(ROWS)["projection"])


def test_sparse_rows_are_those_of_the_dense_matrix():
    sparse = scipy.sparse.coo_matrix(ROWS * (ROWS > 0))
    dense = sparse.toarray()
    found = [
        PCA(num_components=2).fit(rows).predict(other)["projection"]
        for rows, other in ((sparse, dense), (dense, sparse))
    ]
    assert np.allclose(*found, atol=1e-6)


def test_metrics_are_those_of_the_log():
    metrics = KMeans(k=3, epochs=2).fit(ROWS, test=ROWS).metrics
    assert set(metrics) == {"train:msd", "test:msd"}
    assert metrics["test:msd"] > 0


def test_the_users_own_batch_size_counts():
    with pytest.raises(UserError, match="feature_dim is 5"):
        PCA(num_components=2, feature_dim=5, mini_batch_size=10).fit(ROWS)


@pytest.mark.parametrize(
    ("features", "text"),
    [
        (ROWS[0], r"the features have the shape \(4,\)"),
        (np.full((3, 4), np.nan), "channel 'train'. Found missing"),
        (ROWS[:0], "holds no rows|hold no rows"),
    ],
)
def test_unusable_data_is_refused(features, text):
    with pytest.raises(UserError, match=text):
        KMeans(k=2).fit(features)


def test_labels_are_as_many_as_rows():
    with pytest.raises(UserError, match="channel 'train' has 60 rows, but 59 labels"):
        KMeans(k=2).fit(ROWS, np.zeros(59))


def test_mistakes_are_refused_with_the_rule():
    with pytest.raises(TypeError, match="K-Means has no hyperparameter 'n_clusters'; it has: feature_dim, k"):
        KMeans(n_clusters=3)
    with pytest.raises(NotFittedError, match="call fit"):
        KMeans(k=2).predict(ROWS)
    with pytest.raises(ValueError, match="the rows have 3 features, the model was trained with 4"):
        KMeans(k=2).fit(ROWS).predict(ROWS[:, :3])
    with pytest.raises(UserError, match="Additional channels are not allowed"):
        KMeans(k=2).fit(ROWS, validation=ROWS)


def test_a_declaration_with_its_class_needs_no_numpy():
    code = "import sys, wildsage.algorithms.kmeans; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path("/")).returncode == 0
