"""SageMaker Python SDK v2: a tuner of spot jobs with checkpoints."""

import sys

import boto3
import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner

session = sagemaker.Session(boto3.Session(region_name="us-west-2"))
estimator = Estimator(
    image_uri="checkpointing:1",
    role="arn:aws:iam::123456789012:role/service-role/MySageMakerRole",
    instance_count=1,
    instance_type="ml.m5.large",
    use_spot_instances=True,
    max_run=600,
    max_wait=1200,
    max_retry_attempts=2,
    checkpoint_s3_uri=f"s3://{session.default_bucket()}/{sys.argv[1]}",
    environment={"STEPS": "6", "GATES": "3"},
    sagemaker_session=session,
)
tuner = HyperparameterTuner(
    estimator,
    "loss",
    {"x": ContinuousParameter(0, 1)},
    [{"Name": "loss", "Regex": "loss=(.*?);"}],
    objective_type="Minimize",
    max_jobs=2,
    max_parallel_jobs=2,
)
tuner.fit(job_name=sys.argv[1], include_cls_metadata=False)
print("best:", tuner.best_training_job())
