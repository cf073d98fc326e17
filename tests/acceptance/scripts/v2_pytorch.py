"""SageMaker Python SDK v2: a PyTorch script with a library of its own and a package trains and deploys."""

import sys
from pathlib import Path

import boto3
import numpy as np
import sagemaker
from sagemaker.pytorch import PyTorch

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = sagemaker.Session(boto3.Session(region_name="us-west-2"))

rng = np.random.default_rng(5)
features = rng.normal(size=(400, 4)).astype("float32")
targets = features @ np.array([1.0, -2.0, 0.5, 3.0], dtype="float32")
np.savetxt("train.csv", np.column_stack([targets, features]), delimiter=",")
train_input = session.upload_data("train.csv", key_prefix="pytorch-example")

folder = Path(__file__).parent
estimator = PyTorch(
    entry_point="train.py",
    source_dir=str(folder / "pytorch_source"),
    dependencies=[str(folder / "pytorch_dependency" / "wildnet")],
    framework_version="2.5",
    py_version="py311",
    instance_type="ml.m5.xlarge",
    instance_count=1,
    role=role,
    sagemaker_session=session,
    hyperparameters={"epochs": 400, "learning-rate": 0.02},
    metric_definitions=[{"Name": "loss", "Regex": "loss=([0-9.]+);"}],
)
estimator.fit({"train": train_input})
predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.xlarge")
try:
    predictions = predictor.predict(features[:50])
finally:
    predictor.delete_model()
    predictor.delete_endpoint()
names = {"name": estimator.latest_training_job.name, "endpoint": predictor.endpoint_name}
np.savez(sys.argv[1], targets=targets[:50], predictions=predictions, **names)
