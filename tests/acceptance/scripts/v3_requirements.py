"""SageMaker Python SDK v3: ModelTrainer with a requirements.txt, twice."""

import json
import shutil
import sys
from pathlib import Path

import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.training.configs import Compute, SourceCode
from sagemaker.train import ModelTrainer

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = Session(boto3.Session(region_name="us-west-2"))

shutil.copytree(Path(__file__).parent / "requirements_source", "source")
Path("source", "requirements.txt").write_text(Path("requirements.txt").read_text())

names = []
for _ in range(2):
    trainer = ModelTrainer(
        sagemaker_session=session,
        role=role,
        training_image="683313688378.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
        source_code=SourceCode(source_dir="source", entry_script="train.py", requirements="requirements.txt"),
        compute=Compute(instance_type="ml.m5.xlarge", instance_count=1),
        base_job_name="requirements-example",
    )
    trainer.train(wait=True)
    names.append(trainer._latest_training_job.training_job_name)
Path(sys.argv[1]).write_text(json.dumps(names))
