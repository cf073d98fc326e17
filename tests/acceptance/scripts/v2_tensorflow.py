"""SageMaker Python SDK v2: a TensorFlow script trains; its SavedModel is served without a script."""

import json
import sys
from pathlib import Path

import boto3
import numpy as np
import sagemaker
from sagemaker.tensorflow import TensorFlow

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = sagemaker.Session(boto3.Session(region_name="us-west-2"))

rng = np.random.default_rng(9)
features = rng.normal(size=(300, 3)).astype("float32")
targets = features @ np.array([1.0, -1.0, 2.0], dtype="float32") + 3
np.savetxt("train.csv", np.column_stack([targets, features]), delimiter=",")
train_input = session.upload_data("train.csv", key_prefix="tensorflow-example")

estimator = TensorFlow(
    entry_point="train.py",
    source_dir=str(Path(__file__).parent / "tensorflow_source"),
    framework_version="2.19",
    py_version="py312",
    instance_type="ml.m5.xlarge",
    instance_count=1,
    role=role,
    sagemaker_session=session,
    hyperparameters={"epochs": 60},
)
estimator.fit({"train": train_input})
predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.xlarge")
try:
    answer = predictor.predict({"instances": features[:20].tolist()})
finally:
    predictor.delete_model()
    predictor.delete_endpoint()
Path(sys.argv[1]).write_text(json.dumps({"answer": answer, "targets": targets[:20].tolist()}))
