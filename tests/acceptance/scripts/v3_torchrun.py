"""SageMaker Python SDK v3: ModelTrainer runs a script by torchrun on two instances."""

import json
import sys
from pathlib import Path

import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.training.configs import Compute, SourceCode
from sagemaker.train import ModelTrainer
from sagemaker.train.distributed import Torchrun

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = Session(boto3.Session(region_name="us-west-2"))
trainer = ModelTrainer(
    sagemaker_session=session,
    role=role,
    training_image="763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:2.6.0-cpu-py312",
    source_code=SourceCode(source_dir=str(Path(__file__).parent / "torch_source"), entry_script="train.py"),
    compute=Compute(instance_type="ml.m5.xlarge", instance_count=2),
    distributed=Torchrun(),
    hyperparameters={"batch-size": 64, "steps": 30},
    base_job_name="torchrun-example",
)
trainer.train(wait=True)
job = trainer._latest_training_job
Path(sys.argv[1]).write_text(
    json.dumps(
        {
            "status": job.training_job_status,
            "model": job.model_artifacts.s3_model_artifacts,
            "name": job.training_job_name,
        }
    )
)
