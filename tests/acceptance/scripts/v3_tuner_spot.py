"""SageMaker Python SDK v3: a tuner of spot jobs with checkpoints."""

import sys

import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.parameter import ContinuousParameter
from sagemaker.core.shapes import RetryStrategy
from sagemaker.core.training.configs import CheckpointConfig, Compute, StoppingCondition
from sagemaker.train import ModelTrainer
from sagemaker.train.tuner import HyperparameterTuner

session = Session(boto3.Session(region_name="us-west-2"))
trainer = ModelTrainer(
    sagemaker_session=session,
    role="arn:aws:iam::123456789012:role/service-role/MySageMakerRole",
    training_image="checkpointing:1",
    compute=Compute(
        instance_type="ml.m5.large",
        instance_count=1,
        volume_size_in_gb=10,
        enable_managed_spot_training=True,
    ),
    stopping_condition=StoppingCondition(max_runtime_in_seconds=600, max_wait_time_in_seconds=1200),
    checkpoint_config=CheckpointConfig(s3_uri=f"s3://{session.default_bucket()}/{sys.argv[1]}"),
    environment={"STEPS": "6", "GATES": "3"},
).with_retry_strategy(RetryStrategy(maximum_retry_attempts=2))
tuner = HyperparameterTuner(
    trainer,
    "loss",
    {"x": ContinuousParameter(0, 1)},
    [{"Name": "loss", "Regex": "loss=(.*?);"}],
    objective_type="Minimize",
    max_jobs=2,
    max_parallel_jobs=2,
)
tuner.tune(job_name=sys.argv[1], wait=True)
print("best:", tuner.best_training_job())
