"""SageMaker Python SDK v2: a PyTorch script on two instances, and alone with the doubled batch."""

import json
import sys
from pathlib import Path

import boto3
import sagemaker
from sagemaker.pytorch import PyTorch

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = sagemaker.Session(boto3.Session(region_name="us-west-2"))


def train(instances, batch_size):
    estimator = PyTorch(  # of GPU instances, because the SDK has torchrun for no others
        entry_point="train.py",
        source_dir=str(Path(__file__).parent / "torch_source"),
        framework_version="2.6.0",
        py_version="py312",
        instance_count=instances,
        instance_type="ml.g5.xlarge",
        distribution={"torch_distributed": {"enabled": True}} if instances > 1 else None,
        role=role,
        sagemaker_session=session,
        hyperparameters={"batch-size": batch_size, "steps": 30},
        metric_definitions=[{"Name": "loss", "Regex": "loss=(.*);"}],
    )
    estimator.fit()
    job = session.describe_training_job(estimator.latest_training_job.name)
    return {
        "name": estimator.latest_training_job.name,
        "loss": job["FinalMetricDataList"][0]["Value"],
        "model": estimator.model_data,
    }


results = {"two": train(2, 64), "one": train(1, 128), "other": train(1, 64)}
Path(sys.argv[1]).write_text(json.dumps(results))
