"""SageMaker Python SDK v2: a scikit-learn script trains and deploys, as the SDK's example is written."""

import sys
from pathlib import Path

import boto3
import numpy as np
import sagemaker
from sagemaker.sklearn.estimator import SKLearn
from sklearn.datasets import load_iris

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = sagemaker.Session(boto3.Session(region_name="us-west-2"))

iris = load_iris()
joined = np.insert(iris.data, 0, iris.target, axis=1)
np.savetxt("iris.csv", joined, delimiter=",", fmt="%1.1f, %1.3f, %1.3f, %1.3f, %1.3f")
train_input = session.upload_data("iris.csv", key_prefix="sklearn-example/iris")

estimator = SKLearn(
    entry_point="train.py",
    source_dir=str(Path(__file__).parent / "sklearn_source"),
    framework_version="1.2-1",
    py_version="py3",
    instance_type="ml.c5.xlarge",
    role=role,
    sagemaker_session=session,
    hyperparameters={"max_leaf_nodes": 30},
)
estimator.fit({"train": train_input})
predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.xlarge")
try:
    predictions = predictor.predict(iris.data)
finally:
    predictor.delete_model()
    predictor.delete_endpoint()
np.savez(sys.argv[1], data=joined, predictions=predictions, model=estimator.model_data)
