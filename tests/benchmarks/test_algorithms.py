import json
import sys
import types

import pytest
from benchmarks.algorithms import __main__ as command
from benchmarks.algorithms.comparison import Comparison, Missing, Target, alternate

ROW = Comparison("PCA", "iris", "angle", (1.0, 2.0), target=Target("value", most=3))


@pytest.fixture
def modules(monkeypatch):
    """Stand in for what compares k-NN and PCA; k-NN lacks a peer."""

    def lacking(seeds):
        yield ROW
        raise ModuleNotFoundError("No module named 'faiss'")

    for name, compare in (("knn", lacking), ("pca", lambda seeds: iter([ROW] * seeds))):
        module = types.ModuleType(name)
        module.compare = compare
        monkeypatch.setitem(sys.modules, f"benchmarks.algorithms.{name}", module)


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["benchmarks.algorithms", *arguments])
    with pytest.raises(SystemExit) as ended:
        command.main()
    return ended.value.code


def test_each_built_in_algorithm_may_be_compared():
    assert {"knn", "pca", "xgboost"} <= set(command.algorithms())
    assert "comparison" not in command.algorithms()


def test_a_peer_that_is_missing_leaves_the_others_be(modules, monkeypatch, capsys):
    assert run(monkeypatch, "knn", "pca", "--seeds", "1") == 1
    table = capsys.readouterr().out.splitlines()[2:]
    assert table == [ROW.row(), "| knn | | not measured | | No module named 'faiss' | | | ✗ |", ROW.row()]


def test_all_that_is_there(modules, monkeypatch, capsys):
    assert run(monkeypatch, "pca", "--seeds", "2") == 0
    assert "pca: 0 s" in capsys.readouterr().err


def test_an_optional_peer_may_be_missing():
    assert Missing("FM", "xlearn is not installed", optional=True).row().endswith("|  |")


def test_results_of_other_algorithms_stay(modules, monkeypatch, tmp_path):
    file = tmp_path / "results" / "some.json"
    for name in ("pca", "knn", "pca"):
        run(monkeypatch, name, "--json", str(file), "--seeds", "2")
    kept = json.loads(file.read_text())
    assert list(kept) == ["knn", "pca"]
    assert kept["pca"]["machine"]["versions"].keys() >= {"wildsage", "numpy", "faiss-cpu"}
    assert [row["ours"] for row in kept["pca"]["rows"]] == [[1, 2], [1, 2]]
    assert kept["knn"]["rows"][1]["reason"] == "No module named 'faiss'"


def test_short_functions_are_measured_more_often():
    calls = []
    ours, theirs = alternate(lambda: calls.append("ours"), lambda: calls.append("theirs"), 2)
    assert len(ours) == len(theirs) == 10
    # One of each to warm up, then in turns, and who begins changes.
    assert calls[:6] == ["ours", "theirs", "ours", "theirs", "theirs", "ours"]
