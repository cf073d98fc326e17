"""The tuners of both SDKs, unmodified: what they find best is the best, and it is what is deployed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.acceptance.live import Live
from tests.acceptance.test_scripts import ReportWall, run_script

pytestmark = pytest.mark.acceptance


def best_of(found: Mapping[str, Any], choose: Any) -> str:
    """The training job with the best value of a dataframe."""
    value = choose(found["values"])
    best: str = found["jobs"][found["values"].index(value)]
    return best


@pytest.mark.usefixtures("frameworks", "xgboost_image")
def test_sdk_v2_tuner(server: Live, sdk2: str, tmp_path: Path, report_wall: ReportWall):
    path = run_script(server, sdk2, "v2_tuning.py", tmp_path, report_wall, options=["--fast-waits"])
    results = json.loads(path.read_text())

    kmeans, xgboost, warm, linear, script = (
        results[name] for name in ("kmeans", "xgboost", "warm", "linear", "script")
    )
    for found, count in ((kmeans, 4), (xgboost, 5), (warm, 2), (linear, 3), (script, 4)):
        assert found["status"] == "Completed"
        assert len(found["jobs"]) == count
        assert set(found["statuses"]) <= {"Completed", "Stopped"}
        assert {"TrainingStartTime", "TrainingEndTime", "TrainingElapsedTimeSeconds"} <= {*found["columns"]}
    assert kmeans["best"] == kmeans["attached"] == best_of(kmeans, min)
    assert kmeans["ranges"] == ["epochs", "extra_center_factor", "init_method", "mini_batch_size"]
    # Twelve columns of unit variance around the centres.
    assert np.mean(np.square(kmeans["distances"])) == pytest.approx(12, rel=0.3)
    assert xgboost["best"] == best_of(xgboost, min)
    error = np.sqrt(np.mean((np.array(xgboost["predictions"]) - np.array(xgboost["targets"])) ** 2))
    assert error == pytest.approx(min(xgboost["values"]), abs=1e-3)
    everything = {**dict(zip(xgboost["jobs"], xgboost["values"], strict=True))}
    everything |= dict(zip(warm["jobs"], warm["values"], strict=True))
    assert warm["overall"] == min(everything, key=everything.__getitem__)
    assert (linear["best"], linear["models"]) == (best_of(linear, min), "1")
    held_out = np.mean((np.array(linear["predictions"]) - np.array(xgboost["targets"])) ** 2)
    assert held_out == pytest.approx(min(linear["values"]), rel=1e-3)
    assert script["best"] == best_of(script, max)
    assert script["accuracy"] >= max(script["values"]) > 0.9
    for found in (kmeans, xgboost, warm, linear, script):
        said = server.wildsage("tune", found["name"], "--region", "us-west-2")
        assert f"best {min(found['values']) if found is not script else max(found['values']):g}" in said


@pytest.mark.usefixtures("xgboost_image")
def test_sdk_v3_tuner(server: Live, sdk3: str, tmp_path: Path, report_wall: ReportWall):
    found = json.loads(run_script(server, sdk3, "v3_tuning.py", tmp_path, report_wall).read_text())
    assert (found["status"], found["completed"], len(found["jobs"])) == ("Completed", 4, 4)
    assert found["best"] == best_of(found, min)
    assert found["value"] == pytest.approx(min(found["values"]))
    assert found["value"] < 1.0
