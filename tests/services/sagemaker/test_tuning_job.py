"""What tuning jobs are asked for, refused and shown as; how they run: tests/tuning."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from tests.services.sagemaker.tuning import CONFIG, KEY, LIMITS, REQUESTS, changed, several

from wildsage.core.errors import (
    NotFoundError,
    ResourceInUseError,
    ResourceLimitExceededError,
    ServiceError,
    ValidationError,
)
from wildsage.services.sagemaker import tuning_limits
from wildsage.store.resources import Resources
from wildsage.store.tuning_trials import Outcome, TrialRecord, TuningTrials

CASES = tomllib.loads(Path(__file__).with_name("tuning_refusals.toml").read_text())["case"]


def request_of(base):
    return several() if base == "several" else REQUESTS[base]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_is_refused_is_named(tuning, case):
    changes = {**case.get("set", {}), **dict.fromkeys(case.get("remove", ()))}
    request = changed(request_of(case.get("base", "curve")), changes)
    with pytest.raises(ServiceError, match=case["says"]) as refused:
        tuning.create(request)
    assert refused.value.code == case.get("code", "ValidationException")
    assert tuning.resources.get(KEY) is None


@pytest.mark.parametrize("base", [*REQUESTS, "several"])
def test_what_is_accepted_is_described_as_it_was_given(tuning, base):
    request = request_of(base)
    answer = tuning.create(request)
    described = tuning.describe()

    arn = "arn:aws:sagemaker:us-west-2:123456789012:hyper-parameter-tuning-job/tune"
    assert answer == {"HyperParameterTuningJobArn": arn}
    assert (described["HyperParameterTuningJobArn"], described["HyperParameterTuningJobStatus"]) == (
        arn,
        "InProgress",
    )
    for name, value in request[CONFIG].items():
        if name != "ParameterRanges":
            assert described[CONFIG][name] == value
    assert described["ConsumedResources"] == {"RuntimeInSeconds": 0}
    assert described["TrainingJobStatusCounters"]["Completed"] == 0
    assert not any(name.startswith("_") for name in described)
    shown = described.get("TrainingJobDefinitions") or [described["TrainingJobDefinition"]]
    for one in shown:
        metrics = {"kmeans": "test:msd", "linear-learner": "validation:objective_loss"}
        metric = metrics.get(base, "loss")
        assert metric in [known["Name"] for known in one["AlgorithmSpecification"]["MetricDefinitions"]]
        assert one["ResourceConfig"] == {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        }
        assert one["StaticHyperParameters"]["_tuning_objective_metric"] == metric


def test_what_is_left_out_is_described_as_on_aws(tuning):
    tuning.create(REQUESTS["curve"])
    described = tuning.describe()
    assert described[CONFIG]["TrainingJobEarlyStoppingType"] == "Off"
    assert described[CONFIG]["ParameterRanges"] == {
        "IntegerParameterRanges": [],
        "ContinuousParameterRanges": [
            {"Name": "x", "MinValue": "0", "MaxValue": "10", "ScalingType": "Auto"}
        ],
        "CategoricalParameterRanges": [{"Name": "colour", "Values": ["red", "green"]}],
    }
    assert described["TrainingJobDefinition"]["EnableManagedSpotTraining"] is False


def test_a_name_is_taken_once(tuning):
    tuning.create(REQUESTS["curve"])
    with pytest.raises(ResourceInUseError, match="Hyperparameter tuning job names must be unique"):
        tuning.create(REQUESTS["curve"])


def copies(tuning, count):
    """Create one tuning job, and store others like it; returns their keys."""
    first, *others = [replace(KEY, name=f"copy-{number:03d}") for number in range(count)]
    tuning.create({**REQUESTS["curve"], "HyperParameterTuningJobName": first.name})
    body = tuning.resources.get(first).body

    def store(transaction):
        for number, key in enumerate(others, start=1):
            Resources.insert(
                transaction,
                key,
                arn=f"arn:{key.name}",
                status="InProgress",
                at=1000.0 + number % 7,
                body=body,
            )

    tuning.resources.database.write_blocking(store)
    return [first, *others]


def end(tuning, keys, status="Completed", **body):
    def store(transaction):
        for key in keys:
            stored = Resources.fetch(transaction, key).body
            Resources.transition(transaction, key, to=status, at=2.0e9, body={**stored, **body})

    tuning.resources.database.write_blocking(store)


def test_a_hundred_run_at_a_time(tuning):
    keys = copies(tuning, 100)
    says = (
        r"is 100 .* with current utilization of 100 .* request delta of 1 Hyperparameter Tuning Jobs."
        " Wait for one to end"
    )
    with pytest.raises(ResourceLimitExceededError, match=says):
        tuning.create(REQUESTS["curve"])
    assert tuning.resources.get(KEY) is None
    end(tuning, keys[:1])
    tuning.create(REQUESTS["curve"])


def test_thirty_hyperparameters_are_searched_and_a_hundred_are_given(tuning):
    def searched(count):
        ranges = [{"Name": f"n{number}", "MinValue": "0", "MaxValue": "9"} for number in range(count)]
        kinds = {"IntegerParameterRanges": ranges[:20], "ContinuousParameterRanges": ranges[20:]}
        return {f"{CONFIG}.ParameterRanges": kinds}

    with pytest.raises(ResourceLimitExceededError, match=r"is 30 .* request delta of 31 Hyperparameters"):
        tuning.create(changed(REQUESTS["curve"], searched(31)))
    static = {"TrainingJobDefinition.StaticHyperParameters": {f"s{number}": "1" for number in range(70)}}
    # One more is the name of the objective.
    with pytest.raises(
        ValidationError, match=r"101 hyperparameters \(static and tunable\) are more than 100"
    ):
        tuning.create(changed(REQUESTS["curve"], {**searched(30), **static}))
    static["TrainingJobDefinition.StaticHyperParameters"].popitem()
    tuning.create(changed(REQUESTS["curve"], {**searched(30), **static}))


def test_more_may_run_at_once_than_there_are(tuning):
    # No rule of AWS is known that forbids it: there are as many as there are.
    limits = {f"{LIMITS}.MaxNumberOfTrainingJobs": 1, f"{LIMITS}.MaxParallelTrainingJobs": 10}
    tuning.create(changed(REQUESTS["curve"], limits))
    assert tuning.describe()[CONFIG]["ResourceLimits"]["MaxParallelTrainingJobs"] == 10


def test_a_seed_is_drawn_where_none_is_given(tuning):
    tuning.create(REQUESTS["kmeans"])
    assert 0 <= tuning.resources.get(KEY).body["_Seed"] < 2**31
    assert "RandomSeed" not in tuning.describe()[CONFIG]


def test_the_limits_of_a_grid_may_be_left_out(tuning):
    changes = {
        f"{CONFIG}.Strategy": "Grid",
        f"{LIMITS}.MaxNumberOfTrainingJobs": None,
        f"{CONFIG}.ParameterRanges.ContinuousParameterRanges": None,
    }
    tuning.create(changed(REQUESTS["curve"], changes))


def test_hyperband_finds_its_epochs_among_static_hyperparameters(tuning):
    tuning.create(changed(REQUESTS["curve"], {f"{CONFIG}.Strategy": "Hyperband"}))


def test_without_scipy_there_is_no_bayesian_search(tuning, monkeypatch):
    monkeypatch.setattr(tuning_limits, "find_spec", lambda _name: None)
    with pytest.raises(ValidationError, match=r"pip install 'wildsage\[tuning\]'"):
        tuning.create(changed(REQUESTS["curve"], {f"{CONFIG}.Strategy": "Bayesian"}))


class TestLinearLearner:
    @pytest.mark.parametrize(("given", "value"), [({}, "1"), ({"num_models": "4"}, "4")])
    def test_one_model_is_trained_unless_more_are_asked_for(self, tuning, given, value):
        static = {"predictor_type": "regressor", **given}
        request = changed(REQUESTS["linear-learner"], {"TrainingJobDefinition.StaticHyperParameters": static})
        tuning.create(request)
        assert tuning.describe()["TrainingJobDefinition"]["StaticHyperParameters"]["num_models"] == value

    def test_early_stopping_needs_an_objective_of_each_epoch(self, tuning):
        metric = {f"{CONFIG}.HyperParameterTuningJobObjective.MetricName": "validation:mse"}
        says = (
            r"Early stopping of Linear Learner needs .* \[validation:objective_loss\], not \[validation:mse\]"
        )
        with pytest.raises(ValidationError, match=says):
            tuning.create(changed(REQUESTS["linear-learner"], metric))
        tuning.create(
            changed(REQUESTS["linear-learner"], {**metric, f"{CONFIG}.TrainingJobEarlyStoppingType": "Off"})
        )


def test_a_library_that_is_also_an_algorithm_reports_its_metrics_in_scripts(tuning):
    changes = {
        "TrainingJobDefinition.AlgorithmSpecification": {
            "TrainingImage": "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1",
            "TrainingInputMode": "File",
        },
        "TrainingJobDefinition.StaticHyperParameters": {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "s3://out/sourcedir.tar.gz",
        },
        f"{CONFIG}.HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "validation:rmse"},
    }
    tuning.create(changed(REQUESTS["curve"], changes))
    definitions = tuning.describe()["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"]
    assert "validation:rmse" in [one["Name"] for one in definitions]


class TestTrainingJobs:
    OUTCOMES = (
        Outcome("Completed", 3.0, "", 10.0, 11.0, 20.0),
        Outcome("Completed", 1.0, "", 12.0, 13.0, 19.0),
        Outcome("Stopped", 2.0, "", 11.0, 12.0, 18.0),
        Outcome("Failed", None, "InternalServerError: lost", 13.0, None, 17.0),
        Outcome("Failed", None, "AlgorithmError: x", 14.0, 14.0, 16.0),
        Outcome("Completed", None, "", 15.0, 15.0, 16.0),
    )

    @pytest.fixture
    def filled(self, tuning):
        tuning.create(REQUESTS["curve"])
        trials = [TrialRecord(n, "", f"tune-{n:03d}", {"x": str(n)}, 1.0) for n in range(1, 9)]

        def fill(transaction):
            TuningTrials.plan(transaction, KEY, trials)
            for number, outcome in enumerate(self.OUTCOMES, start=1):
                TuningTrials.end(transaction, KEY, number, outcome)
            TuningTrials.mark_running(transaction, KEY, 7)
            Resources.insert(
                transaction,
                replace(KEY, kind="training-job", name="tune-007"),
                arn="arn:7",
                status="Stopping",
                at=16.0,
                body={"TrainingStartTime": 17.0},
            )

        tuning.resources.database.write_blocking(fill)
        return tuning

    def listed(self, tuning, **request):
        request.setdefault("HyperParameterTuningJobName", "tune")
        answer = tuning.call("ListTrainingJobsForHyperParameterTuningJob", **request)
        return [int(one["TrainingJobName"][-3:]) for one in answer["TrainingJobSummaries"]]

    @pytest.mark.parametrize(
        ("request_", "numbers"),
        [
            ({}, [1, 2, 3, 4, 5, 6, 7]),
            ({"SortOrder": "Descending"}, [7, 6, 5, 4, 3, 2, 1]),
            ({"SortBy": "CreationTime"}, [1, 3, 2, 4, 5, 6, 7]),
            ({"SortBy": "Status"}, [1, 2, 6, 4, 5, 3, 7]),
            ({"SortBy": "FinalObjectiveMetricValue"}, [2, 3, 1]),
            ({"SortBy": "FinalObjectiveMetricValue", "SortOrder": "Descending"}, [1, 3, 2]),
            ({"StatusEquals": "Failed"}, [4, 5]),
            ({"StatusEquals": "Stopping"}, [7]),
        ],
    )
    def test_they_are_listed_in_every_order(self, filled, request_, numbers):
        assert self.listed(filled, **request_) == numbers

    @pytest.mark.parametrize("by", ["Name", "CreationTime", "Status", "FinalObjectiveMetricValue"])
    @pytest.mark.parametrize("order", ["Ascending", "Descending"])
    def test_pages_are_the_whole(self, filled, by, order):
        whole = self.listed(filled, SortBy=by, SortOrder=order)
        request = {
            "HyperParameterTuningJobName": "tune",
            "SortBy": by,
            "SortOrder": order,
            "MaxResults": 2,
        }
        found = []
        while True:
            answer = filled.call("ListTrainingJobsForHyperParameterTuningJob", **request)
            found += [int(one["TrainingJobName"][-3:]) for one in answer["TrainingJobSummaries"]]
            if "NextToken" not in answer:
                break
            request["NextToken"] = answer["NextToken"]
        assert found == whole

    def test_they_are_counted(self, filled):
        described = filled.describe()
        assert described["TrainingJobStatusCounters"] == {
            "Completed": 3,
            "InProgress": 1,
            "RetryableError": 1,
            "NonRetryableError": 1,
            "Stopped": 1,
        }
        assert described["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 1, "Failed": 3}
        # 2 and 1 come after 1.0, which the third trial found first of all.
        assert described["TuningJobCompletionDetails"] == {"NumberOfTrainingJobsObjectiveNotImproving": 1}
        best = described["BestTrainingJob"]
        assert best["TrainingJobName"] == "tune-002"
        assert best["FinalHyperParameterTuningJobObjectiveMetric"] == {
            "Type": "Minimize",
            "MetricName": "loss",
            "Value": 1.0,
        }
        (summary,) = filled.call("ListHyperParameterTuningJobs")["HyperParameterTuningJobSummaries"]
        assert summary["TrainingJobStatusCounters"] == described["TrainingJobStatusCounters"]
        assert (summary["Strategy"], summary["ResourceLimits"]["MaxParallelTrainingJobs"]) == ("Random", 2)

    def test_a_training_job_that_was_deleted_is_still_shown(self, filled):
        (one,) = filled.call(
            "ListTrainingJobsForHyperParameterTuningJob",
            HyperParameterTuningJobName="tune",
            StatusEquals="Stopped",
        )["TrainingJobSummaries"]
        assert one["TunedHyperParameters"] == {"x": "3"}
        assert (one["CreationTime"], one["TrainingStartTime"], one["TrainingEndTime"]) == (11.0, 12.0, 18.0)


class TestEnds:
    def test_what_is_not_there_is_named(self, tuning):
        for operation in ("Describe", "Stop", "Delete"):
            with pytest.raises(NotFoundError, match="can't find a tuning job with the name gone"):
                tuning.call(f"{operation}HyperParameterTuningJob", HyperParameterTuningJobName="gone")

    def test_one_that_runs_is_stopped_and_not_deleted(self, tuning):
        tuning.create(REQUESTS["curve"])
        with pytest.raises(ResourceInUseError, match="stop it first"):
            tuning.call("DeleteHyperParameterTuningJob", HyperParameterTuningJobName="tune")
        tuning.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="tune")
        assert tuning.describe()["HyperParameterTuningJobStatus"] == "Stopping"
        tuning.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="tune")

    def test_one_that_ended_is_deleted_and_not_stopped(self, tuning):
        tuning.create(REQUESTS["curve"])
        tuning.resources.database.write_blocking(
            lambda t: Resources.transition(t, KEY, to="Completed", at=2.0)
        )
        with pytest.raises(ValidationError, match="is in status Completed"):
            tuning.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="tune")
        tuning.call("DeleteHyperParameterTuningJob", HyperParameterTuningJobName="tune")
        assert tuning.call("ListHyperParameterTuningJobs")["HyperParameterTuningJobSummaries"] == []

    def test_lists_are_by_name_unless_asked_otherwise(self, tuning):
        for name in ("b", "c", "a"):
            tuning.create({**REQUESTS["curve"], "HyperParameterTuningJobName": name})

        def names(**request):
            answer = tuning.call("ListHyperParameterTuningJobs", **request)
            return [one["HyperParameterTuningJobName"] for one in answer["HyperParameterTuningJobSummaries"]]

        assert names() == ["a", "b", "c"]
        assert names(SortBy="CreationTime") == ["b", "c", "a"]
        assert names(NameContains="b") == ["b"]


class TestMany:
    @pytest.mark.parametrize("by", ["Name", "Status", "CreationTime"])
    @pytest.mark.parametrize("order", ["Ascending", "Descending"])
    def test_pages_are_the_whole(self, tuning, by, order):
        keys = copies(tuning, 130)
        end(tuning, keys[::3])
        found, request = [], {"SortBy": by, "SortOrder": order, "MaxResults": 50}
        while True:
            answer = tuning.call("ListHyperParameterTuningJobs", **request)
            found += answer["HyperParameterTuningJobSummaries"]
            if "NextToken" not in answer:
                break
            request["NextToken"] = answer["NextToken"]
        assert sorted(one["HyperParameterTuningJobName"] for one in found) == [key.name for key in keys]
        member = {"Name": "HyperParameterTuningJobName", "Status": "HyperParameterTuningJobStatus"}
        values = [one[member.get(by, by)] for one in found]
        assert values == sorted(values, reverse=order == "Descending")

    def test_a_page_of_ended_ones_reads_no_trials(self, tuning, monkeypatch):
        counted = {"Completed": 3, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 1, "Stopped": 0}
        end(tuning, copies(tuning, 20), TrainingJobStatusCounters=counted)
        monkeypatch.setattr(TuningTrials, "of", None)
        answer = tuning.call("ListHyperParameterTuningJobs", MaxResults=20)
        summaries = answer["HyperParameterTuningJobSummaries"]
        assert [one["TrainingJobStatusCounters"] for one in summaries] == [counted] * 20


def test_a_definition_of_instances_to_choose_from_takes_the_first(tuning):
    changes = {
        "TrainingJobDefinition.ResourceConfig": None,
        "TrainingJobDefinition.HyperParameterTuningResourceConfig": {
            "AllocationStrategy": "Prioritized",
            "InstanceConfigs": [
                {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5},
                {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            ],
        },
    }
    tuning.create(changed(REQUESTS["curve"], changes))
    shown = tuning.describe()["TrainingJobDefinition"]
    assert shown["ResourceConfig"] == {
        "InstanceType": "ml.m5.xlarge",
        "InstanceCount": 1,
        "VolumeSizeInGB": 5,
    }
    assert len(shown["HyperParameterTuningResourceConfig"]["InstanceConfigs"]) == 2


def test_training_jobs_have_no_warm_pool(tuning):
    tuning.create(
        changed(REQUESTS["curve"], {"TrainingJobDefinition.ResourceConfig.KeepAlivePeriodInSeconds": 60})
    )
    assert "KeepAlivePeriodInSeconds" not in tuning.describe()["TrainingJobDefinition"]["ResourceConfig"]
