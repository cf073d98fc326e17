"""The scripts of AWS's documentation, unmodified: what they predict is what the library itself predicts."""

import io
import json
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import xgboost
from tests.acceptance.live import FOLDER, Live, is_calm

from wildsage.formats.ndarray import read_ndarrays

pytestmark = pytest.mark.acceptance

SCRIPTS = FOLDER / "scripts"
ReportWall = Callable[[str, float], None]


def run_script(
    server: Live,
    python: str,
    name: str,
    folder: Path,
    report_wall: ReportWall,
    *arguments: str,
    options: Sequence[str] = (),
) -> Path:
    """Run one script in an empty folder and return the file it wrote.

    Parameters
    ----------
    arguments
        Of the script, behind the file that it is to write.
    options
        Of ``wildsage run``.
    """
    command = [python, str(SCRIPTS / name), str(folder / "results"), *arguments]
    finished = server.run(*command, cwd=folder, options=options)
    assert finished.contacted, "nothing was noted of where the script connected to"
    assert finished.outside == []
    report_wall(f"{name}: all that it does, as a user types it", finished.seconds)
    (results,) = folder.glob("results*")
    return results


def model_archive(server: Live, uri: str, folder: Path) -> Path:
    """Fetch a model's archive."""
    parts = urlsplit(uri)
    path = folder / "model.tar.gz"
    server.client("s3").download_file(parts.netloc, parts.path.lstrip("/"), str(path))
    return path


def test_sdk_v2_kmeans_on_a_record_set(server: Live, sdk2: str, tmp_path: Path, report_wall: ReportWall):
    results = np.load(run_script(server, sdk2, "v2_kmeans.py", tmp_path, report_wall))
    with tarfile.open(model_archive(server, str(results["model"]), tmp_path)) as archive:
        (centroids,), _names = read_ndarrays(archive.extractfile("model_algo-1").read())
    assert centroids.shape == (5, 12)
    points = results["train"][: len(results["clusters"])].astype(np.float64)
    distances = np.linalg.norm(points[:, None] - centroids[None].astype(np.float64), axis=2)
    assert len(points) == 100
    np.testing.assert_array_equal(results["clusters"], distances.argmin(axis=1))
    np.testing.assert_allclose(results["distances"], distances.min(axis=1), rtol=1e-4)


def test_sdk_v2_with_shorter_waits(server: Live, sdk2: str, tmp_path: Path, report_wall: ReportWall):
    script = str(SCRIPTS / "v2_kmeans.py")
    finished = server.run(sdk2, script, str(tmp_path / "results"), cwd=tmp_path, options=["--fast-waits"])
    report_wall("v2_kmeans.py with --fast-waits: fit, deploy, predict, as a user types it", finished.seconds)
    assert len(np.load(tmp_path / "results.npz")["clusters"]) == 100
    assert finished.outside == []
    assert "Training job completed" in finished.stdout or "Completed - Training" in finished.stdout
    assert "is not known" not in finished.stderr
    assert finished.seconds < 30 or not is_calm(), "the endpoint alone is looked at after 30 s otherwise"


def test_sdk_v3_builtin_algorithm(server: Live, sdk3: str, tmp_path: Path, report_wall: ReportWall):
    said = json.loads(run_script(server, sdk3, "v3_kmeans.py", tmp_path, report_wall).read_text())
    with tarfile.open(model_archive(server, said["model"], tmp_path)) as archive:
        (centroids,), _names = read_ndarrays(archive.extractfile("model_algo-1").read())
    points = np.array(said["points"])
    distances = np.linalg.norm(points[:, None] - centroids[None].astype(np.float64), axis=2)
    clusters = [item["closest_cluster"] for item in said["predictions"]]
    found = [item["distance_to_cluster"] for item in said["predictions"]]
    np.testing.assert_array_equal(clusters, distances.argmin(axis=1))
    np.testing.assert_allclose(found, distances.min(axis=1), rtol=1e-4)


def test_sdk_v2_scikit_learn_script(
    server: Live, sdk2: str, frameworks: Path, tmp_path: Path, report_wall: ReportWall
):
    results = np.load(run_script(server, sdk2, "v2_sklearn.py", tmp_path, report_wall))
    own = library_predicts(
        frameworks,
        "sklearn.tree.DecisionTreeClassifier(max_leaf_nodes=30, random_state=0)",
        results["data"],
        model_archive(server, str(results["model"]), tmp_path),
    )
    np.testing.assert_array_equal(results["predictions"], own["fitted"])
    np.testing.assert_array_equal(results["predictions"], own["loaded"])


def test_sdk_v3_model_trainer(
    server: Live, sdk3: str, frameworks: Path, tmp_path: Path, report_wall: ReportWall
):
    results = json.loads(run_script(server, sdk3, "v3_trainer.py", tmp_path, report_wall).read_text())
    assert results["status"] == "Completed"
    own = library_predicts(
        frameworks,
        "sklearn.linear_model.LogisticRegression(C=0.5, max_iter=2000)",
        np.array(results["rows"]),
        model_archive(server, results["model"], tmp_path),
    )
    assert own["fitted"] == own["loaded"]
    assert set(own["loaded"]) == {0, 1, 2}


def test_boto3_xgboost(server: Live, sdk3: str, tmp_path: Path, report_wall: ReportWall):
    results = json.loads(run_script(server, sdk3, "boto3_xgboost.py", tmp_path, report_wall).read_text())
    x, y = np.array(results["x"], dtype=np.float32), np.array(results["y"], dtype=np.float32)
    parameters = {"max_depth": 4, "eta": 0.2, "objective": "reg:squarederror"}
    booster = xgboost.train(parameters, xgboost.DMatrix(x[:1200], y[:1200]), num_boost_round=40)
    own = booster.predict(xgboost.DMatrix(x[1200:]))
    assert len(own) == 300
    np.testing.assert_allclose(results["predictions"], own, rtol=1e-5, atol=1e-6)
    error = float(np.sqrt(np.mean((own - y[1200:]) ** 2)))
    assert results["metrics"]["validation:rmse"] == pytest.approx(error, abs=1e-4)


_LIBRARY = """
import io, json, sys, tarfile
import joblib, numpy as np, sklearn.linear_model, sklearn.tree
rows = np.load(sys.argv[2])
fitted = eval(sys.argv[1]).fit(rows[:, 1:], rows[:, 0])
with tarfile.open(sys.argv[3]) as archive:
    loaded = joblib.load(io.BytesIO(archive.extractfile("model.joblib").read()))
print(json.dumps({"fitted": fitted.predict(rows[:, 1:]).tolist(), "loaded": loaded.predict(rows[:, 1:]).tolist()}))
"""


def library_predicts(python: Path, estimator: str, rows: np.ndarray, archive: Path) -> dict[str, list[float]]:
    """Predict in the job's own environment: with a new fit on the same data, and with the job's model."""
    data = io.BytesIO()
    np.save(data, rows)
    path = archive.with_name("rows.npy")
    path.write_bytes(data.getvalue())
    done = subprocess.run(
        [python, "-c", _LIBRARY, estimator, path, archive], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
