"""SageMaker Python SDK v2: all that HyperparameterTuner does besides a plain search, as its documentation is written."""

import json
import sys
from pathlib import Path

import boto3
import numpy as np
import sagemaker
from botocore.exceptions import ClientError
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.tuner import (
    CategoricalParameter,
    ContinuousParameter,
    HyperbandStrategyConfig,
    HyperparameterTuner,
    IntegerParameter,
    StrategyConfig,
    TuningJobCompletionCriteriaConfig,
)

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = sagemaker.Session(boto3.Session(region_name="us-west-2"))
bucket = session.default_bucket()
metrics = [{"Name": "loss", "Regex": "loss=(.*?);"}]
said = {}  # names are given to tuning jobs: those that the SDK makes are those of a minute


def curve(instances=1, **hyperparameters):
    """An image of one's own: its loss is (x - 3)² and the cost of the colour, nearer with each epoch."""
    return Estimator(
        "curve:1",
        role,
        instance_count=instances,
        instance_type="ml.m5.large",
        output_path=f"s3://{bucket}/tuners/curve",
        hyperparameters={"epochs": 2, **hyperparameters},
        sagemaker_session=session,
    )


def tuner_of(estimator, ranges, **more):
    given = {"max_jobs": 3, "max_parallel_jobs": 2, "strategy": "Random", "random_seed": 1, **more}
    return HyperparameterTuner(estimator, "loss", ranges, metrics, objective_type="Minimize", **given)


def results(tuner):
    frame = tuner.analytics().dataframe()
    job = tuner.describe()
    return {
        "name": job["HyperParameterTuningJobName"],
        "status": job["HyperParameterTuningJobStatus"],
        "best": job["BestTrainingJob"]["TrainingJobName"],
        "overall": job.get("OverallBestTrainingJob", {}).get("TrainingJobName"),
        "jobs": frame["TrainingJobName"].tolist(),
        "statuses": frame["TrainingJobStatus"].tolist(),
        "values": frame["FinalObjectiveValue"].tolist(),
        "definitions": frame.get("TrainingJobDefinitionName", frame["TrainingJobName"]).tolist(),
        "config": job["HyperParameterTuningJobConfig"],
        "static": job.get("TrainingJobDefinition", {}).get("StaticHyperParameters"),
        "parents": job.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", []),
    }


# Two algorithms in one tuning job

rng = np.random.default_rng(7)
features = rng.normal(size=(400, 4))
targets = features[:, 0] - features[:, 1] ** 2 + 0.1 * rng.normal(size=400)
rows = np.column_stack([targets, features])
channels = {}
for name, part in (("train", rows[:300]), ("validation", rows[300:])):
    np.savetxt(f"{name}.csv", part, delimiter=",", fmt="%.6f")
    uri = session.upload_data(f"{name}.csv", key_prefix=f"tuners/{name}")
    channels[name] = TrainingInput(uri, content_type="text/csv")


def xgboost(**hyperparameters):
    return Estimator(
        sagemaker.image_uris.retrieve("xgboost", "us-west-2", "1.7-1"),
        role,
        instance_count=1,
        instance_type="ml.m5.large",
        output_path=f"s3://{bucket}/tuners/xgboost",
        hyperparameters={"objective": "reg:squarederror", "num_round": 10, **hyperparameters},
        sagemaker_session=session,
    )


tuner = HyperparameterTuner.create(
    estimator_dict={"trees": xgboost(), "own": curve()},
    objective_metric_name_dict={"trees": "validation:rmse", "own": "loss"},
    hyperparameter_ranges_dict={
        "trees": {"eta": ContinuousParameter(0.05, 0.5)},
        "own": {"x": ContinuousParameter(6, 9)},
    },
    metric_definitions_dict={"own": metrics},
    objective_type="Minimize",
    strategy="Bayesian",
    max_jobs=4,
    max_parallel_jobs=2,
)
own = {"train": channels["train"]}  # the SDK makes an empty list of no channels, which its client refuses
tuner.fit(
    {"trees": channels, "own": own}, "tuners-several", include_cls_metadata={"trees": False, "own": False}
)
said["several"] = results(tuner)
attached = HyperparameterTuner.attach(tuner.latest_tuning_job.name, sagemaker_session=session)
said["several"]["attached"] = [sorted(attached.estimator_dict), attached.best_training_job()]
said["several"]["estimator"] = attached.best_estimator().hyperparameters()

# Autotune: of an algorithm, and of a script

tuner = HyperparameterTuner(
    xgboost(eta=0.2, max_depth=4),
    "validation:rmse",
    None,
    objective_type="Minimize",
    strategy="Random",
    max_jobs=2,
    max_parallel_jobs=2,
    autotune=True,
    hyperparameters_to_keep_static=["objective", "num_round"],
)
tuner.fit(channels, "tuners-autotuned")
said["autotuned"] = results(tuner)
np.savetxt(
    "labels.csv", np.column_stack([targets > 0, features]), delimiter=",", fmt="%g"
)  # a class, and what it depends on
script = SKLearn(
    entry_point="train.py",
    source_dir=str(Path(__file__).parent / "sklearn_tuned_source"),
    framework_version="1.2-1",
    py_version="py3",
    instance_type="ml.c5.xlarge",
    role=role,
    sagemaker_session=session,
    hyperparameters={"ccp_alpha": 0.01, "max_depth": 2, "criterion": "gini"},
)
tuner = HyperparameterTuner(
    script,
    "accuracy",
    {"max_depth": IntegerParameter(1, 4)},
    [{"Name": "accuracy", "Regex": r"accuracy=([0-9.]+);"}],
    objective_type="Maximize",
    strategy="Random",
    max_jobs=2,
    max_parallel_jobs=2,
    autotune=True,
    hyperparameters_to_keep_static=["criterion"],
)
tuner.fit({"train": session.upload_data("labels.csv", key_prefix="tuners/labels")}, "tuners-script")
said["autotuned script"] = results(tuner)

# Parents, identical ones and others

parents = []
for number, ranges in enumerate(({"x": ContinuousParameter(0, 2)}, {"x": ContinuousParameter(5, 9)})):
    parent = tuner_of(curve(), ranges)
    parent.fit(job_name=f"tuners-parent-{number}", include_cls_metadata=False)
    parents.append(parent)
    said[f"parent-{number}"] = results(parent)
for kind in ("identical_dataset_and_algorithm", "transfer_learning"):
    child = getattr(parents[0], f"{kind}_tuner")(additional_parents={"tuners-parent-1"})
    child.metric_definitions = metrics  # which the SDK does not take over
    child.strategy, child.max_jobs = "Bayesian", 2
    child._hyperparameter_ranges = {"x": ContinuousParameter(0, 10)}
    child.fit(job_name=f"tuners-{kind.partition('_')[0]}", include_cls_metadata=False)
    said[kind] = results(child)

# One that still runs is no parent, and is stopped

running = tuner_of(curve(epochs=2000, pause=0.05), {"x": ContinuousParameter(0, 2)})
running.fit(job_name="tuners-running", include_cls_metadata=False, wait=False)
child = running.identical_dataset_and_algorithm_tuner()
child.metric_definitions = metrics
try:
    child.fit(job_name="tuners-refused", include_cls_metadata=False)
except ClientError as error:
    said["refused"] = error.response["Error"]
attached = HyperparameterTuner.attach("tuners-running", sagemaker_session=session)
attached.stop_tuning_job()
attached.wait()
said["stopped"] = attached.describe()["HyperParameterTuningJobStatus"]

# A grid, early stopping, Hyperband, a target, several instances

grid = {"colour": CategoricalParameter(["red", "green", "blue"]), "x": CategoricalParameter([1, 3])}
tuner = tuner_of(curve(), grid, strategy="Grid", max_jobs=6, random_seed=None)
tuner.fit(job_name="tuners-grid", include_cls_metadata=False)
said["grid"] = results(tuner)

worse = {"x": CategoricalParameter([3, 4, 2, 5, 9])}
tuner = tuner_of(
    curve(epochs=30, pause=0.05),
    worse,
    strategy="Grid",
    max_jobs=5,
    random_seed=None,
    max_parallel_jobs=1,
    early_stopping_type="Auto",
)
tuner.fit(job_name="tuners-early", include_cls_metadata=False)
said["early"] = results(tuner)

band = StrategyConfig(HyperbandStrategyConfig(max_resource=18, min_resource=2))
tuner = tuner_of(
    curve(epochs=18, pause=0.05),
    {"x": ContinuousParameter(0, 10)},
    strategy="Hyperband",
    strategy_config=band,
    max_jobs=8,
)
tuner.fit(job_name="tuners-hyperband", include_cls_metadata=False)
said["hyperband"] = results(tuner)

criteria = TuningJobCompletionCriteriaConfig(target_objective_metric_value=0.5)
tuner = tuner_of(
    curve(), grid, max_jobs=6, max_parallel_jobs=1, completion_criteria_config=criteria, random_seed=2
)
tuner.fit(job_name="tuners-target", include_cls_metadata=False)
said["target"] = results(tuner)

tuner = tuner_of(curve(instances=2), {"x": ContinuousParameter(0, 10)}, max_jobs=2)
tuner.fit(job_name="tuners-instances", include_cls_metadata=False)
said["instances"] = results(tuner)

Path(sys.argv[1]).write_text(json.dumps(said, default=str))
