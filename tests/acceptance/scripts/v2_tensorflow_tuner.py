"""SageMaker Python SDK v2: a TensorFlow script is tuned; its loss is found in what it prints."""

import json
import sys
from pathlib import Path

import boto3
import numpy as np
import sagemaker
from sagemaker.tensorflow import TensorFlow
from sagemaker.tuner import HyperparameterTuner, IntegerParameter

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = sagemaker.Session(boto3.Session(region_name="us-west-2"))

rng = np.random.default_rng(9)
features = rng.normal(size=(300, 3)).astype("float32")
targets = features @ np.array([1.0, -1.0, 2.0], dtype="float32") + 3
np.savetxt("train.csv", np.column_stack([targets, features]), delimiter=",")
train_input = session.upload_data("train.csv", key_prefix="tensorflow-tuner")

estimator = TensorFlow(
    entry_point="train.py",
    source_dir=str(Path(__file__).parent / "tensorflow_source"),
    framework_version="2.19",
    py_version="py312",
    instance_type="ml.m5.xlarge",
    instance_count=1,
    role=role,
    sagemaker_session=session,
    model_dir=f"s3://{session.default_bucket()}/tensorflow-tuner",
)
tuner = HyperparameterTuner(
    estimator,
    "loss",
    {"epochs": IntegerParameter(1, 20)},
    metric_definitions=[{"Name": "loss", "Regex": "loss ([0-9.e-]+)"}],
    objective_type="Minimize",
    strategy="Random",
    max_jobs=2,
    max_parallel_jobs=2,
)
tuner.fit({"train": train_input})
frame = tuner.analytics().dataframe()
said = {
    "jobs": frame["TrainingJobName"].tolist(),
    "losses": frame["FinalObjectiveValue"].tolist(),
    "best": tuner.best_training_job(),
    "model_dir": estimator.model_dir,
}
Path(sys.argv[1]).write_text(json.dumps(said))
