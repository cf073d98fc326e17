"""Linear Learner through its container, as the SDK uses it."""

import json
import re
import zipfile

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

from wildsage.algorithms.linear_learner import SPEC
from wildsage.formats.ndarray import read_ndarrays, write_ndarrays
from wildsage.formats.recordio_protobuf import write_dense, write_sparse
from wildsage.formats.sparse import from_dense
from wildsage.formats.zip_files import write_zip
from wildsage.toolkit.local import Files, LocalContainer, loopback_addresses, train_together

MODULE = "wildsage.algorithms.linear_learner"
MEMBERS = ["additional-params.json", "manifest.json", "mx-mod-symbol.json", "mx-mod-0000.params"]
# What sagemaker.LinearLearner sends, beside the content type that is not sent; booleans are Python's.
BINARY = {
    "predictor_type": "binary_classifier",
    "feature_dim": "30",
    "mini_batch_size": "100",
    "num_models": "4",
    "epochs": "5",
    "use_bias": "True",
}
REGRESSOR = BINARY | {"predictor_type": "regressor", "feature_dim": "10"}
MULTICLASS = BINARY | {"predictor_type": "multiclass_classifier", "feature_dim": "4", "num_classes": "3"}


def shuffled(bunch):
    order = np.random.default_rng(0).permutation(len(bunch.data))
    return bunch.data[order].astype(np.float32), bunch.target[order].astype(np.float32)


CANCER, DIABETES, IRIS = shuffled(load_breast_cancer()), shuffled(load_diabetes()), shuffled(load_iris())


def records(data, part=slice(None)):
    return Files(None, {"matrix_0.pbr": write_dense(data[0][part], data[1][part])})


def split(data, *names):
    return {name: records(data, slice(number, None, len(names))) for number, name in enumerate(names)}


@pytest.fixture
def container(tmp_path):
    return LocalContainer(MODULE, tmp_path)


def trained(container, hyperparameters, channels):
    container.prepare(hyperparameters, channels)
    code, log = container.train_here(OMP_NUM_THREADS="1")
    assert code == 0, log
    return log


def model_of(container):
    with zipfile.ZipFile(container.paths.model / "model_algo-1") as opened:
        arrays, names = read_ndarrays(opened.read("mx-mod-0000.params"))
        return dict(zip(names, arrays, strict=True)), json.loads(opened.read("additional-params.json"))


JOBS = [
    (BINARY, CANCER, ("train", "validation", "test")),
    (BINARY, CANCER, ("train",)),
    (REGRESSOR, DIABETES, ("train", "validation", "test")),
    (REGRESSOR, DIABETES, ("train",)),
    (MULTICLASS, IRIS, ("train", "validation", "test")),
    (MULTICLASS, IRIS, ("train",)),
]


def test_every_metric_is_found_in_a_log(tmp_path):
    logs = []
    for number, (hyperparameters, data, names) in enumerate(JOBS):
        container = LocalContainer(MODULE, tmp_path / str(number))
        logs.append(trained(container, hyperparameters, split(data, *names)))
    found = {
        metric.name: float(match[1])
        for metric in SPEC.metrics
        for log in logs
        if (match := re.search(metric.pattern, log))
    }
    assert {metric.name for metric in SPEC.metrics} - set(found) == set()
    assert found["test:roc_auc_score"] > 0.98
    assert found["test:multiclass_accuracy"] > 0.9
    assert found["test:mse"] < 4000  # the variance is 5900


def test_the_job_of_the_sdk(container):
    log = trained(container, BINARY, split(CANCER, "train", "validation", "test"))
    assert (
        'Dimensions": {"Algorithm": "Linear Learner", "Host": "algo-1", "Operation": "training", "model": 3'
        in log
    )
    for line in (
        r"#early_stopping_criteria_metric: host=algo-1, epoch=0, criteria=binary_classification_cross_entropy_objective, value=0\.",
        "Epoch 0: Loss improved. Updating best model",
        r"#progress_metric: host=algo-1, completed 20.0 % of epochs",
        r"Scaling model computed with parameters: \{'stdev_weight': \[",
        r"#validation_score \(algo-1\) : \('binary_f_1.000', 0\.9",
        r'Best model found for hyperparameters: \{"optimizer": "adam", "learning_rate": ',
        r"#test_score \(algo-1\) : \('roc_auc_score', 0\.99",
    ):
        assert re.search(line, log), line
    arrays, described = model_of(container)
    assert {name: (array.shape, array.dtype.name) for name, array in arrays.items()} == {
        "arg:fc0_weight": ((1, 30), "float32"),
        "arg:fc0_bias": ((1,), "float32"),
    }
    assert described["predictor_type"] == "binary_classifier"
    assert 0 < described["threshold"] < 1


def test_the_last_loss_of_the_validation_channel_is_that_of_the_model(container):
    """Tuning jobs compare it; the rate is too small for the epochs alone to get anywhere."""
    slow = REGRESSOR | {"num_models": "1", "learning_rate": "0.001"}
    log = trained(container, slow, split(DIABETES, "train", "validation"))
    patterns = {metric.name: metric.pattern for metric in SPEC.metrics}
    *epochs, last = re.findall(patterns["validation:objective_loss"], log)
    (final,) = re.findall(patterns["validation:objective_loss:final"], log)
    assert len(epochs) == 5
    assert float(last) == pytest.approx(float(final), rel=1e-5)
    assert float(last) < 0.9 * float(epochs[-1])


def test_the_members_of_the_model_file(container):
    trained(container, MULTICLASS, split(IRIS, "train"))
    with zipfile.ZipFile(container.paths.model / "model_algo-1") as opened:
        assert opened.namelist() == MEMBERS
        symbol = json.loads(opened.read("mx-mod-symbol.json"))
    assert [(node["op"], node["name"]) for node in symbol["nodes"]] == [
        ("null", "data"),
        ("null", "fc0_weight"),
        ("null", "fc0_bias"),
        ("FullyConnected", "fc0"),
        ("softmax", "score"),
    ]
    assert symbol["nodes"][3]["attrs"] == {"num_hidden": "3"}
    assert model_of(container)[0]["arg:fc0_weight"].shape == (3, 4)


def hosted(container, weights, biases, **files):
    """Put a model of these arrays into a container."""
    container.paths.model.mkdir(parents=True)
    params = write_ndarrays({"arg:fc0_weight": np.float32(weights), "arg:fc0_bias": np.float32(biases)})
    members = {"mx-mod-0000.params": params} | {
        name.replace("_", "-") + ".json": json.dumps(content).encode() for name, content in files.items()
    }
    (container.paths.model / "model_algo-1").write_bytes(write_zip(members))


def test_binary_answers(container):
    described = {"predictor_type": "binary_classifier", "link": "logistic", "threshold": 0.9}
    hosted(container, [[1, -1]], [0], additional_params=described)
    with container.serve() as endpoint:
        answer = json.loads(endpoint.invoke(b"3,0\n1,0\n", "text/csv").body)
        assert [row["predicted_label"] for row in answer["predictions"]] == [1, 0]
        scores = [row["score"] for row in answer["predictions"]]
        np.testing.assert_allclose(scores, 1 / (1 + np.exp([-3, -1])), rtol=1e-6)
        body = b'{"data": {"features": {"keys": [1], "shape": [2], "values": [2]}}}'
        answer = endpoint.invoke(body, "application/jsonlines", "application/jsonlines")
        row = json.loads(answer.body)
        assert (row["predicted_label"], round(row["score"], 4)) == (0, 0.1192)


def test_regression_and_multiclass_answers(tmp_path):
    container = LocalContainer(MODULE, tmp_path / "regressor")
    hosted(container, [[2, 0]], [1], additional_params={"predictor_type": "regressor", "link": "identity"})
    with container.serve() as endpoint:
        assert endpoint.invoke(b"3,0\n", "text/csv").body == b'{"predictions": [{"score": 7.0}]}'
    container = LocalContainer(MODULE, tmp_path / "multiclass")
    described = {"predictor_type": "multiclass_classifier", "link": "softmax"}
    hosted(container, [[1, 0], [0, 1], [0, 0]], [0, 0, 0], additional_params=described)
    with container.serve() as endpoint:
        (row,) = json.loads(endpoint.invoke(b"0,2\n", "text/csv").body)["predictions"]
        assert row["predicted_label"] == 1
        np.testing.assert_allclose(sum(row["score"]), 1, rtol=1e-6)


def test_a_model_without_our_description_is_told_by_its_network(container):
    symbol = {"nodes": [{"op": "FullyConnected"}, {"op": "LogisticRegressionOutput"}]}
    hosted(container, [[1, -1]], [0], mx_mod_symbol=symbol)
    with container.serve() as endpoint:
        (row,) = json.loads(endpoint.invoke(b"1,0\n", "text/csv").body)["predictions"]
    assert row["predicted_label"] == 1


def test_sparse_and_dense_records_give_the_same_model(tmp_path):
    rows = CANCER[0] * (CANCER[0] > np.median(CANCER[0], axis=0))
    models = []
    for name, data in (
        ("dense", write_dense(rows, CANCER[1])),
        ("sparse", write_sparse(from_dense(rows), CANCER[1])),
    ):
        container = LocalContainer(MODULE, tmp_path / name)
        trained(container, BINARY, {"train": Files(None, {"a": data})})
        models.append(model_of(container)[0]["arg:fc0_weight"])
    np.testing.assert_allclose(models[0], models[1], rtol=1e-4, atol=1e-6)


def test_wide_sparse_records_are_not_spread(container):
    rng = np.random.default_rng(0)
    labels = (rng.random(400) < 0.5).astype(np.float32)
    rows = np.zeros((400, 5000), np.float32)
    rows[np.arange(400), rng.integers(0, 20, 400) + 20 * labels.astype(int)] = 1
    sent = BINARY | {"feature_dim": "5000", "epochs": "10"}
    log = trained(container, sent, {"train": Files(None, {"a": write_sparse(from_dense(rows), labels)})})
    assert float(re.search(r"train roc_auc_score <score>=(\S+)", log)[1]) > 0.999


@pytest.mark.parametrize(
    ("hyperparameters", "data", "metric"),
    [
        (BINARY, CANCER, "roc_auc_score <score>"),
        (REGRESSOR | {"mini_batch_size": "50"}, DIABETES, "mse <loss>"),
    ],
)
def test_two_hosts_with_parts_reach_the_quality_of_one(tmp_path, hyperparameters, data, metric):
    def logged(log):
        return float(re.search(rf"validation {metric}=(\S+)", log)[1])

    alone = LocalContainer(MODULE, tmp_path / "alone")
    expected = logged(trained(alone, hyperparameters, split(data, "train", "validation")))
    hosts = loopback_addresses(2)
    containers = [LocalContainer(MODULE, tmp_path / host) for host in hosts]
    for number, container in enumerate(containers):
        # The SDK deals every channel out by key; the second host has more rows than the first.
        train, validation = slice(0, 120), slice(1, None, 4)
        if number:
            train, validation = slice(120, None), slice(3, None, 4)
        channels = {
            "train": records((data[0][::2], data[1][::2]), train),
            "validation": records(data, validation),
        }
        container.prepare(hyperparameters, channels, hosts, current=number)
    done = train_together(containers)
    assert [each.returncode for each in done] == [0, 0], done[0].stdout + done[1].stdout
    assert list(containers[1].paths.model.iterdir()) == []
    assert logged(done[0].stdout) == pytest.approx(expected, rel=0.01)


def test_a_job_that_is_started_again_goes_on_from_its_checkpoint(tmp_path):
    folder = tmp_path / "checkpoints"
    models = []
    for name, epochs in (("whole", ["6"]), ("parts", ["3", "6"])):
        for count in epochs:
            container = LocalContainer(MODULE, tmp_path / name / count)
            # The schedule must not depend on what is different here.
            fixed = {"learning_rate": "0.1", "lr_scheduler_step": "5", "lr_scheduler_factor": "0.9"}
            container.prepare(BINARY | fixed | {"epochs": count}, split(CANCER, "train"))
            place = {"S3Uri": "s3://bucket/c", "LocalPath": str(folder / name)}
            (container.paths.config / "checkpointconfig.json").write_text(json.dumps(place))
            code, log = container.train_here(OMP_NUM_THREADS="1")
            assert code == 0, log
        assert [path.name for path in (folder / name).iterdir()] == ["linear-learner-checkpoint-5.npz"]
        assert ("Resuming from the checkpoint of epoch 2" in log) == (name == "parts")
        models.append((container.paths.model / "model_algo-1").read_bytes())
    assert models[0] == models[1]


@pytest.mark.parametrize(
    ("hyperparameters", "data", "reason"),
    [
        (BINARY, (CANCER[0], CANCER[1] + 1), "labels of a binary_classifier are 0 and 1; found 2"),
        (BINARY | {"feature_dim": "29"}, CANCER, "has 30 features, but the hyperparameter feature_dim is 29"),
        (MULTICLASS, (IRIS[0], IRIS[1] + 1), "are whole numbers from 0 to 2 (num_classes is 3); found 3"),
        (
            MULTICLASS | {"num_classes": "2"},
            IRIS,
            "num_classes is 2, but predictor_type multiclass_classifier",
        ),
        (BINARY | {"loss": "huber_loss"}, CANCER, "The loss 'huber_loss' is not one of a binary_classifier"),
        (
            BINARY | {"positive_example_weight_mult": "even"},
            CANCER,
            "one of the following: 'auto', 'balanced'; or a number greater than 0",
        ),
        (
            REGRESSOR | {"optimizer": "sgd", "learning_rate": "1e30"},
            DIABETES,
            "grew beyond all bounds: give a smaller learning_rate",
        ),
    ],
)
def test_what_the_user_did_wrong_is_said(container, hyperparameters, data, reason):
    container.prepare(hyperparameters, {"train": records(data)})
    assert container.train_here(OMP_NUM_THREADS="1")[0] == 2
    assert reason in container.failure


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"garbage", "The model cannot be read"),
        (write_zip({"other": b""}), "it holds other, not mx-mod-0000.params"),
        (
            write_zip({"mx-mod-0000.params": write_ndarrays({"arg:fc0_weight": np.zeros(3, "f4")})}),
            "expected are arg:fc0_weight of shape",
        ),
    ],
)
def test_a_model_that_is_none_ends_the_server(container, content, reason):
    container.paths.model.mkdir(parents=True)
    (container.paths.model / "model_algo-1").write_bytes(content)
    with pytest.raises(RuntimeError, match=f"(?s)exit code 2.*{reason}"), container.serve():
        pass


def test_a_host_without_objects_helps_with_nothing(tmp_path):
    hosts = loopback_addresses(2)
    containers = [LocalContainer(MODULE, tmp_path / host) for host in hosts]
    for number, container in enumerate(containers):
        channels = (
            split(CANCER, "train", "validation")
            if number
            else dict.fromkeys(("train", "validation"), Files(None, {}))
        )
        container.prepare(BINARY | {"feature_dim": "auto"}, channels, hosts, current=number)
    done = train_together(containers)
    assert [each.returncode for each in done] == [0, 0], done[0].stdout + done[1].stdout
    assert float(re.search(r"validation roc_auc_score <score>=(\S+)", done[0].stdout)[1]) > 0.98
