"""Sample data: the columns that notebooks expect, the same bytes each time, and an honest origin."""

import csv
import io

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from wildsage.samples import datasets
from wildsage.samples.datasets import DATASETS, DatasetUnavailableError

FILES = {key: write for dataset in DATASETS for key, write in dataset.files.items()}


def rows(key):
    return list(csv.reader(io.StringIO(FILES[key]().decode())))


@pytest.mark.parametrize("key", FILES)
def test_each_file_has_the_same_bytes_each_time(key):
    first = FILES[key]()
    assert first == FILES[key]()
    assert first.endswith(b"\n")


def test_origins_can_be_told_in_metadata_and_say_what_is_generated():
    for dataset in DATASETS:
        assert dataset.origin.isascii()
        assert dataset.licence.isascii()
        assert dataset.origin.startswith("generated") or "scikit-learn" in dataset.origin


def test_iris_is_that_of_the_uci_repository():
    found = rows("datasets/tabular/iris/iris.data")
    assert len(found) == 150
    assert found[0] == ["5.1", "3.5", "1.4", "0.2", "Iris-setosa"]
    assert {row[4] for row in found} == {"Iris-setosa", "Iris-versicolor", "Iris-virginica"}


def test_breast_cancer_has_ids_diagnoses_and_thirty_measurements():
    found = rows("datasets/tabular/breast_cancer/wdbc.csv")
    assert {len(row) for row in found} == {32}
    assert [sum(row[1] == letter for row in found) for letter in "MB"] == [212, 357]
    assert found[0][2:4] == ["17.99", "10.38"]


def test_churn_has_the_columns_of_the_example_and_something_to_learn():
    header, *found = rows("datasets/tabular/synthetic/churn.txt")
    assert (header[0], header[3], header[-1], len(header)) == ("State", "Phone", "Churn?", 21)
    churned = np.array([row[-1] == "True." for row in found])
    assert 0.08 < churned.mean() < 0.4
    features = np.array([[row[4] == "yes", row[5] == "yes", float(row[7]), float(row[19])] for row in found])
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    model = LogisticRegression().fit(scaled[:4000], churned[:4000])
    assert roc_auc_score(churned[4000:], model.decision_function(scaled[4000:])) > 0.7


def test_abalone_is_the_same_table_in_both_formats():
    found = rows("datasets/tabular/uci_abalone/abalone.csv")
    assert len(found) == 4177
    assert {row[0] for row in found} == {"M", "F", "I"}
    assert all(1 <= int(row[8]) <= 29 and all(float(value) > 0 for value in row[1:8]) for row in found)
    lines = FILES["datasets/tabular/uci_abalone/abalone.libsvm"]().decode().splitlines()
    assert len(lines) == len(found)
    label, first, *values = lines[0].split()
    assert (label, first) == (found[0][8], f"1:{ {'M': 1, 'F': 2, 'I': 3}[found[0][0]] }")
    assert [float(value.split(":")[1]) for value in values] == pytest.approx(
        [float(value) for value in found[0][1:8]], rel=1e-2
    )


def test_what_needs_scikit_learn_says_so(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(DatasetUnavailableError, match="pip install scikit-learn"):
        datasets._iris()
