"""Which tuning jobs may begin with what others found, and what is shown of them."""

from dataclasses import replace

import pytest
from tests.services.sagemaker.tuning import CONFIG, KEY, LIMITS, REQUESTS, Tuning, changed, several

from wildsage.core.errors import ValidationError
from wildsage.store.resources import Resources
from wildsage.store.tuning_trials import Outcome, TrialRecord, TuningTrials


def parent(tuning, status="Completed", request=REQUESTS["curve"], name="parent"):
    tuning.create({**request, "HyperParameterTuningJobName": name})
    key = replace(KEY, name=name)
    if status != "InProgress":
        tuning.resources.database.write_blocking(lambda t: Resources.transition(t, key, to=status, at=2.0))


def child(kind="IdenticalDataAndAlgorithm", changes=None, parents=("parent",)):
    warm = {
        "WarmStartConfig": {
            "WarmStartType": kind,
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": one} for one in parents],
        }
    }
    return changed(REQUESTS["curve"], {**warm, **(changes or {})})


@pytest.mark.parametrize("kind", ["IdenticalDataAndAlgorithm", "TransferLearning"])
def test_a_child_may_have_other_ranges_and_more_jobs(tuning, kind):
    parent(tuning)
    changes = {
        f"{LIMITS}.MaxNumberOfTrainingJobs": 20,
        f"{CONFIG}.ParameterRanges.ContinuousParameterRanges.0.MaxValue": "99",
    }
    tuning.create(child(kind, changes))


def test_what_was_static_may_be_tuned_and_the_other_way(tuning):
    parent(tuning)
    ranges = {
        "IntegerParameterRanges": [{"Name": "epochs", "MinValue": "1", "MaxValue": "9"}],
        "CategoricalParameterRanges": [{"Name": "colour", "Values": ["red"]}],
    }
    changes = {
        f"{CONFIG}.ParameterRanges": ranges,
        "TrainingJobDefinition.StaticHyperParameters": {"x": "2"},
    }
    tuning.create(child(changes=changes))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"TrainingJobDefinition.StaticHyperParameters.more": "1"},
            "The set of tunable plus static HyperParameter names is not the same",
        ),
        (
            {f"{CONFIG}.HyperParameterTuningJobObjective.Type": "Maximize"},
            r"must be the one of the parent tuning job \[parent\]",
        ),
        (
            {
                f"{CONFIG}.ParameterRanges.CategoricalParameterRanges": None,
                f"{CONFIG}.ParameterRanges.IntegerParameterRanges": [
                    {"Name": "colour", "MinValue": "1", "MaxValue": "9"}
                ],
            },
            r"The type of hyperparameter \[colour\] must not change: it is Categorical",
        ),
        ({f"{LIMITS}.MaxNumberOfTrainingJobs": 10_000}, "10001 together are more than 10000"),
        (
            {f"{LIMITS}.MaxNumberOfTrainingJobs": 750, f"{CONFIG}.Strategy": "Bayesian"},
            "751 together are more than 750",
        ),
        (
            {"TrainingJobDefinition.Environment": {"A": "b"}},
            r"Only the following fields in TrainingJobDefinition are allowed to change: .*\[parent\] differ: \[Env",
        ),
        ({"TrainingJobDefinition.RetryStrategy": {"MaximumRetryAttempts": 2}}, r"\[RetryStrategy\]"),
        ({"TrainingJobDefinition.EnableNetworkIsolation": True}, r"\[EnableNetworkIsolation\]"),
    ],
)
def test_what_must_not_change(tuning, changes, says):
    parent(tuning)
    tuning.resources.database.write_blocking(
        lambda t: TuningTrials.plan(t, replace(KEY, name="parent"), [TrialRecord(1, "", "j", {}, 1.0)])
    )
    with pytest.raises(ValidationError, match=says):
        tuning.create(child(changes=changes))


def test_more_than_ten_changes_are_too_many(tuning):
    static = {f"s{number}": "1" for number in range(6)}
    path = "TrainingJobDefinition.StaticHyperParameters"
    parent(tuning, request=changed(REQUESTS["curve"], {path: static}))
    five = {**static, **{f"s{number}": "2" for number in range(5)}}
    six = dict.fromkeys(static, "2")
    with pytest.raises(ValidationError, match="12 changes of static hyperparameters"):
        tuning.create(child(changes={path: six}))
    tuning.create(child(changes={path: five}))


@pytest.mark.parametrize(
    ("member", "value", "says"),
    [
        ("AlgorithmSpecification.TrainingImage", "curve:2", "needs the TrainingImage of the parent"),
    ],
)
def test_identical_data_and_algorithm_are_identical(tuning, member, value, says):
    parent(tuning)
    other = child(changes={f"TrainingJobDefinition.{member}": value})
    images = tuning.training_jobs._rules.images
    images.registered.add_command("curve:2", ["true"])
    with pytest.raises(ValidationError, match=says):
        tuning.create(other)
    other["WarmStartConfig"]["WarmStartType"] = "TransferLearning"
    tuning.create(other)


def test_a_script_may_be_brought_anew(state, context, tmp_path):
    class Unchecked:
        async def check(self, _context, _request):
            """Nothing: there is no data here."""

    tuning = Tuning(state, context, tmp_path, Unchecked())

    def channels(prefix, data="s3://out/data"):
        places = {"train": data, "code": f"s3://out/{prefix}/code", "sm_drivers": f"s3://out/{prefix}"}
        return {
            "TrainingJobDefinition.InputDataConfig": [
                {
                    "ChannelName": name,
                    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
                }
                for name, uri in places.items()
            ]
        }

    parent(tuning, request=changed(REQUESTS["curve"], channels("1")))
    with pytest.raises(ValidationError, match="needs the InputDataConfig of the parent"):
        tuning.create(child(changes=channels("2", "s3://out/other")))
    tuning.create(child(changes=channels("2")))


def test_a_parent_has_ended(tuning):
    parent(tuning, "InProgress")
    with pytest.raises(ValidationError, match=r"\[parent\] is InProgress"):
        tuning.create(child())


@pytest.mark.parametrize("kind", ["IdenticalDataAndAlgorithm", "TransferLearning"])
def test_where_it_runs_may_change(tuning, kind):
    parent(tuning, request=changed(REQUESTS["curve"], {"TrainingJobDefinition.Environment": {}}))
    changes = {
        "OutputDataConfig.S3OutputPath": "s3://out/elsewhere",
        "RoleArn": "arn:aws:iam::123456789012:role/Other",
        "ResourceConfig.InstanceType": "ml.m5.xlarge",
        "StoppingCondition": {"MaxRuntimeInSeconds": 30, "MaxWaitTimeInSeconds": 40},
        "EnableManagedSpotTraining": True,
        "CheckpointConfig": {"S3Uri": "s3://out/checkpoints"},
    }
    changes = {f"TrainingJobDefinition.{member}": value for member, value in changes.items()}
    tuning.create(child(kind, {**changes, f"{CONFIG}.Strategy": "Bayesian"}))


def test_all_of_five_parents_are_looked_at(tuning):
    names = [f"parent-{number}" for number in range(5)]
    for name in names[:4]:
        parent(tuning, name=name)
    with pytest.raises(ValidationError, match=r"\[parent-4\] does not exist"):
        tuning.create(child(parents=names))
    parent(tuning, name="parent-4")
    tuning.create(child(parents=names))


def test_a_parent_has_one_definition(tuning):
    parent(tuning, request=several())
    with pytest.raises(ValidationError, match="cannot be a parent"):
        tuning.create(child())


def test_the_best_of_all_is_shown(tuning):
    parent(tuning)
    finish(tuning, "parent", 0.5)
    tuning.create(child())
    finish(tuning, "tune", 0.7)
    described = tuning.describe()
    assert described["BestTrainingJob"]["TrainingJobName"] == "tune-1"
    best = described["OverallBestTrainingJob"]
    assert (best["TrainingJobName"], best["TuningJobName"]) == ("parent-1", "parent")


def finish(tuning, job, objective):
    key, trial = replace(KEY, name=job), TrialRecord(1, "", f"{job}-1", {"x": "1"}, 1.0)
    outcome = Outcome("Completed", objective, "", 1.0, 1.0, 2.0)
    tuning.resources.database.write_blocking(lambda t: TuningTrials.plan(t, key, [trial]))
    tuning.resources.database.write_blocking(lambda t: TuningTrials.end(t, key, 1, outcome))
