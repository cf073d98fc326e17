"""Tuning jobs over the wire: a whole server, boto3, and containers whose loss their hyperparameters decide."""

import copy
import io
import sys
import time

import numpy as np
import pytest
from tests.clients.support import say_server
from tests.served import REGION, ServedApplication
from tests.services.sagemaker.tuning import CURVE, REGISTRY, REQUESTS, changed

from wildsage.cli.main import main
from wildsage.images.registered import RegisteredImages

ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
CONFIG = "HyperParameterTuningJobConfig"
LIMITS = f"{CONFIG}.ResourceLimits"
STATIC = "TrainingJobDefinition.StaticHyperParameters"
NAMES = iter(f"tune-{number}" for number in range(1000))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = ServedApplication(tmp_path_factory.mktemp("server"))
    RegisteredImages(made.layout.images).add_command("curve:1", [sys.executable, "-S", "-u", str(CURVE)])
    with made:
        made.client("s3").create_bucket(
            Bucket="out", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        yield made


@pytest.fixture(scope="module")
def sagemaker(server):
    return server.client("sagemaker")


def create(sagemaker, changes=None, base="curve"):
    request = changed(copy.deepcopy(REQUESTS[base]), changes or {})
    request["HyperParameterTuningJobName"] = name = next(NAMES)
    request["TrainingJobDefinition"]["RoleArn"] = ROLE
    sagemaker.create_hyper_parameter_tuning_job(**request)
    return name


def until(look, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return found


def ended(sagemaker, name):
    def look():
        job = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        return job if job["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping") else None

    return until(look)


def trials(sagemaker, name, **order):
    pages = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    found = pages.paginate(HyperParameterTuningJobName=name, MaxResults=3, **order)
    return found.build_full_result()["TrainingJobSummaries"]


def wildsage(server, command, name):
    """Run a subcommand as in a terminal; returns its exit code."""
    say_server(server.layout, int(server.url.rpartition(":")[2]))
    return main([command, "--data-dir", str(server.layout.root), "--region", REGION, name])


def value(trial):
    return trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]


def test_the_best_point_is_found_and_shown(server, sagemaker):
    changes = {
        f"{CONFIG}.Strategy": "Bayesian",
        f"{LIMITS}.MaxNumberOfTrainingJobs": 7,
        "Tags": [{"Key": "team", "Value": "a"}],
    }
    name = create(sagemaker, changes)
    job = ended(sagemaker, name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Completed"] == 7
    by_value = trials(sagemaker, name, SortBy="FinalObjectiveMetricValue")
    assert [value(one) for one in by_value] == sorted(value(one) for one in by_value)
    best = job["BestTrainingJob"]
    assert best["TrainingJobName"] == by_value[0]["TrainingJobName"]
    point = best["TunedHyperParameters"]
    assert value(best) == pytest.approx((float(point["x"]) - 3) ** 2 + (point["colour"] == "green"))

    trained = sagemaker.describe_training_job(TrainingJobName=best["TrainingJobName"])
    assert trained["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    assert trained["HyperParameters"] == {"epochs": "3", "_tuning_objective_metric": "loss", **point}
    final = {one["MetricName"]: one["Value"] for one in trained["FinalMetricDataList"]}
    assert final == {"loss": pytest.approx(value(best)), "ObjectiveMetric": pytest.approx(value(best))}
    tags = sagemaker.list_tags(ResourceArn=trained["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "a"}]


def test_a_trial_that_falls_behind_is_really_stopped(sagemaker):
    changes = {
        f"{CONFIG}.Strategy": "Grid",
        f"{CONFIG}.TrainingJobEarlyStoppingType": "Auto",
        f"{CONFIG}.ParameterRanges": {"CategoricalParameterRanges": [{"Name": "x", "Values": list("34259")}]},
        f"{LIMITS}.MaxNumberOfTrainingJobs": 5,
        f"{LIMITS}.MaxParallelTrainingJobs": 1,
        STATIC: {"epochs": "30", "pause": "0.02"},
    }
    name = create(sagemaker, changes)
    job = ended(sagemaker, name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert [one["TunedHyperParameters"]["x"] for one in trials(sagemaker, name)] == list("34259")
    last = trials(sagemaker, name)[-1]
    assert (last["TrainingJobStatus"], last["ObjectiveStatus"]) == ("Stopped", "Succeeded")
    # It was at 36 + 29 after its first epoch, and would have come to 36.
    assert value(last) > 36
    trained = sagemaker.describe_training_job(TrainingJobName=last["TrainingJobName"])
    assert trained["SecondaryStatus"] == "Stopped"


def test_hyperband_spends_less_than_all_epochs(server, sagemaker):
    changes = {
        f"{CONFIG}.Strategy": "Hyperband",
        f"{CONFIG}.StrategyConfig.HyperbandStrategyConfig": {"MinResource": 2, "MaxResource": 18},
        f"{LIMITS}.MaxNumberOfTrainingJobs": 10,
        STATIC: {"epochs": "18", "pause": "0.05"},
    }
    name = create(sagemaker, changes)
    job = ended(sagemaker, name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    counters = job["TrainingJobStatusCounters"]
    assert counters["Stopped"] > 0
    assert counters["Completed"] + counters["Stopped"] == 10
    assert job["BestTrainingJob"]["TrainingJobStatus"] in ("Completed", "Stopped")


def test_a_tuning_job_whose_jobs_fail_says_so_and_is_explained(server, sagemaker, capsys):
    # One at a time: of several, more may have failed when the tuner looks.
    one_by_one = {f"{LIMITS}.MaxNumberOfTrainingJobs": 9, f"{LIMITS}.MaxParallelTrainingJobs": 1}
    name = create(sagemaker, {**one_by_one, f"{STATIC}.fail": "-1"})
    job = ended(sagemaker, name)
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("No training job succeeded after 5 attempts.")
    assert job["FailureReason"].endswith(
        f"Next step: run `wildsage explain {name}`: it shows why they failed."
    )
    assert job["FailureReason"].count("Next step") == 1
    assert "BestTrainingJob" not in job
    assert wildsage(server, "tune", name) == 1
    assert wildsage(server, "explain", name) == 0
    said = capsys.readouterr().out
    assert "training jobs  5 NonRetryableError" in said
    assert f"next step  look at the first one that failed: `wildsage explain {name}-00" in said
    failed = [one for one in trials(sagemaker, name) if one["TrainingJobStatus"] == "Failed"]
    assert all(one["ObjectiveStatus"] == "Failed" and one["FailureReason"] for one in failed)


def test_it_is_stopped_with_all_that_runs(sagemaker):
    name = create(sagemaker, {STATIC: {"epochs": "2000", "pause": "0.05"}})
    until(lambda: len([one for one in trials(sagemaker, name) if "TrainingStartTime" in one]) == 2)
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    job = ended(sagemaker, name)
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert [one["TrainingJobStatus"] for one in trials(sagemaker, name)] == ["Stopped", "Stopped"]
    assert job["HyperParameterTuningEndTime"] >= job["CreationTime"]


def test_a_small_tuning_job_does_not_wait_for_a_large_one(sagemaker):
    large = create(
        sagemaker, {f"{LIMITS}.MaxNumberOfTrainingJobs": 60, f"{LIMITS}.MaxParallelTrainingJobs": 60}
    )
    until(lambda: len(trials(sagemaker, large)) == 60)
    one_by_one = {f"{LIMITS}.MaxNumberOfTrainingJobs": 3, f"{LIMITS}.MaxParallelTrainingJobs": 1}
    small = ended(sagemaker, create(sagemaker, one_by_one))
    assert small["HyperParameterTuningJobStatus"] == "Completed"
    others = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=large)
    assert others["TrainingJobStatusCounters"]["InProgress"] > 30
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=large)
    counters = ended(sagemaker, large)["TrainingJobStatusCounters"]
    assert counters["Completed"] + counters["Stopped"] == 60


def test_a_built_in_algorithm_is_tuned_by_its_own_metric(server, sagemaker):
    rng = np.random.default_rng(0)
    body = io.BytesIO()
    np.savetxt(body, rng.normal(size=(300, 4)) + 5 * rng.integers(0, 3, (300, 1)), delimiter=",")
    server.client("s3").put_object(Bucket="out", Key="points/1.csv", Body=body.getvalue())
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://out/points/"}}
    channels = [
        {"ChannelName": name, "DataSource": source, "ContentType": "text/csv;label_size=0"}
        for name in ("train", "test")
    ]
    changes = {
        "TrainingJobDefinition.InputDataConfig": channels,
        "TrainingJobDefinition.AlgorithmSpecification.TrainingImage": f"{REGISTRY}/kmeans:1",
        f"{LIMITS}.MaxNumberOfTrainingJobs": 2,
    }
    name = create(sagemaker, changes, base="kmeans")
    job = ended(sagemaker, name)
    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    assert job["ObjectiveStatusCounters"]["Succeeded"] == 2
    # Three clusters of unit variance in four columns.
    assert value(job["BestTrainingJob"]) < 6


def test_a_terminal_follows_it(server, sagemaker, capsys):
    name = create(sagemaker, {f"{LIMITS}.MaxNumberOfTrainingJobs": 2})
    assert wildsage(server, "tune", name) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{name}: Random search, minimize loss, up to 2 training jobs, 2 at once"
    assert sum("best so far" in line for line in said) >= 1
    assert sum(line.startswith(f"{name}-00") for line in said) == 2
    assert said[-1].startswith("best ")
