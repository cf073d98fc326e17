"""``wildsage algorithms``: what is listed, a job on a folder, and the pages of the documentation."""

import json
import signal

import pytest

from wildsage.algorithms.registry import MODULES
from wildsage.cli.main import main

ROWS = "0,1\n1,0\n10,11\n11,10\n"


@pytest.fixture
def base(tmp_path):
    config = tmp_path / "input" / "config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(json.dumps({"k": "2", "feature_dim": "2"}))
    (config / "inputdataconfig.json").write_text(
        json.dumps({"train": {"ContentType": "text/csv;label_size=0"}})
    )
    (tmp_path / "input" / "data" / "train").mkdir(parents=True)
    (tmp_path / "input" / "data" / "train" / "rows.csv").write_text(ROWS)
    handler = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, handler)


def test_every_algorithm_is_listed_with_its_images(capsys):
    assert main(["algorithms", "ls"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n{name} " in said for name in MODULES)
    assert "sagemaker-xgboost xgboost  XGBoost: gradient-boosted trees" in said


def test_one_is_shown(capsys):
    assert main(["algorithms", "show", "pca"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("# PCA\n")
    assert "`num_components`" in said


@pytest.mark.parametrize("name", ["kmeans", "wildsage.algorithms.kmeans"])
def test_a_job_runs_on_a_folder(base, name):
    assert main(["algorithms", "run", name, "--base", str(base), "train"]) == 0
    assert (base / "model" / "model_algo-1").stat().st_size > 0


def test_the_exit_code_is_the_containers(base, monkeypatch):
    (base / "input" / "config" / "hyperparameters.json").write_text(
        json.dumps({"k": "0", "feature_dim": "2"})
    )
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(base))
    assert main(["algorithms", "run", "kmeans", "train"]) == 2
    assert (
        "The value '0' is not valid for the 'k' hyperparameter" in (base / "output" / "failure").read_text()
    )


@pytest.mark.parametrize("name", ["kmeens", "json", "", "..x"])
def test_an_unknown_algorithm_is_one_line(capsys, name):
    assert main(["algorithms", "run", name, "train"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"wildsage: there is no algorithm {name!r}")
    assert ", kmeans, " in error
    assert error.count("\n") == 1


def test_pages_are_filled_around_the_prose(tmp_path, capsys):
    (tmp_path / "pca.md").write_text("# PCA\n\nProse.\n\n<!-- generated: tables -->\n\n## More\n")
    assert main(["algorithms", "pages", "--check", str(tmp_path)]) == 1
    assert "pca.md, " in capsys.readouterr().err
    assert main(["algorithms", "pages", "--write", str(tmp_path)]) == 0
    assert main(["algorithms", "pages", "--check", str(tmp_path)]) == 0
    page = (tmp_path / "pca.md").read_text()
    assert page.startswith("# PCA\n\nProse.\n\n<!-- generated: tables -->\n\n## Image\n")
    assert page.endswith("<!-- end -->\n\n## More\n")
    packages = {module.rpartition(".")[2] for module in MODULES.values()}
    assert {path.stem for path in tmp_path.iterdir()} == {*packages, "README"}
    assert "[PCA](pca.md)" in (tmp_path / "README.md").read_text()
