"""Every input mode and source, through both SDKs: what is trained is what the data of each channel says."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from tests.acceptance.live import Live
from tests.acceptance.test_scripts import ReportWall, library_predicts, model_archive, run_script

from wildsage.compute.select import choose
from wildsage.formats.ndarray import read_ndarrays

pytestmark = pytest.mark.acceptance

FILE_SYSTEM = "fs-0123456789abcdef0"
OFTEN = ["--fast-waits"]


@pytest.fixture
def shared(server: Live, tmp_path: Path) -> Path:
    """The folder that stands for the file system of the scripts."""
    folder = tmp_path / "shared"
    folder.mkdir()
    server.wildsage("filesystems", "add", FILE_SYSTEM, str(folder))
    return folder


def assert_clusters(server: Live, points: np.ndarray, uri: str, folder: Path, name: str) -> None:
    """Compare a model's centroids with the means of the three clusters, whose points alternate."""
    with tarfile.open(model_archive(server, uri, folder)) as archive:
        (found,), _names = read_ndarrays(archive.extractfile("model_algo-1").read())
    wanted = np.stack([points[cluster::3].mean(axis=0) for cluster in range(3)])
    order, expected = found.mean(axis=1).argsort(), wanted.mean(axis=1).argsort()
    np.testing.assert_allclose(found[order], wanted[expected], atol=0.1, err_msg=name)


def test_sdk_v2(server: Live, sdk2: str, shared: Path, tmp_path: Path, report_wall: ReportWall):
    results = np.load(
        run_script(server, sdk2, "v2_input_modes.py", tmp_path, report_wall, str(shared), options=OFTEN)
    )
    names = {key.partition("/")[0] for key in results}
    modes = {"record-set", "pipe", "gzip", "fast-file", "manifest", "augmented", "wrapped", "file-system"}
    assert names == modes
    for name in names:
        assert_clusters(server, results[f"{name}/points"], str(results[f"{name}/model"]), tmp_path, name)


def test_sdk_v3(
    server: Live, sdk3: str, frameworks: Path, shared: Path, tmp_path: Path, report_wall: ReportWall
):
    path = run_script(server, sdk3, "v3_input_modes.py", tmp_path, report_wall, str(shared), options=OFTEN)
    results = json.loads(path.read_text())
    script = results.pop("script")
    assert results.keys() == {"Pipe", "FastFile", "file-system"}
    for name, said in results.items():
        assert_clusters(server, np.array(said["points"]), said["model"], tmp_path, name)

    assert script["left"] == "60 rows\n"
    archive = model_archive(server, script["model"], tmp_path)
    with tarfile.open(archive) as opened:
        seen = json.load(opened.extractfile("seen.json"))
    rows = np.array(script["rows"])
    by_row = lambda some: sorted(map(tuple, some))  # noqa: E731 - of this test alone
    assert by_row(seen["rows"]) == by_row(rows)
    first, second = seen["epochs"]
    assert by_row(first) == by_row(second) == by_row(rows[3::5])
    assert first != second
    own = library_predicts(
        frameworks, "sklearn.linear_model.LogisticRegression(max_iter=2000)", np.array(seen["rows"]), archive
    )
    assert own["fitted"] == own["loaded"]
    listed = server.client("s3").list_objects_v2(
        Bucket=script["model"].split("/")[2], Prefix="v3-modes/parts/file/"
    )
    assert [item["Key"] for item in listed["Contents"]] == ["v3-modes/parts/file/0.csv"]
    assert seen["fast_is_writable"] == (not choose().private)
