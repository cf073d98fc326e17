"""The class on arrays."""

import numpy as np
import pytest
import scipy.sparse
import xgboost
from sklearn.datasets import load_breast_cancer, load_diabetes
from tests.algorithms.xgboost.support import split

from wildsage.algorithms.xgboost import XGBoost
from wildsage.algorithms.xgboost.metric_names import BINARY, MAXIMIZED, MINIMIZED
from wildsage.algorithms.xgboost.objectives import OBJECTIVES
from wildsage.toolkit.errors import UserError


def test_missing_values_and_weights_are_those_of_the_library(tmp_path):
    x, y, vx, vy = split(load_diabetes())
    x[::3, 2] = np.nan
    weights = np.where(y > 150, 3.0, 1.0).astype(np.float32)
    model = XGBoost(num_round=8, max_depth=3, nthread=1).fit(x, y, weights=weights, validation=(vx, vy))
    matrix, held = xgboost.DMatrix(x, y, weight=weights), xgboost.DMatrix(vx, vy)
    scores: dict = {}
    by_hand = xgboost.train(
        {"max_depth": 3, "nthread": 1}, matrix, 8, evals=[(matrix, "train"), (held, "validation")],
        verbose_eval=False, evals_result=scores,
    )  # fmt: skip
    vx[::5, 0] = np.nan
    assert np.array_equal(model.predict(vx)["score"], by_hand.predict(xgboost.DMatrix(vx)))
    assert model.metrics["validation:rmse"] == scores["validation"]["rmse"][-1]
    model.save(tmp_path)
    assert np.array_equal(XGBoost.load(tmp_path).predict(vx)["score"], model.predict(vx)["score"])


def test_what_a_sparse_matrix_leaves_out_is_missing():
    x, y, _, _ = split(load_diabetes())
    x[x < 0] = 0
    dense = np.where(x == 0, np.nan, x)
    sparse = (
        XGBoost(num_round=4).fit(scipy.sparse.csr_matrix(x), y).predict(scipy.sparse.csr_matrix(x))["score"]
    )
    np.testing.assert_allclose(XGBoost(num_round=4).fit(dense, y).predict(dense)["score"], sparse, rtol=1e-5)


def test_selected_columns():
    x, y, vx, vy = split(load_breast_cancer())
    model = XGBoost(num_round=10, objective="binary:logistic").fit(x, y)
    found = model.predict(vx, output="predicted_label,probabilities")
    assert list(found) == ["predicted_label", "probabilities"]
    assert found["probabilities"].shape == (len(vx), 2)
    assert (found["predicted_label"] == vy).mean() > 0.9


def test_rankings_and_what_does_not_fit():
    rng = np.random.default_rng(0)
    x, groups = rng.normal(size=(60, 2)), np.repeat([4, 1, 9], 20)
    y = (x[:, 0] > 0).astype(float)
    score = XGBoost(num_round=5, objective="rank:pairwise").fit(x, y, groups=groups).predict(x)["score"]
    assert np.corrcoef(score, y)[0, 1] > 0.9
    with pytest.raises(UserError, match="60 rows, but 3 weights"):
        XGBoost(num_round=1).fit(x, y, weights=[1, 2, 3])
    with pytest.raises(UserError, match="Got input data without labels"):
        XGBoost(num_round=1).fit(x)
    with pytest.raises(UserError, match="Found infinite values"):
        XGBoost(num_round=1).fit(np.where(x > 1, np.inf, x), y)


LABELS = {"multi": lambda z: np.digitize(z, [-0.5, 0.5]), "binary": lambda z: z > 0, "rank": lambda z: z > 0,
          "reg:logistic": lambda z: z > 0}  # fmt: skip
CLASSES = {"error", "logloss", "auc", "aucpr", "accuracy", "balanced_accuracy", *BINARY}


@pytest.mark.parametrize("objective", [one for one in OBJECTIVES if one != "aft_loss_distribution"])
def test_every_metric_is_a_number_or_a_mistake_that_is_named(objective):
    """Whatever the pair, a job ends well or its user is told what to change."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2)).astype(np.float32)
    label = LABELS.get(objective) or LABELS.get(objective.partition(":")[0], lambda z: np.abs(z) + 0.5)
    y = label(x[:, 0]).astype(np.float32)
    given = {"num_class": 3} if objective.startswith("multi") else {}
    refused = set()
    for metric in (*MAXIMIZED, *MINIMIZED):
        model = XGBoost(num_round=1, objective=objective, eval_metric=metric, nthread=1, verbosity=0, **given)
        try:
            assert f"train:{metric}" in model.fit(x, y).metrics
        except UserError:
            refused.add(metric)
    if not objective.startswith("multi"):
        assert not refused & {"rmse", "mae", "mse", "r2"}
    own = {"multi": {"merror", "mlogloss", "f1_macro"}, "binary": CLASSES}.get(
        objective.partition(":")[0], set()
    )
    assert not refused & own
