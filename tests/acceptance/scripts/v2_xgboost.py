"""SageMaker Python SDK v2: an XGBoost script whose source lies in S3."""

import sys
import tarfile
from pathlib import Path

import boto3
import numpy as np
import sagemaker
from sagemaker.xgboost.estimator import XGBoost

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = sagemaker.Session(boto3.Session(region_name="us-west-2"))

with tarfile.open("sourcedir.tar.gz", "w:gz") as archive:
    archive.add(Path(__file__).parent / "xgboost_source" / "train.py", "train.py")
source = session.upload_data("sourcedir.tar.gz", key_prefix="xgboost-example/source")

rng = np.random.default_rng(7)
features = rng.normal(size=(300, 3)).astype("float32")
targets = (features[:, 0] - features[:, 1] ** 2).astype("float32")
lines = (
    f"{target} " + " ".join(f"{number}:{value}" for number, value in enumerate(row))
    for target, row in zip(targets, features, strict=True)
)
Path("train.libsvm").write_text("\n".join(lines))
train_input = session.upload_data("train.libsvm", key_prefix="xgboost-example/train")

estimator = XGBoost(
    entry_point="train.py",
    source_dir=source,
    framework_version="1.7-1",
    instance_type="ml.m5.xlarge",
    instance_count=1,
    role=role,
    sagemaker_session=session,
    hyperparameters={"max_depth": 4, "objective": "reg:squarederror", "num_round": 20},
)
estimator.fit({"train": train_input})
np.savez(sys.argv[1], features=features, targets=targets, model=estimator.model_data)
