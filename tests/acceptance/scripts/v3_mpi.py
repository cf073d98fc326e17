"""SageMaker Python SDK v3: ModelTrainer runs a script under MPI, two processes on each instance.

Arguments: where results go, the folder of the code, the number of instances, and the rank that is to fail.
"""

import json
import sys
from pathlib import Path

import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.training.configs import Compute, SourceCode
from sagemaker.core.utils.exceptions import FailedStatusError
from sagemaker.train import ModelTrainer
from sagemaker.train.distributed import MPI

results, source, instances, failing = sys.argv[1:]
client = boto3.Session(region_name="us-west-2")
trainer = ModelTrainer(
    sagemaker_session=Session(client),
    role="arn:aws:iam::123456789012:role/service-role/MySageMakerRole",
    training_image="763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:2.6.0-cpu-py312",
    source_code=SourceCode(source_dir=source, entry_script="train.py", requirements="requirements.txt"),
    compute=Compute(instance_type="ml.m5.xlarge", instance_count=int(instances)),
    distributed=MPI(process_count_per_node=2, mpi_additional_options=["-x", "NCCL_DEBUG=WARN"]),
    hyperparameters={"failing-rank": int(failing)},
    base_job_name="mpi-example",
)
try:
    trainer.train(wait=True)
except FailedStatusError as error:
    print(error)
name = trainer._latest_training_job.training_job_name
job = client.client("sagemaker").describe_training_job(TrainingJobName=name)
Path(results).write_text(json.dumps(job, default=str))
