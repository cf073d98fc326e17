"""Factorization Machines through their container, as the SDK uses them."""

import json
import re

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from tests.algorithms.factorization_machines.data import digits, ratings

from wildsage.algorithms.factorization_machines import SPEC, FactorizationMachines
from wildsage.algorithms.factorization_machines.artifact import decode, encode
from wildsage.algorithms.factorization_machines.machine import Machine
from wildsage.formats.recordio_protobuf import write_dense, write_sparse
from wildsage.formats.sparse import SparseRows, from_dense, take_rows
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.local import Files, LocalContainer, loopback_addresses, train_together

MODULE = "wildsage.algorithms.factorization_machines"
TRAIN, TEST = digits()
ROWS, LABELS = ratings()
# What sagemaker.FactorizationMachines(num_factors=..., predictor_type=...).fit(record_set) sends.
SENT = {"num_factors": "4", "feature_dim": "80", "mini_batch_size": "100", "predictor_type": "regressor"}
DIGITS = {"num_factors": "8", "feature_dim": "64", "predictor_type": "binary_classifier"}


@pytest.fixture
def container(tmp_path):
    return LocalContainer(MODULE, tmp_path)


def sparse(first=0, last=6000, step=1):
    return write_sparse(take_rows(ROWS, np.arange(first, last, step)), LABELS[first:last:step])


def model_of(container):
    return decode((container.paths.model / "model_algo-1").read_bytes(), "model_algo-1")[0]


def split(part):
    return (take_rows(ROWS, part), LABELS[part])


def metric(log, name):
    pattern = next(metric.pattern for metric in SPEC.metrics if metric.name == name)
    return [float(found) for found in re.findall(pattern, log)]


def test_the_job_of_the_sdk(container):
    channels = {
        "train": Files(None, {"matrix_0.pbr": sparse(0, 5000)}),
        "test": Files(None, {"matrix_0.pbr": sparse(5000)}),
    }
    container.prepare(SENT | {"epochs": "20", "factors_lr": "0.02", "linear_lr": "0.02"}, channels)
    code, log = container.train_here()
    assert code == 0, log
    (rmse,) = metric(log, "test:rmse")
    # The noise has a deviation of 0.1; no linear model comes below 1.
    linear = Ridge().fit(ROWS.dense()[:5000], LABELS[:5000])
    assert rmse < 0.2 < np.std(LABELS[5000:] - linear.predict(ROWS.dense()[5000:]))
    assert {metric.name for metric in SPEC.metrics if re.search(metric.pattern, log)} == {
        *(f"{phase}:{name}" for phase in ("train", "test") for name in ("rmse", "mse", "absolute_loss")),
        "train:progress",
        "train:throughput",
    }
    assert len(metric(log, "train:rmse")) == 20
    assert metric(log, "test:mse") == [pytest.approx(rmse**2)]
    assert f"#test_score (algo-1) : ('rmse', {rmse})" in log
    assert "epoch=0, batch=0 train absolute_loss <loss>=" in log
    assert model_of(container).weights.shape == (80, 5)


def test_metrics_of_classification(container):
    data = {name: Files(None, {"a": write_dense(*part)}) for name, part in (("train", TRAIN), ("test", TEST))}
    container.prepare(DIGITS | {"epochs": "3"}, data)
    code, log = container.train_here()
    assert code == 0, log
    for name in ("binary_classification_accuracy", "binary_classification_cross_entropy", "binary_f_beta"):
        assert len(metric(log, f"test:{name}")) == 1
        assert len(metric(log, f"train:{name}")) == 3
    assert metric(log, "train:rmse") == []
    assert "test binary_f_1.000 <score>=" in log


@pytest.mark.parametrize("seed", range(3))
def test_the_defaults_learn_small_data_in_one_epoch(seed):
    (rows, labels), (test, wanted) = digits(seed)
    model = FactorizationMachines(num_factors=8, predictor_type="binary_classifier").fit(rows, labels)
    found = roc_auc_score(wanted, model.predict(test)["score"])
    linear = LogisticRegression(max_iter=500).fit(rows, labels)
    assert found > roc_auc_score(wanted, linear.decision_function(test)) - 0.05


@pytest.mark.parametrize("seed", range(3))
def test_what_a_linear_model_cannot_tell_is_learnt(seed):
    (rows, labels), (test, wanted) = digits(seed)
    model = FactorizationMachines(
        num_factors=8, predictor_type="binary_classifier", epochs=100, linear_lr=0.01, factors_lr=0.01
    )
    found = roc_auc_score(wanted, model.fit(rows, labels).predict(test)["score"])
    linear = LogisticRegression(max_iter=500).fit(rows, labels)
    assert found > roc_auc_score(wanted, linear.decision_function(test)) + 0.005


def test_labels_far_from_zero_are_no_trouble():
    rows, labels = split(slice(5000))
    settings = {"num_factors": 2, "predictor_type": "regressor"}
    near = FactorizationMachines(**settings).fit(rows.dense(), labels).predict(ROWS.dense()[5000:])["score"]
    far = FactorizationMachines(**settings).fit(rows.dense(), labels * 1000 + 1e5)
    scores = (far.predict(ROWS.dense()[5000:])["score"] - 1e5) / 1000
    assert np.std(scores - LABELS[5000:]) < 1.02 * np.std(near - LABELS[5000:]) < 0.95 * np.std(LABELS)


def test_sparse_and_dense_records_give_the_same_model(tmp_path):
    models = []
    for name, data in (("dense", write_dense), ("sparse", lambda x, y: write_sparse(from_dense(x), y))):
        container = LocalContainer(MODULE, tmp_path / name)
        container.prepare(DIGITS, {"train": Files(None, {"a": data(*TRAIN)})})
        assert container.train_here()[0] == 0, container.failure
        models.append(model_of(container))
    np.testing.assert_allclose(models[0].weights, models[1].weights, atol=2e-4)


def test_the_order_of_a_rows_keys_and_their_splitting_make_no_difference(tmp_path):
    models = []
    turned = ROWS.columns.reshape(-1, 2)[:, ::-1].reshape(-1)
    halves = SparseRows(ROWS.starts * 2, turned.repeat(2), np.full(24000, 0.5, np.float32), 80)
    for name, rows in (("as it is", ROWS), ("otherwise", halves)):
        container = LocalContainer(MODULE, tmp_path / name)
        container.prepare(SENT, {"train": Files(None, {"a": write_sparse(rows, LABELS)})})
        assert container.train_here()[0] == 0, container.failure
        models.append(model_of(container))
    np.testing.assert_allclose(models[0].weights, models[1].weights, atol=1e-5)


def test_two_hosts_find_what_one_finds(tmp_path):
    hosts = loopback_addresses(2)
    changed = {"epochs": "3", "factors_lr": "0.01", "linear_lr": "0.01"}
    test = Files(None, {"a": sparse(5000)})
    containers = [LocalContainer(MODULE, tmp_path / host) for host in hosts]
    for number, container in enumerate(containers):
        train = Files(None, {"part": sparse((0, 4000)[number], (4000, 5000)[number])})  # one has more
        container.prepare(SENT | changed, {"train": train, "test": test}, hosts, current=number)
    done = train_together(containers)
    assert [each.returncode for each in done] == [0, 0], done[0].stdout + done[1].stdout
    assert list(containers[1].paths.model.iterdir()) == []
    alone = LocalContainer(MODULE, tmp_path / "alone")
    alone.prepare(SENT | changed, {"train": Files(None, {"a": sparse(0, 5000)}), "test": test})
    log = alone.train_here()[1]
    assert metric(done[0].stdout, "test:rmse")[0] < 1.03 * metric(log, "test:rmse")[0]


def test_a_host_without_objects_takes_part(tmp_path):
    hosts = loopback_addresses(2)
    containers = [LocalContainer(MODULE, tmp_path / host) for host in hosts]
    for number, container in enumerate(containers):
        files = {"part": sparse(0, 1000)} if number else {}
        container.prepare(SENT, {"train": Files(None, files)}, hosts, current=number)
        (container.paths.data / "train").mkdir(parents=True, exist_ok=True)
    done = train_together(containers)
    assert [each.returncode for each in done] == [0, 0], done[0].stdout + done[1].stdout
    assert model_of(containers[0]).weights.shape == (80, 5)


def test_initialisers_and_rates_of_zero(container):
    frozen = {f"{term}_lr": "0" for term in ("bias", "linear", "factors")}
    starts = {"bias_init_method": "constant", "bias_init_value": "2.5", "linear_init_method": "uniform"}
    starts |= {"linear_init_scale": "0.25", "factors_init_method": "constant", "factors_init_value": "0.125"}
    container.prepare(SENT | frozen | starts, {"train": Files(None, {"a": sparse(0, 500)})})
    assert container.train_here()[0] == 0, container.failure
    model = model_of(container)
    assert model.bias == 2.5
    assert np.all(model.weights[:, 1:] == 0.125)
    assert 0.2 < np.abs(model.weights[:, 0]).max() <= 0.25


@pytest.mark.parametrize(
    ("changed", "labels", "reason"),
    [
        ({"feature_dim": "70"}, LABELS, "has 80 features, but the hyperparameter feature_dim is 70"),
        ({"predictor_type": "binary_classifier"}, LABELS, "a binary_classifier takes 0 and 1"),
        ({"predictor_type": "ranker"}, LABELS, "one of the following: 'binary_classifier', 'regressor'"),
        ({"linear_init_method": "uniform"}, LABELS, "which needs linear_init_scale: give it a value"),
        ({"bias_init_method": "constant"}, LABELS, "which needs bias_init_value: give it a value"),
        ({"factors_lr": "-1"}, LABELS, "for the 'factors_lr' hyperparameter"),
        ({}, None, "Every record needs one label; found 0"),
    ],
)
def test_what_the_user_did_wrong_is_said(container, changed, labels, reason):
    container.prepare(SENT | changed, {"train": Files(None, {"a": write_sparse(ROWS, labels)})})
    assert container.train_here()[0] == 2
    assert reason in container.failure


def test_a_key_beyond_the_width_is_the_users_mistake(container):
    wide = SparseRows(ROWS.starts, np.where(ROWS.columns == 79, 80, ROWS.columns), ROWS.values, 80)
    container.prepare(SENT, {"train": Files(None, {"a": write_sparse(wide, LABELS)})})
    assert container.train_here()[0] == 2
    assert "Unable to read data channel 'train'" in container.failure


def test_csv_is_refused(container):
    container.prepare(SENT, {"train": Files("text/csv", {"a": b"1,2,3\n"})})
    assert container.train_here()[0] == 2
    assert "The content type 'text/csv' of channel 'train' is not one of" in container.failure


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid:RuntimeWarning")
@pytest.mark.parametrize(
    ("rows", "what"), [(6000, "The loss of batch 1 in epoch 0"), (1, "The last step's result")]
)
def test_training_that_diverges_names_the_learning_rates(container, rows, what):
    container.prepare(SENT | {"factors_lr": "1e39"}, {"train": Files(None, {"a": sparse(0, rows)})})
    assert container.train_here()[0] == 1
    assert f"{what} is " in container.failure
    assert "training has diverged" in container.failure
    assert "bias_lr (0.1), linear_lr (0.001), factors_lr (1e+39)" in container.failure


def served(container, kind):
    container.paths.model.mkdir(parents=True)
    weights = np.float32([[1, 1], [2, 1], [-3, 2]])
    parameters = {"feature_dim": 3, "num_factors": 1, "predictor_type": kind}
    (container.paths.model / "model_algo-1").write_bytes(encode(Machine(-1.0, weights), parameters))
    return container.serve()


def test_answers_of_a_regressor(container):
    with served(container, "regressor") as endpoint:
        body = {
            "instances": [
                {"features": [1, 1, 0]},
                {"data": {"features": {"keys": [2, 0], "shape": [3], "values": [1, 2]}}},
            ]
        }
        answer = endpoint.invoke(json.dumps(body).encode(), "application/json")
        assert json.loads(answer.body) == {"predictions": [{"score": 3.0}, {"score": 2.0}]}
        answer = endpoint.invoke(b'{"features": [1, 1, 0]}', "application/jsonlines", "application/jsonlines")
        assert answer.body == b'{"score": 3.0}\n'
        assert endpoint.invoke(b"1,1,0\n", "text/csv").status == 415
        assert (
            b"the rows have 2 features"
            in endpoint.invoke(b'{"features": [1, 1]}', "application/jsonlines").body
        )


def test_answers_of_a_binary_classifier(container):
    with served(container, "binary_classifier") as endpoint:
        body = b'{"instances": [{"features": [1, 0, 0]}, {"features": [0, 0, 1]}]}'
        answer = json.loads(endpoint.invoke(body, "application/json").body)
        assert answer == {
            "predictions": [
                {"score": 0.5, "predicted_label": 1},
                {"score": pytest.approx(1 / (1 + np.exp(4))), "predicted_label": 0},
            ]
        }


def test_a_model_that_is_none_ends_the_server(container):
    container.paths.model.mkdir(parents=True)
    (container.paths.model / "model_algo-1").write_bytes(b"garbage")
    with pytest.raises(RuntimeError, match=r"(?s)exit code 2.*The model cannot be read"), container.serve():
        pass


def test_vectors_for_nearest_neighbours_rank_as_predictions_do():
    """The recipe of recommenders: item [w; v] and query [1; v of the user], compared by their inner product."""
    rows, labels = split(slice(None))
    model = FactorizationMachines(
        num_factors=2, predictor_type="regressor", epochs=5, linear_lr=0.02, factors_lr=0.02
    ).fit(rows.dense(), labels)
    folder = model._fitted.folder
    machine = decode((folder / "model_algo-1").read_bytes(), "model_algo-1")[0]
    items, query = machine.weights[30:], np.concatenate([[1.0], machine.weights[7, 1:]])
    everything = np.zeros((50, 80), np.float32)
    everything[:, 7] = 1
    everything[np.arange(50), 30 + np.arange(50)] = 1
    scores = model.predict(everything)["score"]
    assert np.argsort(items @ query).tolist() == np.argsort(scores).tolist()


def test_labels_are_refused_by_the_class_too():
    with pytest.raises(UserError, match=r"found the label 2\.0; a binary_classifier takes 0 and 1"):
        FactorizationMachines(num_factors=2, predictor_type="binary_classifier").fit([[1.0], [2.0]], [1, 2])
