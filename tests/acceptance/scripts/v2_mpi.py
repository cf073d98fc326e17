"""SageMaker Python SDK v2: a PyTorch estimator runs a script under MPI, two processes on each instance.

Arguments: where results go, the folder of the code, the number of instances, and the rank that is to fail.
"""

import json
import sys
from pathlib import Path

import boto3
import sagemaker
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.pytorch import PyTorch

results, source, instances, failing = sys.argv[1:]
session = sagemaker.Session(boto3.Session(region_name="us-west-2"))
estimator = PyTorch(
    entry_point="train.py",
    source_dir=source,
    framework_version="2.6.0",
    py_version="py312",
    instance_count=int(instances),
    instance_type="ml.m5.xlarge",
    distribution={
        "mpi": {"enabled": True, "processes_per_host": 2, "custom_mpi_options": "--NCCL_DEBUG WARN"}
    },
    role="arn:aws:iam::123456789012:role/service-role/MySageMakerRole",
    sagemaker_session=session,
    hyperparameters={"failing-rank": int(failing)},
    metric_definitions=[{"Name": "loss", "Regex": "loss=(.*);"}],
)
try:
    estimator.fit()
except UnexpectedStatusException as error:
    print(error)
Path(results).write_text(
    json.dumps(session.describe_training_job(estimator.latest_training_job.name), default=str)
)
