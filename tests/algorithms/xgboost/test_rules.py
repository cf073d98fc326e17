import pytest

from wildsage.algorithms.registry import load_spec
from wildsage.algorithms.xgboost.versions import promised_version, version_note
from wildsage.toolkit.errors import UserError


@pytest.fixture
def spec():
    return load_spec("xgboost")


def test_aliases_reach_the_library_by_its_own_names(spec):
    given = {
        "num_round": "1",
        "learning_rate": "0.1",
        "min_split_loss": "2",
        "reg_lambda": "3",
        "reg_alpha": "4",
    }
    found = spec.validate(given)
    assert (found["eta"], found["gamma"], found["lambda"], found["alpha"]) == (0.1, 2, 3, 4)


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"objective": "multi:softmax"}, "'num_class'"),
        ({"num_class": "3"}, "'num_class'"),
        ({"objective": "binary:logistic", "num_class": "2"}, "'num_class'"),
        ({"eval_metric": "auc"}, "'auc' can only be applied for classification and ranking"),
        ({"eval_metric": "aft-nloglik"}, "'survival:aft'"),
        ({"eval_metric": "interval-regression-accuracy"}, "'survival:aft'"),
        ({"eval_metric": "rmse,speed"}, "for the 'eval_metric' hyperparameter"),
        ({"updater": "grow_colmaker,grow_histmaker"}, "Only one tree grow plugin"),
        ({"updater": "shotgun"}, "need booster 'gblinear'"),
        ({"updater": "prune", "booster": "gblinear"}, "Linear updater should be"),
        ({"updater": "grow_colmaker", "process_type": "update"}, "'refresh' and 'prune'"),
        ({"monotone_constraints": "(1,0)"}, "tree_method parameter is set to either 'exact' or 'hist'"),
        ({"interaction_constraints": "[[0,1]]"}, "'exact', 'hist' or 'approx'"),
        ({"_kfold": "1"}, "greater than or equal to 2"),
        ({"_num_cv_round": "0", "_kfold": "2"}, "greater than or equal to 1"),
        ({"use_dask_gpu_training": "true"}, "Dask training is only available for `hist`"),
        (
            {"objective": "multi:softprob", "num_class": "3", "eval_metric": "auc"},
            "'auc' can only be applied",
        ),
        ({"_tuning_objective_metric": "validation:auc"}, "'auc' can only be applied"),
        ({"objective": "multi:softprob", "num_class": "3", "eval_metric": "precision"}, "average='binary'"),
        ({"prob_buffer_row": "1"}, "greater than or equal to 2"),
        ({"device": "cuda"}, "Additional hyperparameters are not allowed ('device' was unexpected)"),
        ({"subsample": "0"}, "greater than 0"),
        ({"tweedie_variance_power": "2"}, "less than 2"),
        ({"_tuning_objective_metric": "validation:speed"}, "'_tuning_objective_metric'"),
    ],
)
def test_broken_rules_are_named(spec, given, rule):
    with pytest.raises(UserError) as caught:
        spec.validate({"num_round": "1", **given})
    assert rule in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"objective": "multi:softmax", "num_class": "3"},
        {"eval_metric": "error@0.7,auc", "objective": "binary:logistic"},
        {"monotone_constraints": "(1,0)", "tree_method": "hist"},
        {"updater": "coord_descent", "booster": "gblinear"},
        {"updater": "refresh,prune", "process_type": "update"},
        {"updater": "grow_skmaker,prune,refresh"},
        {
            "use_dask_gpu_training": "false",
            "deterministic_histogram": "true",
            "single_precision_histogram": "false",
        },
        {"objective": "multi:softmax", "num_class": "2", "eval_metric": "precision,error@0.4"},
        {"_kfold": "5", "_num_cv_round": "3"},
        {"_tuning_objective_metric": "validation:f1", "csv_weights": "1"},
    ],
)
def test_good_combinations_pass(spec, given):
    assert spec.validate({"num_round": "1", **given})


def test_image_tags_promise_versions():
    assert promised_version("1.0-1-cpu-py3") == "1.0"
    assert promised_version("1.5-1-arm64") == "1.5"
    assert promised_version("3.0-5") == "3.0"
    assert promised_version("latest") == "0.72"
    assert promised_version("9.9-9") is None
    assert version_note("3.0-5", "3.0.5") == "XGBoost 3.0.5 runs, as the image tag 3.0-5 promises"
    assert version_note("", "3.2.0") == "XGBoost 3.2.0 runs"


@pytest.mark.parametrize("separator", ["\t", "#011"])
def test_metric_expressions_find_both_spellings_of_a_tab(spec, separator):
    import re

    definition = next(item for item in spec.metric_definitions() if item["Name"] == "validation:rmse")
    line = f"[12]{separator}train-rmse:8.1{separator}validation-rmse:8.04"
    assert re.search(definition["Regex"], line)[1] == "8.04"
