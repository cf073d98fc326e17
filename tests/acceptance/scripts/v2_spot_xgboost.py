"""SageMaker Python SDK v2: an XGBoost script on spot capacity, with checkpoints."""

import sys
from pathlib import Path

import boto3
import numpy as np
import sagemaker
from sagemaker.xgboost.estimator import XGBoost

session = sagemaker.Session(boto3.Session(region_name="us-west-2"))
rng = np.random.default_rng(11)
features = rng.normal(size=(300, 3))
np.savetxt("train.csv", np.column_stack([features[:, 0] - features[:, 1] ** 2, features]), delimiter=",")
estimator = XGBoost(
    entry_point="train.py",
    source_dir=str(Path(__file__).parent / "spot_xgboost_source"),
    framework_version="1.7-1",
    instance_type="ml.m5.xlarge",
    instance_count=1,
    role="arn:aws:iam::123456789012:role/service-role/MySageMakerRole",
    use_spot_instances=True,
    max_run=600,
    max_wait=1200,
    checkpoint_s3_uri=f"s3://{session.default_bucket()}/{sys.argv[1]}",
    environment={"GATES": "4 9"},
    sagemaker_session=session,
)
estimator.fit(
    {"train": session.upload_data("train.csv", key_prefix=f"{sys.argv[1]}-data")}, job_name=sys.argv[1]
)
print("model:", estimator.model_data)
