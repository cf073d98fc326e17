"""SageMaker Python SDK v3: all that HyperparameterTuner does besides a plain search, as its documentation is written."""

import json
import sys
from pathlib import Path

import boto3
import numpy as np
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.parameter import CategoricalParameter, ContinuousParameter
from sagemaker.core.shapes import (
    HyperbandStrategyConfig,
    HyperParameterTuningJobStrategyConfig,
    HyperParameterTuningJobWarmStartConfig,
    ParentHyperParameterTuningJob,
)
from sagemaker.core.training.configs import Compute, InputData, OutputDataConfig, SourceCode
from sagemaker.train import ModelTrainer
from sagemaker.train.tuner import HyperparameterTuner
from sklearn.datasets import load_iris

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = Session(boto3.Session(region_name="us-west-2"))
bucket = session.default_bucket()
registry = "246618743249.dkr.ecr.us-west-2.amazonaws.com"
said = {}


def trainer_of(image, instances=1, **more):
    return ModelTrainer(
        sagemaker_session=session,
        role=role,
        training_image=image,
        compute=Compute(instance_type="ml.m5.large", instance_count=instances, volume_size_in_gb=10),
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/v3-tuners/output"),
        base_job_name="v3-tuners",
        **more,
    )


def curve(instances=1, **hyperparameters):
    """An image of one's own: its loss is (x - 3)² and the cost of the colour, nearer with each epoch."""
    return trainer_of("curve:1", instances, hyperparameters={"epochs": 2, **hyperparameters})


def tuned(name, trainer, ranges, inputs=None, objective="loss", regex="loss=(.*?);", **more):
    metrics = [{"Name": objective, "Regex": regex}] if regex else None
    given = {"max_jobs": 3, "max_parallel_jobs": 2, "strategy": "Random", "random_seed": 1, **more}
    given.setdefault("objective_type", "Minimize")
    tuner = HyperparameterTuner(trainer, objective, ranges, metrics, **given)
    tuner.tune(inputs=inputs, job_name=f"v3-tuners-{name}", wait=True)
    job, frame = tuner.describe(), tuner.analytics().dataframe()
    overall = job.overall_best_training_job
    said[name] = {
        "status": job.hyper_parameter_tuning_job_status,
        "best": tuner.best_training_job(),
        "overall": getattr(overall, "training_job_name", None),
        "jobs": frame["TrainingJobName"].tolist(),
        "statuses": frame["TrainingJobStatus"].tolist(),
        "values": frame["FinalObjectiveValue"].tolist(),
        "tuned": sorted(tuner.analytics().tuning_ranges),
    }
    return tuner


def parents(kind, *names):
    those = [ParentHyperParameterTuningJob(hyper_parameter_tuning_job_name=f"v3-tuners-{n}") for n in names]
    return HyperParameterTuningJobWarmStartConfig(
        warm_start_type=kind, parent_hyper_parameter_tuning_jobs=those
    )


# Autotune of an algorithm

rng = np.random.default_rng(5)
features = rng.normal(size=(400, 4))
rows = np.column_stack([features[:, 0] - features[:, 1] ** 2 + 0.1 * rng.normal(size=400), features])
channels = []
for name, part in (("train", rows[:300]), ("validation", rows[300:])):
    np.savetxt(f"{name}.csv", part, delimiter=",", fmt="%.6f")
    uri = session.upload_data(f"{name}.csv", key_prefix=f"v3-tuners/{name}")
    channels.append(InputData(channel_name=name, data_source=uri, content_type="text/csv"))
tuned(
    "autotuned",
    trainer_of(
        f"{registry}/sagemaker-xgboost:1.7-1",
        hyperparameters={"objective": "reg:squarederror", "num_round": 10},
    ),
    {"eta": ContinuousParameter(0.1, 0.5)},
    channels,
    objective="validation:rmse",
    regex=None,
    max_jobs=2,
    autotune=True,
    hyperparameters_to_keep_static=["objective", "num_round"],
)

# A script, then again with what was learned

iris = load_iris()
joined = np.insert(iris.data, 0, iris.target, axis=1)
np.savetxt("iris.csv", joined, delimiter=",", fmt="%1.1f, %1.3f, %1.3f, %1.3f, %1.3f")
data = [
    InputData(channel_name="train", data_source=session.upload_data("iris.csv", key_prefix="v3-tuners/iris"))
]
code = SourceCode(source_dir=str(Path(__file__).parent / "sklearn_tuned_source"), entry_script="train.py")
for name, more in (("script", {}), ("script-again", parents("IdenticalDataAndAlgorithm", "script"))):
    tuned(
        name,
        trainer_of(
            f"{registry}/sagemaker-scikit-learn:1.2-1-cpu-py3",
            source_code=code,
            hyperparameters={"max_depth": 3},
        ),
        {"ccp_alpha": ContinuousParameter(0.001, 0.3)},
        data,
        objective="accuracy",
        regex=r"accuracy=([0-9.]+);",
        objective_type="Maximize",
        strategy="Bayesian" if more else "Random",
        max_jobs=2,
        warm_start_config=more or None,
    )

# Several parents, a grid, early stopping, Hyperband, several instances

tuned("low", curve(), {"x": ContinuousParameter(0, 2)})
tuned("high", curve(), {"x": ContinuousParameter(5, 9)})
both = {"max_jobs": 2, "strategy": "Bayesian"}
for name, kind in (("identical", "IdenticalDataAndAlgorithm"), ("transfer", "TransferLearning")):
    warm = parents(kind, "low", "high")
    tuned(name, curve(), {"x": ContinuousParameter(0, 10)}, warm_start_config=warm, **both)

grid = {"colour": CategoricalParameter(["red", "green"]), "x": CategoricalParameter(["1", "3"])}
tuned("grid", curve(), grid, strategy="Grid", max_jobs=4)
worse = {"x": CategoricalParameter(["3", "4", "2", "5", "9"])}
slow = {"strategy": "Grid", "max_jobs": 5, "max_parallel_jobs": 1, "early_stopping_type": "Auto"}
tuned("early", curve(epochs=30, pause=0.05), worse, **slow)
band = HyperParameterTuningJobStrategyConfig(
    hyperband_strategy_config=HyperbandStrategyConfig(min_resource=2, max_resource=18)
)
tuned(
    "hyperband",
    curve(epochs=18, pause=0.05),
    {"x": ContinuousParameter(0, 10)},
    strategy="Hyperband",
    strategy_config=band,
    max_jobs=8,
)
tuned("instances", curve(instances=2), {"x": ContinuousParameter(0, 10)}, max_jobs=2)

# One that is stopped

tuner = HyperparameterTuner(
    curve(epochs=2000, pause=0.05),
    "loss",
    {"x": ContinuousParameter(0, 2)},
    [{"Name": "loss", "Regex": "loss=(.*?);"}],
    objective_type="Minimize",
    strategy="Random",
    max_jobs=9,
    max_parallel_jobs=2,
)
tuner.tune(job_name="v3-tuners-stopped", wait=False)
tuner.stop_tuning_job()
tuner.wait()
said["stopped"] = tuner.describe().hyper_parameter_tuning_job_status

Path(sys.argv[1]).write_text(json.dumps(said))
