"""Tuning jobs on a real server: what a trial costs besides its container, and ten at once on the cores that there are."""

import io
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.report import Reading
from benchmarks.server import BUCKET, CONTAINERS, Server

IMAGE = "curve:1"
XGBOOST = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"
SLEEP = 0.1
TRIALS = 20
POLL_SECONDS = 0.2

Members = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuning job that is over.

    Attributes
    ----------
    seconds
        From its creation to the moment it was seen to be over.
    created
        When its training jobs were, in their order.
    described
        How long each Describe took meanwhile.
    """

    seconds: float
    created: tuple[float, ...]
    described: tuple[float, ...]

    @property
    def gaps(self) -> tuple[float, ...]:
        """Seconds from one training job to the next."""
        return tuple(np.diff(self.created))


def readings() -> Iterator[Reading]:
    """Measure on a server of its own."""
    with Server() as server:
        s3 = server.make_bucket()
        curve = CONTAINERS / "curve" / "train.py"
        server.run("images", "prepare", XGBOOST)  # else the first of the serial trials would wait for it
        server.add_image(IMAGE, shlex.join([sys.executable, "-S", "-u", str(curve)]))
        _upload(s3)
        for strategy in ("Random", "Bayesian"):
            tuned = _tune(server, f"serial-{strategy}", _curve(server), strategy, at_once=1)
            what = f"a trial besides its container, {strategy}, one at a time"
            yield Reading(what, tuple(gap - SLEEP for gap in tuned.gaps), target="< 0.7 s")
        serial = _tune(server, "xgboost-1", _xgboost(server), "Random", at_once=1)
        parallel = _tune(server, "xgboost-10", _xgboost(server), "Random", at_once=10)
        what = f"{TRIALS} trials of XGBoost, 10 at once, beside one at a time"
        yield Reading(what, (parallel.seconds,), peer=(serial.seconds,), target="≤ 1.1")
        yield Reading("Describe meanwhile, each", parallel.described)
        yield Reading("Describe meanwhile, the slowest", (max(parallel.described),))


def _tune(server: Server, name: str, request: Members, strategy: str, at_once: int) -> Tuned:
    sagemaker = server.client("sagemaker")
    config = {
        **request["HyperParameterTuningJobConfig"],
        "Strategy": strategy,
        "RandomSeed": 1,
        "ResourceLimits": {"MaxNumberOfTrainingJobs": TRIALS, "MaxParallelTrainingJobs": at_once},
    }
    began = time.perf_counter()
    sagemaker.create_hyper_parameter_tuning_job(
        **{**request, "HyperParameterTuningJobName": name, "HyperParameterTuningJobConfig": config}
    )
    described = []
    while True:
        asked = time.perf_counter()
        job = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        described.append(time.perf_counter() - asked)
        if job["HyperParameterTuningJobStatus"] != "InProgress":
            break
        time.sleep(POLL_SECONDS)
    if job["TrainingJobStatusCounters"]["Completed"] != TRIALS:
        raise RuntimeError(f"{name}: {job}")
    found = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, SortBy="CreationTime", MaxResults=100
    )["TrainingJobSummaries"]
    created = tuple(one["CreationTime"].timestamp() for one in found)
    return Tuned(time.perf_counter() - began, created, tuple(described))


def _curve(server: Server) -> Members:
    """A container that sleeps, and reports what its hyperparameters come to."""
    algorithm = {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
    }
    ranges = {
        "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "10"}],
        "CategoricalParameterRanges": [{"Name": "colour", "Values": ["red", "green", "blue"]}],
    }
    return _request(server, "loss", ranges, algorithm, {"pause": str(SLEEP)})


def _xgboost(server: Server) -> Members:
    """The built-in algorithm, on data that keeps a core busy for half a second or so."""
    ranges = {
        "ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0.05", "MaxValue": "0.5"}],
        "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "3", "MaxValue": "8"}],
    }
    algorithm = {"TrainingImage": XGBOOST, "TrainingInputMode": "File"}
    static = {"objective": "reg:squarederror", "num_round": "30"}
    request = _request(server, "validation:rmse", ranges, algorithm, static)
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/tuning/"}}
    channels = [
        {"ChannelName": name, "DataSource": source, "ContentType": "text/csv"}
        for name in ("train", "validation")
    ]
    definition = {**request["TrainingJobDefinition"], "InputDataConfig": channels}
    return {**request, "TrainingJobDefinition": definition}


def _request(
    server: Server, metric: str, ranges: Members, algorithm: Members, static: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "HyperParameterTuningJobConfig": {
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": metric},
            "ParameterRanges": ranges,
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": algorithm,
            "StaticHyperParameters": static,
            "RoleArn": server.role(),
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/models"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        },
    }


def _upload(s3: Any) -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(10_000, 20))
    targets = features[:, 0] - features[:, 1] ** 2 + rng.normal(size=len(features))
    body = io.BytesIO()
    np.savetxt(body, np.column_stack([targets, features]), delimiter=",", fmt="%.4f")
    s3.put_object(Bucket=BUCKET, Key="tuning/rows.csv", Body=body.getvalue())
