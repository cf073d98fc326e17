"""XGBoost through its container: equal to the library, and held to a floor on real data."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import xgboost
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from tests.algorithms.xgboost.support import MODULE, booster, csv, history, invoke, libsvm, run, split

from wildsage.formats import parquet
from wildsage.formats.rows import Rows
from wildsage.toolkit.local import Files, LocalContainer


@pytest.fixture
def container(tmp_path):
    return LocalContainer(MODULE, tmp_path)


def test_a_container_does_not_load_what_it_has_no_use_for(container):
    """The library imports scikit-learn wherever it is installed, which would take most of a start."""
    x, y, *_ = split(load_breast_cancer())
    container.prepare({"num_round": "1"}, {"train": Files("text/csv", {"t": csv(x, y)})})
    done = container.train(PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rpartition("|")[2].strip() for line in done.stdout.splitlines()}
    assert done.returncode == 0, done.stdout
    assert "xgboost.compat" in imported
    assert not any(name.startswith("sklearn.") for name in imported)


def test_equal_to_the_library_and_above_the_floor_on_breast_cancer(container):
    x, y, vx, vy = split(load_breast_cancer())
    code, log = run(
        container,
        {"num_round": "30", "objective": "binary:logistic", "max_depth": "3", "eta": "0.3", "subsample": "0.8",
         "seed": "7", "eval_metric": "logloss,error,accuracy"},
        csv(x, y), csv(vx, vy), OMP_NUM_THREADS="1", WILDSAGE_IMAGE_TAG="1.7-1",
    )  # fmt: skip
    assert code == 0, log
    assert "the image tag 1.7-1 promises 1.7" in log
    assert f"Train matrix has {len(y)} rows and 30 columns" in log
    parameters = {
        "objective": "binary:logistic",
        "max_depth": 3,
        "eta": 0.3,
        "subsample": 0.8,
        "seed": 7,
        "nthread": 1,
    }
    expected = xgboost.train(parameters, xgboost.DMatrix(x, y), 30).predict(xgboost.DMatrix(vx))
    scores = np.array(invoke(container, csv(vx)).decode().split(","), float)
    assert np.array_equal(scores.astype(np.float32), expected)
    body = json.loads(invoke(container, csv(vx[:2]), "application/json"))
    assert body == {"predictions": [{"score": float(score)} for score in expected[:2]]}
    lines = invoke(container, csv(vx[:2]), "application/jsonlines").splitlines()
    assert [json.loads(line) for line in lines] == body["predictions"]
    last = next(line for line in log.splitlines() if line.startswith("[29]\t"))
    error = float(last.split("validation-error:")[1].split()[0])
    assert error == pytest.approx(((expected > 0.5) != vy).mean(), abs=1e-5)
    assert error <= 0.07
    assert f"validation-accuracy:{1 - error:.5f}" in last


def test_regression_floor_and_early_stopping_keep_the_best_round(container):
    x, y, vx, vy = split(load_diabetes())
    code, log = run(
        container,
        {"num_round": "300", "eta": "0.1", "max_depth": "3", "early_stopping_rounds": "10", "eval_metric": "rmse"},
        csv(x, y), csv(vx, vy),
    )  # fmt: skip
    assert code == 0, log
    scores = history(log, "validation-rmse")
    best = int(np.argmin(scores))
    assert booster(container).num_boosted_rounds() == best + 1 < len(scores) < 300
    found = booster(container).predict(xgboost.DMatrix(vx))
    assert np.sqrt(((found - vy) ** 2).mean()) == pytest.approx(min(scores), abs=1e-3)
    # Predicting the mean gives about 78.
    assert min(scores) < 62


def test_early_stopping_knows_that_more_accuracy_is_better(container):
    x, y, vx, vy = split(load_breast_cancer())
    code, log = run(
        container,
        {"num_round": "60", "objective": "binary:logistic", "early_stopping_rounds": "5", "eval_metric": "accuracy"},
        csv(x, y), csv(vx, vy),
    )  # fmt: skip
    assert code == 0, log
    scores = history(log, "validation-accuracy")
    assert booster(container).num_boosted_rounds() == int(np.argmax(scores)) + 1
    # The library's default metric stays where the job asks for none of its own.
    assert len(history(log, "validation-logloss")) == len(scores)


@pytest.mark.parametrize(
    ("given", "channels", "reason"),
    [
        ({"eval_metric": "rmse"}, 1, "the job has no channel 'validation'"),
        ({}, 2, "the job gives no eval_metric"),
    ],
)
def test_early_stopping_that_has_nothing_to_follow_is_told(container, given, channels, reason):
    x, y, vx, vy = split(load_diabetes())
    given = {"num_round": "30", "eta": "1", "early_stopping_rounds": "1", **given}
    code, log = run(container, given, csv(x, y), csv(vx, vy) if channels == 2 else None)
    assert code == 0, log
    assert f"early_stopping_rounds is without effect: {reason}" in log
    assert booster(container).num_boosted_rounds() == 30


GIVEN = {"objective": "binary:logistic", "max_depth": "4", "eta": "0.2", "seed": "11"}
SETTINGS = {
    "trees": {"subsample": "0.7", "colsample_bytree": "0.5"},
    "exact": {"tree_method": "exact", "monotone_constraints": "(1,-1,0)"},
    "hist": {"tree_method": "hist", "max_leaves": "7", "grow_policy": "lossguide", "max_bin": "32"},
    "interaction": {"tree_method": "approx", "interaction_constraints": "[[1,2],[3,4,5]]"},
    "dart": {"booster": "dart", "rate_drop": "0.3", "one_drop": "1", "sample_type": "weighted"},
    "linear": {"booster": "gblinear", "updater": "coord_descent", "lambda": "0.1"},
    "forest": {"num_parallel_tree": "3", "subsample": "0.5"},
    "updater": {"updater": "grow_quantile_histmaker,prune", "deterministic_histogram": "true"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_model_is_the_librarys_byte_for_byte(container, tmp_path, name):
    given = {**GIVEN, **SETTINGS[name]}
    x, y, vx, vy = split(load_breast_cancer())
    code, log = run(container, {**given, "num_round": "6"}, csv(x, y), csv(vx, vy), OMP_NUM_THREADS="1")
    assert code == 0, log
    if "monotone_constraints" in given:
        given["monotone_constraints"] = "(1, -1, 0)"
    if "interaction_constraints" in given:
        given["interaction_constraints"] = "[[1, 2], [3, 4, 5]]"
    train, validation = xgboost.DMatrix(x, y), xgboost.DMatrix(vx, vy)
    evals = [(train, "train"), (validation, "validation")]
    model = xgboost.train({**given, "nthread": 1}, train, 6, evals=evals, verbose_eval=False)
    model.save_model(tmp_path / "by-hand.ubj")
    assert (container.paths.model / "xgboost-model").read_bytes() == (tmp_path / "by-hand.ubj").read_bytes()


def test_early_stopping_gives_the_librarys_model_too(container, tmp_path):
    x, y, vx, vy = split(load_diabetes())
    given = {"eta": "0.3", "max_depth": "3"}
    assert run(container, {**given, "num_round": "99", "early_stopping_rounds": "4", "eval_metric": "mae"},
               csv(x, y), csv(vx, vy), OMP_NUM_THREADS="1")[0] == 0  # fmt: skip
    train, validation = xgboost.DMatrix(x, y), xgboost.DMatrix(vx, vy)
    stop = xgboost.callback.EarlyStopping(
        rounds=4, metric_name="mae", data_name="validation", maximize=False, save_best=True
    )
    evals = [(train, "train"), (validation, "validation")]
    given |= {"nthread": 1, "eval_metric": "mae"}
    model = xgboost.train(given, train, 99, evals=evals, callbacks=[stop], verbose_eval=False)
    model.save_model(tmp_path / "by-hand.ubj")
    assert (container.paths.model / "xgboost-model").read_bytes() == (tmp_path / "by-hand.ubj").read_bytes()


def test_a_linear_model_keeps_its_best_round(container):
    x, y, vx, vy = split(load_diabetes())
    code, log = run(
        container,
        {"num_round": "60", "booster": "gblinear", "eta": "1", "early_stopping_rounds": "3", "eval_metric": "rmse"},
        csv(x, y), csv(vx, vy), OMP_NUM_THREADS="1",
    )  # fmt: skip
    assert code == 0, log
    found = booster(container).predict(xgboost.DMatrix(vx))
    scores = history(log, "validation-rmse")
    assert np.sqrt(((found - vy) ** 2).mean()) == pytest.approx(min(scores), abs=1e-3)


def test_the_tuning_objective_is_evaluated_and_followed(container):
    x, y, vx, vy = split(load_wine())
    code, log = run(
        container,
        {"num_round": "40", "objective": "multi:softprob", "num_class": "3", "eval_metric": "merror,mlogloss",
         "early_stopping_rounds": "3", "_tuning_objective_metric": "validation:f1_macro"},
        csv(x, y), csv(vx, vy),
    )  # fmt: skip
    assert code == 0, log
    scores = history(log, "validation-f1_macro")
    assert booster(container).num_boosted_rounds() == int(np.argmax(scores)) + 1
    assert log.count("\tvalidation-merror:") == log.count("\tvalidation-mlogloss:") == len(scores)


def test_libsvm_is_the_default_and_columns_have_the_numbers_of_the_text(container):
    x, y, vx, vy = split(load_diabetes())
    x[:, 3] = np.where(x[:, 3] > 0, x[:, 3], 0)
    code, log = run(container, {"num_round": "5"}, libsvm(x, y, 1), libsvm(vx, vy, 1), content_type=None)
    assert code == 0, log
    assert f"Train matrix has {len(y)} rows and 11 columns" in log
    missing = np.column_stack([np.full(len(vx), np.nan), np.where(vx == 0, np.nan, vx)])
    expected = booster(container).predict(xgboost.DMatrix(missing))
    found = invoke(container, libsvm(vx, vy, 1), content_type="text/libsvm")
    np.testing.assert_allclose(np.array(found.split(b","), float), expected, rtol=1e-6)
    one = invoke(container, b"0 3:0.05", content_type="text/x-libsvm")
    row = np.full((1, 11), np.nan)
    row[0, 3] = 0.05
    assert float(one) == pytest.approx(float(booster(container).predict(xgboost.DMatrix(row))[0]))


def test_libsvm_that_counts_from_one_is_understood_by_a_model_that_counts_from_zero(container):
    x, y, vx, _ = split(load_diabetes())
    assert run(container, {"num_round": "5"}, csv(x, y))[0] == 0
    expected = invoke(container, csv(vx))
    for first in (0, 1):
        assert invoke(container, libsvm(vx, vx[:, 0], first), content_type="libsvm") == expected


def test_queries_of_a_ranking_reach_the_library(container):
    rng = np.random.default_rng(0)
    x, groups = rng.normal(size=(120, 3)).astype(np.float32), np.repeat(np.arange(12), 10)
    y = np.digitize(x[:, 0] + rng.normal(size=120) * 0.1, [-0.5, 0.5]).astype(np.float32)
    lines = [line.replace(b" ", f" qid:{group} ".encode(), 1)
             for line, group in zip(libsvm(x, y).splitlines(), groups, strict=True)]  # fmt: skip
    given = {"objective": "rank:ndcg", "num_round": "4", "eval_metric": "ndcg@5"}
    code, log = run(container, given, b"\n".join(lines), content_type="text/libsvm", OMP_NUM_THREADS="1")
    assert code == 0, log
    # A sparse matrix leaves nothing out here but is, to the library, another one.
    expected = xgboost.train({"objective": "rank:ndcg", "nthread": 1}, xgboost.DMatrix(x, y, qid=groups), 4)
    np.testing.assert_allclose(
        booster(container).predict(xgboost.DMatrix(x)), expected.predict(xgboost.DMatrix(x)), rtol=1e-5
    )
    assert history(log, "train-ndcg@5")[-1] > 0.9
    shuffled = b"\n".join(rng.permutation(lines))
    assert run(container, given, shuffled, content_type="text/libsvm")[0] == 2
    assert "The rows of a query (qid) must follow each other" in container.failure


def test_weights_of_csv_rows_count(container):
    x, y, _, _ = split(load_diabetes())
    weights = np.where(y > 150, 10.0, 1.0)
    assert run(container, {"num_round": "3", "csv_weights": "1"}, csv(x, y, weights))[0] == 0
    expected = xgboost.train({}, xgboost.DMatrix(x, y, weight=weights), 3).predict(xgboost.DMatrix(x))
    np.testing.assert_allclose(booster(container).predict(xgboost.DMatrix(x)), expected, rtol=1e-5)


def test_empty_fields_are_missing_values(container):
    x, y, _, _ = split(load_diabetes())
    x[::3, 2] = np.nan
    text = csv(x, y).replace(b"nan", b"")
    assert run(container, {"num_round": "3"}, text)[0] == 0
    expected = xgboost.train({}, xgboost.DMatrix(x, y), 3).predict(xgboost.DMatrix(x))
    found = invoke(container, csv(x).replace(b"nan", b""))
    np.testing.assert_allclose(np.array(found.split(b","), float), expected, rtol=1e-5)


def test_parquet_is_read_as_csv_is(container):
    x, y, _, _ = split(load_diabetes())
    x[::3, 2] = np.nan
    rows = Rows(x, y[:, np.newaxis])
    assert run(container, {"num_round": "3"}, parquet.write_rows(rows), None, "application/x-parquet")[0] == 0
    expected = xgboost.train({}, xgboost.DMatrix(x, y), 3).predict(xgboost.DMatrix(x))
    np.testing.assert_allclose(booster(container).predict(xgboost.DMatrix(x)), expected, rtol=1e-5)


def test_a_checkpoint_is_resumed_to_the_same_model(tmp_path):
    x, y, _, _ = split(load_diabetes())
    models = []
    for name, rounds in (("whole", ("8",)), ("resumed", ("3", "8"))):
        container = LocalContainer(MODULE, tmp_path / name)
        container.paths.config.mkdir(parents=True)
        (container.paths.config / "checkpointconfig.json").write_text('{"LocalPath": "/opt/ml/checkpoints"}')
        for count in rounds:
            code, log = run(container, {"num_round": count}, csv(x, y))
            assert code == 0, log
        models.append(booster(container).predict(xgboost.DMatrix(x)))
        assert sorted(path.name for path in container.paths.checkpoints.iterdir()) == [
            f"xgboost-checkpoint.{number}" for number in range(3, 8)
        ]
    assert "Resuming from iteration 3" in log
    assert "\n[3]\ttrain-rmse" in log
    np.testing.assert_allclose(models[0], models[1], rtol=1e-6)


UPDATE = {"process_type": "update", "updater": "refresh,prune"}


def test_trees_of_a_checkpoint_are_updated(container):
    x, y, _, _ = split(load_diabetes())
    container.paths.config.mkdir(parents=True)
    (container.paths.config / "checkpointconfig.json").write_text('{"LocalPath": "/opt/ml/checkpoints"}')
    assert run(container, {"num_round": "3"}, csv(x, y))[0] == 0
    code, log = run(container, UPDATE | {"num_round": "6"}, csv(x, y))
    assert code == 0, log
    assert booster(container).num_boosted_rounds() == 3
    assert run(container, UPDATE | {"num_round": "10"}, csv(x, y))[0] == 2
    assert "boosting rounds can not exceed previous training rounds" in container.failure


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (UPDATE, "'process_type'"),
        ({"process_type": "update"}, "'process_type'"),
        ({"updater": "refresh"}, "Set `process_type` to `update`"),
        ({"tree_method": "exact", "max_depth": "0"}, "max_depth"),
        (
            {"tree_method": "exact", "sampling_method": "gradient_based", "subsample": "0.5"},
            "sampling_method",
        ),
        ({"max_bin": "1"}, "max_bin"),
        ({"max_leaves": "99999999999"}, "max_leaves"),
        ({"max_delta_step": "1e39"}, "max_delta_step"),
        ({"scale_pos_weight": "1e39"}, "scale_pos_weight"),
    ],
)
def test_settings_that_cannot_work_are_the_users_mistakes(container, given, named):
    x, y, _, _ = split(load_diabetes())
    code, log = run(container, {"num_round": "2", **given}, csv(x, y))
    assert code == 2, log
    assert named in container.failure


def test_early_stopping_follows_a_metric_with_a_number(container):
    x, y, vx, vy = split(load_diabetes())
    given = {"num_round": "200", "eval_metric": "tweedie-nloglik@1.2", "objective": "reg:tweedie"}
    code, log = run(container, given | {"early_stopping_rounds": "2"}, csv(x, y), csv(vx, vy))
    assert code == 0, log
    losses = history(log, "validation-tweedie-nloglik")
    assert len(losses) < 200
    assert booster(container).num_boosted_rounds() == int(np.argmin(losses)) + 1


def test_sigterm_keeps_the_model_where_the_user_wishes_so(container):
    x, y, _, _ = split(load_diabetes())
    container.prepare(
        {"num_round": "1000000", "save_model_on_termination": "true"},
        {"train": Files("text/csv", {"a": csv(x, y)})},
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "wildsage.toolkit", "train", MODULE],
        env={"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(container.paths.base)},
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("[3]"):
            # The model of the round before is there already, should this round not end in time.
            assert booster(container).num_boosted_rounds() >= 3
            process.send_signal(signal.SIGTERM)
            break
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert booster(container).num_boosted_rounds() >= 4


@pytest.mark.parametrize(
    ("hyperparameters", "train", "content_type", "reason"),
    [
        ({"objective": "binary:logistic"}, b"2,1\n3,2\n", "text/csv", "label must be in [0,1]"),
        (
            {"objective": "multi:softmax", "num_class": "2"},
            b"2,1\n3,2\n",
            "text/csv",
            "label must be in [0, num_class)",
        ),
        (
            {"objective": "count:poisson"},
            b"-2,1\n3,2\n",
            "text/csv",
            "nonnegative for count:poisson: channel 'train' has the label -2 in row 1",
        ),
        ({"objective": "reg:gamma", "eval_metric": "auc"}, b"1,1\n", "text/csv", "'auc' can only"),
        (
            {"eval_metric": "accuracy"},
            b"3,1\n1,2\n",
            "text/csv",
            "needs labels from 0 to 1, but there is the label 3",
        ),
        ({"objective": "aft_loss_distribution"}, b"3,1\n1,2\n", "text/csv", "Unknown objective function"),
        (
            {"objective": "rank:ndcg", "eval_metric": "map"},
            b"3,1\n1,2\n",
            "text/csv",
            "map can only be used with binary",
        ),
        ({"updater": "grow_skmaker"}, b"3,1\n1,2\n", "text/csv", "Unknown tree updater grow_skmaker"),
        (
            {"use_dask_gpu_training": "true"},
            b"1,1\n",
            "text/csv",
            "Dask training is only available for `hist`",
        ),
        ({}, b"nan,1\n1,2\n", "text/csv", "Label contains NaN"),
        ({}, b"price,rooms\n1,2\n", "text/csv", "remove the first line"),
        ({}, b"1,2,3\n4,5,6\n", None, "'1,2,3' is not a number; expected: label index:value"),
        ({}, b"PAR1", "parquet", "not a Parquet file that can be read"),
        ({}, b"1,2\n", "text/csv;label_size=2", "label_size must be 1"),
        ({}, b"\n", "text/csv", "hold no rows"),
        ({"csv_weights": "1"}, b"1\n2\n", "text/csv", "no second column"),
        ({}, b"1,2\n", "image/png", "'image/png' of channel 'train' is not one of 'text/libsvm'"),
    ],
)
def test_what_the_user_did_wrong_is_said(container, hyperparameters, train, content_type, reason):
    code, log = run(container, {"num_round": "1", **hyperparameters}, train, content_type=content_type)
    assert code == 2, log
    assert reason in container.failure


def test_equal_files_of_both_channels_are_told(container):
    container.prepare(
        {"num_round": "1"},
        {name: Files("text/csv", {"a": b"1,2\n3,4\n"}) for name in ("train", "validation")},
    )
    code, log = container.train_here()
    assert code == 0, log
    assert "Suspected identical files found: a is in the channels train and validation" in log
