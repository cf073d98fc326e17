"""Cross validation: folds, models, predictions of rows that were held out."""

import numpy as np
import pytest
import xgboost
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from tests.algorithms.xgboost.support import MODULE, booster, csv, history, invoke, run, split

from wildsage.algorithms.xgboost.cross_validation import Recorder, classified, folds
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.local import LocalContainer


@pytest.fixture
def container(tmp_path):
    return LocalContainer(MODULE, tmp_path)


def predictions(container):
    return np.loadtxt(container.paths.output / "data" / "predictions.csv", delimiter=",")


def test_each_row_is_held_out_once_in_a_round():
    labels = np.repeat([0, 1, 2], [20, 9, 4]).astype(np.float32)
    parts = list(folds(labels, 4, 2, seed=0, stratified=True))
    assert len(parts) == 8
    for one in (parts[:4], parts[4:]):
        assert sorted(np.concatenate([held for _, held in one]).tolist()) == list(range(33))
        for train, held in one:
            assert not np.intersect1d(train, held).size
            assert len(train) + len(held) == 33
            # Every fold has its share of each label.
            counts = np.bincount(labels[held].astype(int), minlength=3)
            assert (np.abs(counts - np.array([5, 9 / 4, 1])) <= 1).all()
    assert not np.array_equal(parts[0][1], parts[4][1])
    again = list(folds(labels, 4, 2, seed=0, stratified=True))
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(parts, again, strict=True))


def test_more_folds_than_rows():
    with pytest.raises(UserError, match="_kfold is 5, but there are 3 rows"):
        list(folds(np.zeros(3, np.float32), 5, 1, 0, stratified=False))


def test_regression_with_the_validation_channel_among_the_rows(container):
    x, y, vx, vy = split(load_diabetes())
    given = {
        "num_round": "20",
        "_kfold": "3",
        "_num_cv_round": "2",
        "max_depth": "3",
        "eta": "0.2",
        "seed": "3",
    }
    code, log = run(container, given, csv(x, y), csv(vx, vy), OMP_NUM_THREADS="1")
    assert code == 0, log
    assert f"Run 2-round of 3-fold cross validation with {len(y) + len(vy)} rows" in log
    assert sorted(path.name for path in container.paths.model.iterdir()) == [
        f"xgboost-model-{n}" for n in range(6)
    ]
    table = predictions(container)
    assert table.shape == (len(y) + len(vy), 2)
    assert np.array_equal(table[:, 0], np.concatenate([y, vy]))
    # By hand: what the model of each fold says of the rows that it has not seen.
    both = np.concatenate([x, vx])
    mean = np.zeros(len(both))
    for number, (_, held) in enumerate(folds(np.concatenate([y, vy]), 3, 2, 3, stratified=False)):
        mean[held] += booster(container, f"xgboost-model-{number}").predict(xgboost.DMatrix(both[held])) / 2
    np.testing.assert_allclose(table[:, 1], mean, atol=1e-4)
    assert np.sqrt(((table[:, 0] - table[:, 1]) ** 2).mean()) < 62
    # A line for each round of each fold, the mean of each round of folds, and that of all.
    lines = [line for line in log.splitlines() if line.startswith("[20]\t")]
    assert len(lines) == 3
    assert len(history(log, "validation-rmse")) == 6 * 20 + 3
    last = [score for number, score in enumerate(history(log, "validation-rmse")) if number % 20 == 19][:3]
    assert history("\n".join(lines), "validation-rmse")[0] == pytest.approx(np.mean(last), abs=1e-4)


def test_the_models_of_all_folds_answer_together(container):
    x, y, vx, vy = split(load_wine())
    given = {"num_round": "8", "_kfold": "4", "objective": "multi:softprob", "num_class": "3"}
    code, log = run(container, given, csv(x, y), OMP_NUM_THREADS="1")
    assert code == 0, log
    parts = [booster(container, f"xgboost-model-{n}").predict(xgboost.DMatrix(vx)) for n in range(4)]
    found = np.array(eval(invoke(container, csv(vx)).decode()))  # lists of numbers
    np.testing.assert_allclose(found, np.mean(parts, axis=0), rtol=1e-5)
    assert (found.argmax(axis=1) == vy).mean() > 0.85
    table = predictions(container)
    assert table.shape == (len(y), 3)
    assert (table[:, 2] == y).mean() > 0.9
    assert table[:, 1].min() > 0.33


def test_checkpoints_of_folds_are_resumed(tmp_path):
    x, y, _, _ = split(load_breast_cancer())
    given = {"objective": "binary:logistic", "_kfold": "2"}
    models = []
    for name, rounds in (("whole", ("4",)), ("resumed", ("2", "4"))):
        container = LocalContainer(MODULE, tmp_path / name)
        container.paths.config.mkdir(parents=True)
        (container.paths.config / "checkpointconfig.json").write_text('{"LocalPath": "/opt/ml/checkpoints"}')
        for count in rounds:
            code, log = run(container, {**given, "num_round": count}, csv(x, y), OMP_NUM_THREADS="1")
            assert code == 0, log
        models.append([booster(container, f"xgboost-model-{n}").predict(xgboost.DMatrix(x)) for n in (0, 1)])
        assert sorted(path.name for path in container.paths.checkpoints.iterdir()) == ["model-0", "model-1"]
    assert log.count("Resuming from iteration 2") == 2
    # What is finished is trained no more, and has its part in the means.
    code, again = run(container, {**given, "num_round": "4"}, csv(x, y), OMP_NUM_THREADS="1")
    assert code == 0, again
    assert history(again, "validation-logloss") == history(log, "validation-logloss")[-1:]
    np.testing.assert_allclose(models[0], models[1], rtol=1e-6)


def test_groups_are_refused(container):
    code, _ = run(container, {"num_round": "1", "_kfold": "2", "objective": "rank:ndcg"},
                  b"1 qid:1 0:1\n0 qid:1 0:2\n", content_type="text/libsvm")  # fmt: skip
    assert code == 2
    assert "_kfold cannot be used with rows that have groups" in container.failure


@pytest.mark.parametrize(
    ("objective", "margins", "classes", "probabilities"),
    [
        ("binary:logistic", [-1, 2], [0, 1], [1 / (1 + np.e), 1 / (1 + np.exp(-2))]),
        ("binary:logitraw", [-1, 2], [0, 1], [1 / (1 + np.e), 1 / (1 + np.exp(-2))]),
        ("binary:hinge", [-1, 2], [0, 1], [0, 1]),
        ("multi:softmax", [[0, 1], [3, 0]], [1, 0], [np.e / (1 + np.e), np.exp(3) / (1 + np.exp(3))]),
    ],
)
def test_classes_and_their_probabilities(objective, margins, classes, probabilities):
    found = classified(objective, np.array(margins, np.float32))
    np.testing.assert_array_equal(found[0], classes)
    np.testing.assert_allclose(found[1], probabilities, rtol=1e-6)


def test_rounds_vote():
    recorder = Recorder(np.array([1, 0], np.float32), 3, "multi:softmax")
    for margins in ([[0, 5, 0], [0, 0, 5]], [[0, 5, 0], [5, 0, 0]], [[0, 0, 5], [5, 0, 0]]):
        recorder.record(np.array([0, 1]), np.array(margins, np.float32), np.zeros(2))
    assert recorder.columns()[:, 2].tolist() == [1, 0]
