"""SageMaker Python SDK v3: a spot job with checkpoints, as the SDK's documentation is written."""

import sys

import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.training.configs import CheckpointConfig, Compute, StoppingCondition
from sagemaker.train import ModelTrainer

session = Session(boto3.Session(region_name="us-west-2"))
trainer = ModelTrainer(
    sagemaker_session=session,
    role="arn:aws:iam::123456789012:role/service-role/MySageMakerRole",
    training_image="checkpointing:1",
    compute=Compute(instance_type="ml.m5.large", instance_count=1, enable_managed_spot_training=True),
    stopping_condition=StoppingCondition(max_runtime_in_seconds=600, max_wait_time_in_seconds=1200),
    checkpoint_config=CheckpointConfig(s3_uri=f"s3://{session.default_bucket()}/{sys.argv[1]}"),
    environment={"STEPS": "12", "GATES": "2 4 7"},
    base_job_name=sys.argv[1],
)
trainer.train(wait=True)
print("model:", trainer._latest_training_job.model_artifacts.s3_model_artifacts)
