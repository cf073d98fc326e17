"""What an endpoint of XGBoost answers: types, statuses, columns, several models."""

import json

import numpy as np
import pytest
import xgboost
from tests.algorithms.xgboost.support import MODULE, csv, invoke

from wildsage.algorithms.xgboost.model import load_models
from wildsage.formats.content_types import JSON, JSON_LINES, RECORDIO_PROTOBUF
from wildsage.formats.protobuf import Record, Tensor, decode_record, encode_record
from wildsage.formats.recordio import frame_record, read_records
from wildsage.formats.recordio_protobuf import write_dense
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.local import LocalContainer
from wildsage.toolkit.serving import RequestError


@pytest.fixture
def container(tmp_path):
    return LocalContainer(MODULE, tmp_path)


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
    saved(container, model)
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


def saved(container, *models):
    container.paths.model.mkdir(parents=True)
    for number, model in enumerate(models):
        model.save_model(container.paths.model / f"xgboost-model-{number}.json")


def test_selected_outputs_in_the_order_asked_for(container, classifiers):
    x, (model, _) = classifiers
    saved(container, model)
    scores = model.predict(xgboost.DMatrix(x))
    wanted = {"SAGEMAKER_INFERENCE_OUTPUT": "Probabilities, predicted_label,predicted_score"}
    rows = json.loads(invoke(container, csv(x), JSON, **wanted))["predictions"]
    assert [list(row) for row in rows] == [["probabilities", "predicted_label", "predicted_score"]] * 5
    np.testing.assert_allclose([row["probabilities"] for row in rows], scores, rtol=1e-6)
    assert [row["predicted_label"] for row in rows] == scores.argmax(axis=1).tolist()
    assert np.isnan(rows[0]["predicted_score"])
    lines = [f'"{row.tolist()}",{row.argmax()},nan' for row in scores[:2]]
    assert invoke(container, csv(x[:2]), **wanted).decode() == "\n".join(lines)
    assert invoke(container, csv(x[:2]), SAGEMAKER_BATCH="true", **wanted).decode() == "\n".join([*lines, ""])
    assert [json.loads(line) for line in invoke(container, csv(x), JSON_LINES, **wanted).splitlines()][
        1
    ].keys() == rows[1].keys()
    records = [
        decode_record(part) for part in read_records(invoke(container, csv(x), RECORDIO_PROTOBUF, **wanted))
    ]
    np.testing.assert_allclose(
        [record.label["probabilities"].values for record in records], scores, rtol=1e-6
    )


EXPECTED = {
    "reg:squarederror": {"predicted_score": lambda p: p},
    "reg:logistic": {"predicted_score": lambda p: p},
    "reg:gamma": {"predicted_score": lambda p: p},
    "reg:absoluteerror": {"predicted_score": lambda p: p},
    "reg:tweedie": {"predicted_score": lambda p: p},
    "binary:logistic": {
        "predicted_label": lambda p: int(p > 0.5), "labels": lambda p: [0, 1], "probability": lambda p: p,
        "probabilities": lambda p: [1.0 - p, p], "raw_score": lambda p: p, "raw_scores": lambda p: [1.0 - p, p],
    },
    "binary:logitraw": {
        "predicted_label": lambda p: int(p > 0), "labels": lambda p: [0, 1], "raw_score": lambda p: p,
        "raw_scores": lambda p: [1.0 - p, p],
    },
    "binary:hinge": {
        "predicted_label": lambda p: p, "labels": lambda p: [0, 1], "raw_score": lambda p: p,
        "raw_scores": lambda p: [1.0 - p, p],
    },
    "multi:softmax": {
        "predicted_label": lambda p: p, "labels": lambda p: [0, 1, 2], "raw_score": lambda p: p,
        "raw_scores": lambda p: [1.0 - p, p],
    },
    "multi:softprob": {
        "predicted_label": lambda p: p.index(max(p)), "labels": lambda p: [0, 1, 2], "probability": max,
        "probabilities": lambda p: p, "raw_score": max, "raw_scores": lambda p: p,
    },
}  # fmt: skip
KEYS = (
    "predicted_label",
    "labels",
    "probability",
    "probabilities",
    "raw_score",
    "raw_scores",
    "predicted_score",
)


@pytest.mark.parametrize("objective", EXPECTED)
def test_every_key_of_every_objective(container, objective):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    y = np.digitize(x[:, 0], [-0.4, 0.4]) if objective.startswith("multi") else (x[:, 0] > 0)
    given = {"objective": objective} | ({"num_class": 3} if objective.startswith("multi") else {})
    model = xgboost.train(given, xgboost.DMatrix(x, y.astype(int) + (objective == "reg:gamma")), 3)
    saved(container, model)
    rows = json.loads(invoke(container, csv(x), JSON, SAGEMAKER_INFERENCE_OUTPUT=",".join(KEYS)))[
        "predictions"
    ]
    for row, predicted in zip(rows, model.predict(xgboost.DMatrix(x)).tolist(), strict=True):
        assert list(row) == list(KEYS)
        for key, value in row.items():
            expected = EXPECTED[objective].get(key)
            assert np.isnan(value) if expected is None else value == expected(predicted), key


def test_other_objectives_have_no_selected_outputs(container):
    x = np.arange(8, dtype=np.float32).reshape(-1, 1)
    saved(container, xgboost.train({"objective": "count:poisson"}, xgboost.DMatrix(x, x[:, 0]), 1))
    with pytest.raises(RequestError, match="unsupported for selectable inference") as refused:
        invoke(container, b"1", SAGEMAKER_INFERENCE_OUTPUT="predicted_score")
    assert refused.value.status == 500


@pytest.mark.parametrize(
    ("content_type", "body", "status", "reason"),
    [
        ("text/csv;label_size=0", b"1,2,3", 415, "label_size must be equal to 1"),
        ("application/x-parquet", b"PAR1", 415, "is not supported"),
        (
            "text/csv",
            b"1,2,x",
            415,
            "Loading csv data failed with Exception, please ensure data is in csv format",
        ),
        ("text/libsvm", b"1 2", 415, "please ensure data is in libsvm format"),
        ("application/x-recordio-protobuf", b"1,2", 415, "please ensure data is in recordio-protobuf format"),
        ("text/csv", b"1,2", 400, "the rows have 2 features, the model was trained with 3"),
        ("text/libsvm", b"1 7:2", 400, "the rows have 7 features"),
    ],
)
def test_statuses_of_requests_that_cannot_be_answered(
    container, classifiers, content_type, body, status, reason
):
    saved(container, classifiers[1][0])
    with pytest.raises(RequestError, match=reason) as refused:
        invoke(container, body, content_type=content_type)
    assert refused.value.status == status


def test_a_request_without_rows_has_an_empty_answer_whatever_its_type(container, classifiers):
    saved(container, classifiers[1][0])
    assert invoke(container, b"", content_type="image/png") == b""


def test_short_names_and_other_delimiters(container, classifiers):
    x, (model, _) = classifiers
    saved(container, model)
    expected = invoke(container, csv(x))
    for body in (csv(x).replace(b",", b"\t"), csv(x).replace(b",", b";"), csv(x) + b"\n\n"):
        assert invoke(container, body, content_type="csv; label_size=1") == expected
    assert invoke(container, write_dense(x), content_type="recordio-protobuf") == expected


def test_models_that_vote(container):
    x = np.arange(40, dtype=np.float32).reshape(-1, 1)
    cuts = (10, 20, 30)
    saved(
        container,
        *(
            xgboost.train({"objective": "binary:hinge"}, xgboost.DMatrix(x, x[:, 0] >= cut), 5)
            for cut in cuts
        ),
    )
    votes = np.array(invoke(container, csv(x)).split(b","), float)
    assert votes.tolist() == (x[:, 0] >= 20).tolist()


def test_models_that_do_not_fit_together_are_named(container, classifiers):
    x = np.zeros((2, 2), np.float32)
    saved(container, classifiers[1][0], xgboost.train({}, xgboost.DMatrix(x, [1, 2]), 1))
    with pytest.raises(
        UserError, match=r"xgboost-model-0.json .* and xgboost-model-1.json .* cannot answer together"
    ):
        load_models(container.paths.model)
    assert load_models(container.paths.model, ensemble=False).feature_dim == 3


def test_batch_answers_one_line_a_row(container, classifiers):
    x, (model, _) = classifiers
    container.paths.model.mkdir(parents=True)
    model.save_model(container.paths.model / "xgboost-model.json")
    with container.serve(SAGEMAKER_BATCH="true") as endpoint:
        body = endpoint.invoke(csv(x), "text/csv").body
        lines = [json.loads(line) for line in body.splitlines()]
        np.testing.assert_allclose(lines, model.predict(xgboost.DMatrix(x)), rtol=1e-6)
        assert body.endswith(b"\n")
        assert endpoint.invoke(csv(x), "text/csv", "application/json").body == body
        assert endpoint.invoke(b"", "text/csv").status == 204
        assert endpoint.invoke(b'{"instances": []}', "application/json").status == 415
        wrong = endpoint.invoke(b"1,2,3,4", "text/csv")
        assert (wrong.status, wrong.body[:35]) == (400, b"Unable to evaluate payload provided")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"garbage", "is no XGBoost model"),
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
