"""The class on arrays: quality beside exact solvers, and what each hyperparameter does."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info

from wildsage.algorithms.linear_learner import LinearLearner
from wildsage.algorithms.linear_learner.models import LinearModels
from wildsage.formats.ndarray import read_ndarrays
from wildsage.formats.zip_files import read_zip

EXACT = {"num_models": 1, "mini_batch_size": 100, "epochs": 60, "early_stopping_patience": 60, "wd": 0.01}


def data_of(load):
    rows, labels = load(return_X_y=True)
    return rows.astype(np.float32), labels.astype(np.float32)


def parameters_of(model, tmp_path):
    model.save(tmp_path)
    files = read_zip((tmp_path / "model_algo-1").read_bytes())
    arrays, names = read_ndarrays(files["mx-mod-0000.params"])
    return dict(zip(names, arrays, strict=True))


def weights_of(model, rows, tmp_path):
    """Weights (outputs, d) of normalized rows."""
    return parameters_of(model, tmp_path)["arg:fc0_weight"] * rows.std(axis=0, dtype=np.float64)


def penalty(weights):
    return 0.01 / 2 * np.square(weights).sum()


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [("adam", {}), ("rmsprop", {}), ("sgd", {"momentum": 0.9, "epochs": 150})],
)
def test_logistic_regression_comes_to_the_exact_solution(optimizer, settings, tmp_path):
    rows, labels = data_of(load_breast_cancer)
    normalized = StandardScaler().fit_transform(rows.astype(np.float64))
    peer = LogisticRegression(C=1 / (len(rows) * 0.01), tol=1e-8, max_iter=1000).fit(normalized, labels)
    best = log_loss(labels, peer.predict_proba(normalized)[:, 1]) + penalty(peer.coef_)
    model = LinearLearner(predictor_type="binary_classifier", optimizer=optimizer, **EXACT | settings)
    scores = model.fit(rows, labels).predict(rows)["score"]
    found = log_loss(labels, scores) + penalty(weights_of(model, rows, tmp_path))
    assert 0.9999 * best < found < 1.002 * best


def test_ridge_regression_comes_to_the_exact_solution(tmp_path):
    rows, labels = data_of(load_diabetes)
    normalized = StandardScaler().fit_transform(rows)
    deviation = labels.std()
    wanted = (labels - labels.mean()) / deviation
    peer = Ridge(alpha=len(rows) * 0.01 / 2).fit(normalized, wanted)
    best = np.square(peer.predict(normalized) - wanted).mean() + penalty(peer.coef_)
    model = LinearLearner(predictor_type="regressor", **EXACT).fit(rows, labels)
    loss = np.square((model.predict(rows)["score"] - labels) / deviation).mean()
    found = loss + penalty(weights_of(model, rows, tmp_path) / deviation)
    assert 0.9999 * best < found < 1.002 * best


def test_softmax_comes_to_the_exact_solution(tmp_path):
    rows, labels = data_of(load_iris)
    normalized = StandardScaler().fit_transform(rows)
    peer = LogisticRegression(C=1 / (len(rows) * 0.01), tol=1e-8, max_iter=1000).fit(normalized, labels)
    best = log_loss(labels, peer.predict_proba(normalized)) + penalty(peer.coef_)
    model = LinearLearner(predictor_type="multiclass_classifier", num_classes=3, **EXACT).fit(rows, labels)
    found = log_loss(labels, model.predict(rows)["score"]) + penalty(weights_of(model, rows, tmp_path))
    assert 0.9999 * best < found < 1.002 * best


def test_a_small_penalty_and_columns_of_all_sizes_at_the_usual_epochs(tmp_path):
    rows, labels = data_of(load_breast_cancer)
    rows *= np.float32(10.0) ** np.linspace(-5, 5, rows.shape[1], dtype=np.float32)
    normalized = StandardScaler().fit_transform(rows.astype(np.float64))
    peer = LogisticRegression(C=1 / (len(rows) * 1e-4), tol=1e-8, max_iter=5000).fit(normalized, labels)
    least = log_loss(labels, peer.predict_proba(normalized)[:, 1]) + 1e-4 / 2 * np.square(peer.coef_).sum()
    model = LinearLearner(predictor_type="binary_classifier", wd=1e-4).fit(rows, labels)
    weights = weights_of(model, rows, tmp_path)
    found = log_loss(labels, model.predict(rows)["score"]) + 1e-4 / 2 * np.square(weights).sum()
    assert found == pytest.approx(least, rel=0.001)


def test_rare_rows_that_weigh_as_much_as_the_others(tmp_path):
    rows, digits = data_of(load_digits)
    chosen = (digits != 8) | (np.arange(len(digits)) % 4 == 0)
    rows, labels = rows[chosen], (digits[chosen] == 8).astype(np.float32)
    varied = rows[:, rows.std(axis=0) > 0]
    normalized = StandardScaler().fit_transform(varied.astype(np.float64))
    weights = np.where(labels == 1, np.sum(labels == 0) / np.sum(labels == 1), 1)
    peer = LogisticRegression(C=1 / (len(rows) * 0.01), tol=1e-8, max_iter=5000)
    peer.fit(normalized, labels, sample_weight=weights)
    total = weights.mean()
    losses = log_loss(labels, peer.predict_proba(normalized)[:, 1], sample_weight=weights) * total
    model = LinearLearner(
        predictor_type="binary_classifier", wd=0.01, positive_example_weight_mult="balanced"
    ).fit(varied, labels)
    found = log_loss(labels, model.predict(varied)["score"], sample_weight=weights) * total
    found += penalty(weights_of(model, varied, tmp_path))
    assert found == pytest.approx(losses + penalty(peer.coef_), rel=0.001)


def test_the_rows_of_a_small_last_batch_count_no_more_than_others():
    rng = np.random.default_rng(0)
    labels = rng.normal(size=1001).astype(np.float32)
    rows = np.ones((1001, 1), np.float32)
    settings = {"predictor_type": "regressor", "optimizer": "sgd", "normalize_label": False, "num_models": 1}
    model = LinearLearner(**settings, unbias_label=False, epochs=100, wd=0).fit(rows, labels)
    assert model.predict(rows[:1])["score"][0] == pytest.approx(labels.mean(), abs=0.01)


def test_training_keeps_small_products_to_one_thread(monkeypatch):
    threads = set()
    step = LinearModels.step

    def watched(self, *given):
        threads.update(each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas")
        step(self, *given)

    monkeypatch.setattr(LinearModels, "step", watched)
    rows, labels = data_of(load_breast_cancer)
    LinearLearner(predictor_type="binary_classifier", epochs=1).fit(rows, labels)
    assert threads == {1}


@pytest.mark.parametrize("load", [load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine])
@pytest.mark.parametrize("seed", range(2))
def test_defaults_give_a_usable_model(load, seed):
    rows, labels = data_of(load)
    train, test, of_train, of_test = train_test_split(rows, labels, random_state=seed)
    classes = int(labels.max()) + 1
    if load is load_diabetes:
        model = LinearLearner(predictor_type="regressor").fit(train, of_train)
        assert r2_score(of_test, model.predict(test)["score"]) > 0.33
    elif classes == 2:
        model = LinearLearner(predictor_type="binary_classifier").fit(train, of_train)
        assert roc_auc_score(of_test, model.predict(test)["score"]) > 0.985
    else:
        model = LinearLearner(predictor_type="multiclass_classifier", num_classes=classes)
        labels_found = model.fit(train, of_train).predict(test)["predicted_label"]
        assert np.mean(labels_found == of_test) > 0.93


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_a_quantile_covers_its_share(quantile):
    rows, labels = data_of(load_diabetes)
    settings = {"predictor_type": "regressor", "loss": "quantile_loss", "epochs": 30}
    model = LinearLearner(**settings, quantile=quantile).fit(rows, labels)
    assert np.mean(labels < model.predict(rows)["score"]) == pytest.approx(quantile, abs=0.05)


@pytest.mark.parametrize(
    "loss", ["absolute_loss", "eps_insensitive_squared_loss", "eps_insensitive_absolute_loss", "huber_loss"]
)
def test_every_loss_of_a_regressor_learns(loss):
    rows, labels = data_of(load_diabetes)
    model = LinearLearner(predictor_type="regressor", loss=loss, num_models=4).fit(rows, labels)
    assert r2_score(labels, model.predict(rows)["score"]) > 0.48


def test_hinge_scores_are_margins():
    rows, labels = data_of(load_breast_cancer)
    model = LinearLearner(predictor_type="binary_classifier", loss="hinge_loss", num_models=4).fit(
        rows, labels
    )
    answer = model.predict(rows)
    assert answer["score"].min() < -1
    assert np.mean(answer["predicted_label"] == labels) > 0.97


@pytest.fixture(scope="module")
def rare():
    """A tenth of the rows is positive; classes overlap."""
    rng = np.random.default_rng(0)
    labels = (rng.random(2000) < 0.1).astype(np.float32)
    rows = rng.normal(labels[:, np.newaxis] * [1.0, 0.7, 0.0], 1).astype(np.float32)
    return (rows[:1000], labels[:1000]), (rows[1000:], labels[1000:])


@pytest.mark.parametrize(
    ("criterion", "metric", "least"),
    [
        ("precision_at_target_recall", "validation:recall", 0.8),
        ("recall_at_target_precision", "validation:precision", 0.6),
        ("f1", "validation:binary_f_beta", 0.4),
        ("accuracy", "validation:binary_classification_accuracy", 0.89),
    ],
)
def test_the_threshold_serves_the_criterion(rare, criterion, metric, least):
    train, validation = rare
    model = LinearLearner(
        predictor_type="binary_classifier",
        binary_classifier_model_selection_criteria=criterion,
        target_precision=0.6,
        num_models=4,
    )
    model.fit(*train, validation=validation)
    assert model.metrics[metric] >= least


def mean_score(rare, **settings):
    train, _ = rare
    model = LinearLearner(predictor_type="binary_classifier", num_models=1, **settings).fit(*train)
    return model.predict(train[0])["score"].mean()


def test_positive_rows_can_weigh_as_much_as_negative_ones(rare):
    assert mean_score(rare) == pytest.approx(0.1, abs=0.02)
    assert mean_score(rare, positive_example_weight_mult="balanced") == pytest.approx(0.4, abs=0.1)
    assert 0.1 < mean_score(rare, positive_example_weight_mult=3.0) < 0.3


def test_the_weight_of_positive_rows_can_be_found(rare):
    train, validation = rare
    model = LinearLearner(predictor_type="binary_classifier", positive_example_weight_mult="auto")
    model.fit(*train, validation=validation)
    assert model.metrics["validation:roc_auc_score"] > 0.78


def test_classes_can_weigh_the_same():
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 1500, p=[0.9, 0.05, 0.05]).astype(np.float32)
    rows = rng.normal(np.eye(3)[labels.astype(int)], 0.7).astype(np.float32)
    recalls = []
    for balanced in (False, True):
        model = LinearLearner(
            predictor_type="multiclass_classifier",
            num_classes=3,
            num_models=1,
            balance_multiclass_weights=balanced,
        ).fit(rows, labels)
        recalls.append(model.metrics["train:macro_recall"])
    assert recalls[1] > recalls[0] + 0.1


def test_the_l1_penalty_makes_weights_zero(tmp_path):
    rows, labels = data_of(load_breast_cancer)
    model = LinearLearner(predictor_type="binary_classifier", num_models=1, l1=0.02, epochs=30).fit(
        rows, labels
    )
    weights = parameters_of(model, tmp_path)["arg:fc0_weight"]
    assert 15 <= np.count_nonzero(weights == 0) < 28
    assert model.metrics["train:roc_auc_score"] > 0.98


def test_features_far_from_zero_and_constant_ones(tmp_path):
    rows, labels = data_of(load_breast_cancer)
    far = np.column_stack([rows + 1000 * rows.std(axis=0), np.full(len(rows), 7)]).astype(np.float32)
    model = LinearLearner(predictor_type="binary_classifier", num_models=4).fit(far, labels)
    assert model.metrics["train:roc_auc_score"] > 0.99
    assert parameters_of(model, tmp_path)["arg:fc0_weight"][0, -1] == 0


def test_without_normalization_and_bias(tmp_path):
    rows, labels = data_of(load_iris)
    raw = {"normalize_data": False, "normalize_label": False, "use_bias": False}
    model = LinearLearner(predictor_type="regressor", epochs=60, **raw).fit(rows, labels)
    arrays = parameters_of(model, tmp_path)
    best = np.linalg.lstsq(rows, labels)[0]
    np.testing.assert_allclose(arrays["arg:fc0_weight"][0], best, atol=0.05)
    assert arrays["arg:fc0_bias"].tolist() == [0]


def test_a_tuning_job_trains_one_model():
    rows, labels = data_of(load_iris)
    settings = {"predictor_type": "regressor", "num_models": 8, "epochs": 1}
    tuned = LinearLearner(**settings, _tuning_objective_metric="test:mse").fit(
        rows, labels, test=(rows, labels)
    )
    alone = LinearLearner(**settings | {"num_models": 1}).fit(rows, labels)
    np.testing.assert_array_equal(tuned.predict(rows)["score"], alone.predict(rows)["score"])


def test_training_ends_where_nothing_gets_better(caplog):
    rows, labels = data_of(load_iris)
    with caplog.at_level("INFO"):
        LinearLearner(predictor_type="regressor", epochs=500, early_stopping_patience=2).fit(rows, labels)
    assert "Early stop condition met. Stopping training." in caplog.text
    assert "has not improved for 2 epochs" in caplog.text
    assert "epoch=100," not in caplog.text
