"""XGBoost through its container: equal to the library, and held to a floor on real data."""

import json
import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

from wildsage.formats import parquet
from wildsage.formats.protobuf import Record, Tensor, encode_record
from wildsage.formats.recordio import frame_record
from wildsage.formats.recordio_protobuf import write_dense
from wildsage.formats.rows import Rows
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.local import Files, LocalContainer
from wildsage.toolkit.serving import RequestError

xgboost = pytest.importorskip("xgboost")
from wildsage.algorithms.xgboost.model import load_models  # noqa: E402 - after the skip
from wildsage.algorithms.xgboost.serve import BoosterPredictor  # noqa: E402 - after the skip

MODULE = "wildsage.algorithms.xgboost"


def csv(features, *columns) -> bytes:
    rows = np.column_stack([*columns, features]).tolist()
    return "\n".join(",".join(map(repr, row)) for row in rows).encode()


def libsvm(features, labels, first=0) -> bytes:
    lines = (
        f"{label:g} " + " ".join(f"{i + first}:{value!r}" for i, value in enumerate(row) if value)
        for row, label in zip(features.tolist(), labels.tolist(), strict=True)
    )
    return "\n".join(lines).encode()


def split(bunch):
    order = np.random.default_rng(0).permutation(len(bunch.target))
    x, y = bunch.data[order].astype(np.float32), bunch.target[order].astype(np.float32)
    cut = len(y) * 4 // 5
    return x[:cut], y[:cut], x[cut:], y[cut:]


@pytest.fixture
def container(tmp_path):
    return LocalContainer(MODULE, tmp_path)


def run(container, hyperparameters, train, validation=None, content_type="text/csv", **environment):
    channels = {"train": Files(content_type, {"part-0": train})}
    if validation is not None:
        channels["validation"] = Files(content_type, {"part-0": validation})
    container.prepare(hyperparameters, channels)
    return container.train_here(**environment)


def invoke(container, body, accept="text/csv", content_type="text/csv", **environment):
    """Load and predict in this process; the conformance suite does it through a served container."""
    predictor = BoosterPredictor(load_models(container.paths.model), environment)
    return predictor.predict(body, content_type, accept)[0]


def booster(container):
    return xgboost.Booster(model_file=bytearray((container.paths.model / "xgboost-model").read_bytes()))


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
    history = [float(line.split("validation-rmse:")[1]) for line in log.splitlines() if line.startswith("[")
               and "validation-rmse" in line]  # fmt: skip
    best = int(np.argmin(history))
    assert booster(container).num_boosted_rounds() == best + 1 < len(history) < 300
    found = booster(container).predict(xgboost.DMatrix(vx))
    assert np.sqrt(((found - vy) ** 2).mean()) == pytest.approx(min(history), abs=1e-3)
    # Predicting the mean gives about 78.
    assert min(history) < 62


def test_early_stopping_knows_that_more_accuracy_is_better(container):
    x, y, vx, vy = split(load_breast_cancer())
    code, log = run(
        container,
        {"num_round": "60", "objective": "binary:logistic", "early_stopping_rounds": "5", "eval_metric": "accuracy"},
        csv(x, y), csv(vx, vy),
    )  # fmt: skip
    assert code == 0, log
    history = [
        float(line.split("validation-accuracy:")[1])
        for line in log.splitlines()
        if "validation-accuracy:" in line
    ]
    assert booster(container).num_boosted_rounds() == int(np.argmax(history)) + 1
    assert "logloss" not in log


def test_libsvm_is_the_default_and_may_count_from_one(container):
    x, y, vx, vy = split(load_diabetes())
    x[:, 3] = np.where(x[:, 3] > 0, x[:, 3], 0)
    code, log = run(container, {"num_round": "5"}, libsvm(x, y, 1), libsvm(vx, vy, 1), content_type=None)
    assert code == 0, log
    assert f"Train matrix has {len(y)} rows and 10 columns" in log
    missing = np.where(vx == 0, np.nan, vx)
    expected = booster(container).predict(xgboost.DMatrix(missing))
    found = invoke(container, libsvm(vx, vy, 1), content_type="text/libsvm")
    np.testing.assert_allclose(np.array(found.split(b","), float), expected, rtol=1e-6)
    # The numbering of the training data counts, whatever the smallest column of a request is.
    one = invoke(container, b"0 3:0.05", content_type="text/x-libsvm")
    row = np.full((1, 10), np.nan)
    row[0, 2] = 0.05
    assert float(one) == pytest.approx(float(booster(container).predict(xgboost.DMatrix(row))[0]))


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
    assert "Resuming from the checkpoint of round 3" in log
    assert "\n[3]\ttrain-rmse" in log
    np.testing.assert_allclose(models[0], models[1], rtol=1e-6)


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
            "nonnegative for count:poisson: channel 'train' has the label -2",
        ),
        ({"objective": "reg:gamma", "eval_metric": "auc"}, b"1,1\n", "text/csv", "'auc' can only"),
        ({}, b"nan,1\n1,2\n", "text/csv", "Label contains NaN"),
        ({}, b"price,rooms\n1,2\n", "text/csv", "remove the first line"),
        ({}, b"1,2,3\n4,5,6\n", None, "'1,2,3' is not a number; expected: label index:value"),
        ({}, b"PAR1", "parquet", "not a Parquet file that can be read"),
        ({}, b"1,2\n", "text/csv;label_size=2", "exactly one label column"),
        ({}, b"\n", "text/csv", "hold no rows"),
        ({"csv_weights": "1"}, b"1\n2\n", "text/csv", "no second column"),
        ({}, b"1,2\n", "image/png", "'image/png' of channel 'train' is not one of 'text/libsvm'"),
    ],
)
def test_what_the_user_did_wrong_is_said(container, hyperparameters, train, content_type, reason):
    code, log = run(container, {"num_round": "1", **hyperparameters}, train, content_type=content_type)
    assert code == 2, log
    assert reason in container.failure


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory):
    """Two three-class models of the same width, as JSON bytes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0.5)
    parameters = {"objective": "multi:softprob", "num_class": 3, "max_depth": 2}
    boosters = [xgboost.train(parameters | {"eta": eta}, xgboost.DMatrix(x, y), 3) for eta in (0.3, 0.9)]
    return x[:5], boosters


def test_sparse_rows_that_claim_to_be_wide_are_not_unfolded(container, classifiers):
    x, (model, _) = classifiers
    container.paths.model.mkdir(parents=True)
    model.save_model(container.paths.model / "xgboost-model.json")
    wide = Tensor(np.float32([1]), np.uint64([0]), (1 << 31,))
    body = write_dense(x[:1]) + frame_record(encode_record(Record({"values": wide}))) * 3
    with pytest.raises(RequestError, match="the rows have 2147483648 features") as refused:
        invoke(container, body, content_type="application/x-recordio-protobuf")
    assert refused.value.status == 400


def test_an_ensemble_is_averaged_unless_switched_off(container, classifiers):
    x, boosters = classifiers
    container.paths.model.mkdir(parents=True)
    for number, model in enumerate(boosters):
        model.save_model(container.paths.model / f"xgboost-model-{number}.ubj")
    first, second = (model.predict(xgboost.DMatrix(x)) for model in boosters)
    for environment, expected in (
        ({}, (first + second) / 2),
        ({"SAGEMAKER_INFERENCE_ENSEMBLE": "false"}, first),
    ):
        rows = json.loads(invoke(container, csv(x), "application/json", **environment))["predictions"]
        np.testing.assert_allclose([row["score"] for row in rows], expected, rtol=1e-6)


def test_selected_outputs_in_the_order_asked_for(container, classifiers):
    x, (model, _) = classifiers
    container.paths.model.mkdir(parents=True)
    model.save_model(container.paths.model / "xgboost-model.json")
    scores = model.predict(xgboost.DMatrix(x))
    wanted = {"SAGEMAKER_INFERENCE_OUTPUT": "Probabilities, predicted_label,predicted_score"}
    rows = json.loads(invoke(container, csv(x), "application/json", **wanted))["predictions"]
    line = invoke(container, csv(x[:1]), **wanted).decode()
    assert [list(row) for row in rows] == [["probabilities", "predicted_label", "predicted_score"]] * 5
    np.testing.assert_allclose([row["probabilities"] for row in rows], scores, rtol=1e-6)
    assert [row["predicted_label"] for row in rows] == scores.argmax(axis=1).tolist()
    assert np.isnan(rows[0]["predicted_score"])
    assert line == f'"{json.dumps(scores[0].tolist())}",{float(scores[0].argmax())},nan\n'


def test_batch_answers_one_line_a_row(container, classifiers):
    x, (model, _) = classifiers
    container.paths.model.mkdir(parents=True)
    model.save_model(container.paths.model / "xgboost-model.json")
    with container.serve(SAGEMAKER_BATCH="true") as endpoint:
        body = endpoint.invoke(csv(x), "text/csv").body
        lines = [json.loads(line) for line in body.splitlines()]
        np.testing.assert_allclose(lines, model.predict(xgboost.DMatrix(x)), rtol=1e-6)
        assert body.endswith(b"\n")
        assert endpoint.invoke(b"", "text/csv").status == 204
        assert endpoint.invoke(b'{"instances": []}', "application/json").status == 415
        wrong = endpoint.invoke(b"1,2,3,4", "text/csv")
        assert (wrong.status, wrong.body[:35]) == (400, b"Unable to evaluate payload provided")


def test_a_pickled_booster_is_read_and_a_malicious_one_is_not_executed(container, classifiers, tmp_path):
    x, (model, _) = classifiers
    container.paths.model.mkdir(parents=True)
    path = container.paths.model / "xgboost-model"
    for protocol in (2, 4, 5):
        path.write_bytes(pickle.dumps(model, protocol))
        # The label may be sent along to a pickled model.
        rows = json.loads(invoke(container, csv(x, np.zeros(5)), "application/json"))["predictions"]
        np.testing.assert_allclose(
            [row["score"] for row in rows], model.predict(xgboost.DMatrix(x)), rtol=1e-6
        )

    proof = tmp_path / "executed"

    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(proof),)

    path.write_bytes(pickle.dumps({"handle": Malicious()}))
    with pytest.raises(UserError, match="it was not executed"):
        load_models(container.paths.model)
    assert not proof.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"garbage", "cannot be read by XGBoost"),
        (b"\x80\x04garbage", "malformed pickle"),
        (None, "holds no file"),
    ],
)
def test_a_model_that_is_none_ends_the_server(container, content, reason):
    container.paths.model.mkdir(parents=True)
    if content is not None:
        (container.paths.model / "xgboost-model").write_bytes(content)
    with pytest.raises(UserError, match=reason):
        load_models(container.paths.model)
