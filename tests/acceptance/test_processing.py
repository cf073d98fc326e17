"""The processors of the SDKs, unmodified: what they bring back is what the library itself computes."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.acceptance.live import Live
from tests.acceptance.test_scripts import run_script

from wildsage.images.java import find_java

pytestmark = pytest.mark.acceptance

ReportWall = Callable[[str, float], None]
COUNTS = "word,count\ncat,1\ndog,2\nsaw,1\nslept,1\nthe,3\n"


def check_jobs(results: Path, expected: dict[str, tuple[int, str]]) -> None:
    """Each job scaled so many rows, and saw its word."""
    said = json.loads(results.read_text())
    table = np.array(said["table"])
    assert said["jobs"].keys() == expected.keys()
    for name, (rows, word) in expected.items():
        job, used = said["jobs"][name], table[:rows]
        assert (job["status"], job["message"]) == ("Completed", f"{rows} rows")
        assert job["facts"] == {"version": "1.2.1", "word": word, "job": job["name"]}
        np.testing.assert_allclose(job["scaled"], (used - used.mean(0)) / used.std(0), atol=1e-9)


def test_sdk_v2_processors(server: Live, sdk2: str, tmp_path: Path, report_wall: ReportWall):
    results = run_script(server, sdk2, "v2_processing.py", tmp_path, report_wall)
    check_jobs(results, {"script": (30, "script"), "sklearn": (30, ""), "framework": (40, "")})


def test_sdk_v3_processors(server: Live, sdk3: str, tmp_path: Path, report_wall: ReportWall):
    results = run_script(server, sdk3, "v3_processing.py", tmp_path, report_wall)
    check_jobs(results, {"script": (30, "script"), "framework": (40, "")})


@pytest.mark.usefixtures("pytorch_image", "xgboost_image")
@pytest.mark.parametrize("sdk", ["sdk2", "sdk3"])
def test_processors_of_other_frameworks(
    server: Live, sdk: str, tmp_path: Path, report_wall: ReportWall, request: pytest.FixtureRequest
):
    python, script = request.getfixturevalue(sdk), f"v{sdk[-1]}_framework_processors.py"
    said = json.loads(run_script(server, python, script, tmp_path, report_wall).read_text())
    assert len(said["jobs"]) == (4 if sdk == "sdk2" else 2)
    for name, facts in said["jobs"].items():
        if name.startswith("torch"):
            assert facts["version"].startswith("2.")
            np.testing.assert_allclose(facts["said"], said["mean"], rtol=1e-5)
        else:
            assert facts == {"version": "1.7.4", "said": [2.0, 1.0]}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory, live: Live) -> None:
    """Make the environment of the Spark image: some 700 MB. Needs the outside network."""
    if find_java() is None:
        pytest.skip("there is no Java on this machine")
    command = [str(Path(sys.executable).with_name("wildsage")), "images"]
    command += [
        "--data-dir",
        str(tmp_path_factory.mktemp("spark")),
        "prepare",
        "sagemaker-spark-processing:3.5-cpu",
    ]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def test_sdk_v2_pyspark(spark: None, server: Live, sdk2: str, tmp_path: Path, report_wall: ReportWall):
    said = json.loads(run_script(server, sdk2, "v2_pyspark.py", tmp_path, report_wall).read_text())
    assert said["status"] == "Completed"
    assert said["counts"] == COUNTS
    version, partitions, master, motto = said["facts"].split(maxsplit=3)
    assert (version, partitions, motto) == ("3.5.1", "3", "from a jar")
    assert master.startswith("local[")
    assert "Next step: read the files of a ProcessingInput" in said["refused"]
    (events,) = said["events"]
    assert not events.endswith(".inprogress")
    assert said["first"].startswith('{"Event":"SparkListenerLogStart","Spark Version":"3.5.1"}')


def test_sdk_v3_pyspark(spark: None, server: Live, sdk3: str, tmp_path: Path, report_wall: ReportWall):
    said = json.loads(run_script(server, sdk3, "v3_pyspark.py", tmp_path, report_wall).read_text())
    assert said["status"] == "Completed"
    assert said["counts"] == COUNTS
