"""SageMaker Python SDK v2: HyperparameterTuner over two built-in algorithms and a script, as its examples are written."""

import json
import sys
from pathlib import Path

import boto3
import numpy as np
import sagemaker
from sagemaker import KMeans
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.tuner import (
    CategoricalParameter,
    ContinuousParameter,
    HyperparameterTuner,
    IntegerParameter,
    WarmStartConfig,
    WarmStartTypes,
)
from sklearn.datasets import load_iris

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = sagemaker.Session(boto3.Session(region_name="us-west-2"))
bucket = session.default_bucket()
said = {}


def results(tuner):
    frame = tuner.analytics().dataframe()
    return {
        "name": tuner.latest_tuning_job.name,
        "status": tuner.describe()["HyperParameterTuningJobStatus"],
        "best": tuner.best_training_job(),
        "jobs": frame["TrainingJobName"].tolist(),
        "statuses": frame["TrainingJobStatus"].tolist(),
        "values": frame["FinalObjectiveValue"].tolist(),
        "columns": sorted(frame.columns),
        "ranges": sorted(tuner.analytics().tuning_ranges),
    }


# K-Means on records, with a channel to score it by

rng = np.random.default_rng(7)
centers = rng.normal(scale=8, size=(5, 12))
points = (centers[rng.integers(0, 5, 1500)] + rng.normal(size=(1500, 12))).astype("float32")
kmeans = KMeans(
    role=role,
    instance_count=1,
    instance_type="ml.c5.xlarge",
    k=5,
    output_path=f"s3://{bucket}/tuning/output",
    data_location=f"s3://{bucket}/tuning/data",
    sagemaker_session=session,
)
tuner = HyperparameterTuner(
    estimator=kmeans,
    objective_metric_name="test:msd",
    hyperparameter_ranges={
        "extra_center_factor": IntegerParameter(4, 10),
        "mini_batch_size": IntegerParameter(10, 100),
        "epochs": IntegerParameter(1, 2),
        "init_method": CategoricalParameter(["kmeans++", "random"]),
    },
    objective_type="Minimize",
    max_jobs=4,
    max_parallel_jobs=2,
)
tuner.fit([kmeans.record_set(points[:1000]), kmeans.record_set(points[1000:], channel="test")])
said["kmeans"] = results(tuner)
attached = HyperparameterTuner.attach(tuner.latest_tuning_job.name, sagemaker_session=session)
said["kmeans"]["attached"] = attached.best_training_job()
predictor = tuner.deploy(initial_instance_count=1, instance_type="ml.m5.xlarge")
try:
    records = predictor.predict(points[:20])
    said["kmeans"]["distances"] = [r.label["distance_to_cluster"].float32_tensor.values[0] for r in records]
finally:
    predictor.delete_model()
    predictor.delete_endpoint()

# XGBoost, stopped early where a trial falls behind; then again with what was learned

features = rng.normal(size=(600, 4))
targets = features[:, 0] - features[:, 1] ** 2 + 0.1 * rng.normal(size=600)
rows = np.column_stack([targets, features])
channels = {}
for name, part in (("train", rows[:450]), ("validation", rows[450:])):
    np.savetxt(f"{name}.csv", part, delimiter=",", fmt="%.6f")
    uri = session.upload_data(f"{name}.csv", key_prefix=f"tuning/xgboost/{name}")
    channels[name] = TrainingInput(uri, content_type="text/csv")
xgboost = Estimator(
    sagemaker.image_uris.retrieve("xgboost", "us-west-2", "1.7-1"),
    role,
    instance_count=1,
    instance_type="ml.m5.xlarge",
    output_path=f"s3://{bucket}/tuning/xgboost",
    sagemaker_session=session,
)
xgboost.set_hyperparameters(objective="reg:squarederror", num_round=30)
ranges = {
    "eta": ContinuousParameter(0.01, 0.5, scaling_type="Logarithmic"),
    "max_depth": IntegerParameter(1, 8),
    "alpha": ContinuousParameter(0, 2),
}
shared = {
    "objective_metric_name": "validation:rmse",
    "hyperparameter_ranges": ranges,
    "objective_type": "Minimize",
    "max_parallel_jobs": 2,
}
tuner = HyperparameterTuner(
    xgboost, max_jobs=5, early_stopping_type="Auto", strategy="Random", random_seed=3, **shared
)
tuner.fit(channels)
said["xgboost"] = results(tuner)
predictor = tuner.deploy(initial_instance_count=1, instance_type="ml.m5.xlarge", serializer=CSVSerializer())
try:
    answer = predictor.predict(features[450:])
    said["xgboost"]["predictions"] = [
        float(text) for text in answer.decode().replace("\n", ",").split(",") if text
    ]
finally:
    predictor.delete_model()
    predictor.delete_endpoint()
said["xgboost"]["targets"] = targets[450:].tolist()
warm = WarmStartConfig(WarmStartTypes.IDENTICAL_DATA_AND_ALGORITHM, {tuner.latest_tuning_job.name})
child = HyperparameterTuner(xgboost, max_jobs=2, warm_start_config=warm, **shared)
child.fit(channels, job_name="xgboost-warm")  # names that the SDK makes are those of a minute
said["warm"] = results(child)
said["warm"]["overall"] = child.describe()["OverallBestTrainingJob"]["TrainingJobName"]

# Linear Learner: one model in each training job

linear = sagemaker.LinearLearner(
    role=role,
    instance_count=1,
    instance_type="ml.m5.large",
    predictor_type="regressor",
    epochs=5,
    output_path=f"s3://{bucket}/tuning/linear/output",
    data_location=f"s3://{bucket}/tuning/linear/data",
    sagemaker_session=session,
)
tuner = HyperparameterTuner(
    linear,
    "validation:objective_loss",
    {
        "learning_rate": ContinuousParameter(0.001, 0.5, scaling_type="Logarithmic"),
        "mini_batch_size": IntegerParameter(10, 100),
    },
    objective_type="Minimize",
    max_jobs=3,
    max_parallel_jobs=2,
    early_stopping_type="Auto",
)
single = features.astype("float32"), targets.astype("float32")
tuner.fit(
    [
        linear.record_set(single[0][:450], labels=single[1][:450]),
        linear.record_set(single[0][450:], labels=single[1][450:], channel="validation"),
    ]
)
said["linear"] = results(tuner)
said["linear"]["models"] = tuner.describe()["TrainingJobDefinition"]["StaticHyperParameters"]["num_models"]
predictor = tuner.deploy(initial_instance_count=1, instance_type="ml.m5.xlarge")
try:
    records = predictor.predict(single[0][450:])
    said["linear"]["predictions"] = [r.label["score"].float32_tensor.values[0] for r in records]
finally:
    predictor.delete_model()
    predictor.delete_endpoint()

# A script that prints its accuracy: every combination

iris = load_iris()
joined = np.insert(iris.data, 0, iris.target, axis=1)
np.savetxt("iris.csv", joined, delimiter=",", fmt="%1.1f, %1.3f, %1.3f, %1.3f, %1.3f")
script = SKLearn(
    entry_point="train.py",
    source_dir=str(Path(__file__).parent / "sklearn_tuned_source"),
    framework_version="1.2-1",
    py_version="py3",
    instance_type="ml.c5.xlarge",
    role=role,
    sagemaker_session=session,
    hyperparameters={"ccp_alpha": 0.0},
)
tuner = HyperparameterTuner(
    script,
    "accuracy",
    {"max_depth": CategoricalParameter([1, 3]), "criterion": CategoricalParameter(["gini", "entropy"])},
    metric_definitions=[{"Name": "accuracy", "Regex": r"accuracy=([0-9.]+);"}],
    objective_type="Maximize",
    strategy="Grid",
    max_jobs=4,
    max_parallel_jobs=2,
)
tuner.fit({"train": session.upload_data("iris.csv", key_prefix="tuning/iris")})
said["script"] = results(tuner)
predictor = tuner.deploy(initial_instance_count=1, instance_type="ml.m5.xlarge")
try:
    said["script"]["accuracy"] = float(np.mean(predictor.predict(iris.data) == iris.target))
finally:
    predictor.delete_model()
    predictor.delete_endpoint()

Path(sys.argv[1]).write_text(json.dumps(said))
