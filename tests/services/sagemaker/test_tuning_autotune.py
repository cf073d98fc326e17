"""What Autotune makes of a request."""

from tests.services.sagemaker.tuning import CONFIG, LIMITS, REQUESTS, changed


def test_an_algorithm_says_what_is_searched(tuning):
    changes = {
        "Autotune": {"Mode": "Enabled"},
        f"{CONFIG}.ParameterRanges": {
            "AutoParameters": [
                {"Name": "mini_batch_size", "ValueHint": "500"},
                {"Name": "init_method", "ValueHint": "random"},
                {"Name": "local_lloyd_tol", "ValueHint": "0.001"},
            ]
        },
    }
    tuning.create(changed(REQUESTS["kmeans"], changes))
    described = tuning.describe()
    ranges = described[CONFIG]["ParameterRanges"]
    (batch,) = ranges["IntegerParameterRanges"]
    assert (batch["Name"], batch["MinValue"], batch["MaxValue"]) == ("mini_batch_size", "3000", "15000")
    assert ranges["CategoricalParameterRanges"] == [{"Name": "init_method", "Values": ["random", "kmeans++"]}]
    # It cannot be tuned: the example is its value.
    assert described["TrainingJobDefinition"]["StaticHyperParameters"]["local_lloyd_tol"] == "0.001"


def test_without_any_range_all_that_is_tunable_is_searched(tuning):
    changes = {"Autotune": {"Mode": "Enabled"}, f"{CONFIG}.ParameterRanges": None}
    tuning.create(changed(REQUESTS["kmeans"], changes))
    ranges = tuning.describe()[CONFIG]["ParameterRanges"]
    names = {one["Name"] for kind in ranges.values() for one in kind}
    assert len(ranges["CategoricalParameterRanges"]) == 1
    assert names == {"epochs", "extra_center_factor", "mini_batch_size", "init_method"}


def test_elsewhere_an_example_makes_the_range(tuning):
    hints = {"lr": "0.01", "layers": "3", "flag": "true", "name": "text", "big": "2.5"}
    hints["sagemaker_container_log_level"] = "20"
    changes = {
        "Autotune": {"Mode": "Enabled"},
        f"{CONFIG}.ParameterRanges": {
            "AutoParameters": [{"Name": name, "ValueHint": hint} for name, hint in hints.items()]
        },
        f"{LIMITS}.MaxNumberOfTrainingJobs": None,
    }
    tuning.create(changed(REQUESTS["curve"], changes))
    described = tuning.describe()
    ranges = described[CONFIG]["ParameterRanges"]
    shown = {
        one["Name"]: (one.get("MinValue"), one.get("MaxValue"), one.get("Values"))
        for kind in ("Integer", "Continuous", "Categorical")
        for one in ranges[f"{kind}ParameterRanges"]
    }
    assert shown == {
        "lr": ("0.001", "0.1", None),
        "layers": ("1", "30", None),
        "flag": (None, None, ["true", "false"]),
        "big": ("0.25", "25.0", None),
    }
    static = described["TrainingJobDefinition"]["StaticHyperParameters"]
    assert (static["name"], static["sagemaker_container_log_level"]) == ("text", "20")
    criteria = described[CONFIG]["TuningJobCompletionCriteria"]
    assert criteria == {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}


def test_what_is_described_can_be_asked_for_again(tuning):
    changes = {
        "Autotune": {"Mode": "Enabled"},
        f"{CONFIG}.ParameterRanges.AutoParameters": [
            {"Name": "lr", "ValueHint": "0.01"},
            {"Name": "name", "ValueHint": "text"},
        ],
        "TrainingJobDefinition.ResourceConfig": None,
        "TrainingJobDefinition.HyperParameterTuningResourceConfig": {
            "InstanceConfigs": [
                {"InstanceType": kind, "InstanceCount": 1, "VolumeSizeInGB": 1}
                for kind in ("ml.m5.xlarge", "ml.m4.xlarge")
            ]
        },
    }
    tuning.create(changed(REQUESTS["curve"], changes))
    first = tuning.describe()
    again = {name: first[name] for name in (CONFIG, "TrainingJobDefinition", "Autotune")}
    tuning.create({"HyperParameterTuningJobName": "again", **again})
    second = tuning.describe("again")
    assert {name: second[name] for name in again} == again
