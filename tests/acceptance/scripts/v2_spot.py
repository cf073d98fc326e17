"""SageMaker Python SDK v2: a spot job with checkpoints, as the SDK's documentation is written."""

import sys

import boto3
import sagemaker
from sagemaker.estimator import Estimator

session = sagemaker.Session(boto3.Session(region_name="us-west-2"))
estimator = Estimator(
    image_uri="checkpointing:1",
    role="arn:aws:iam::123456789012:role/service-role/MySageMakerRole",
    instance_count=1,
    instance_type="ml.m5.large",
    use_spot_instances=True,
    max_run=600,
    max_wait=1200,
    checkpoint_s3_uri=f"s3://{session.default_bucket()}/{sys.argv[1]}",
    environment={"STEPS": "12", "GATES": "2 4 7"},
    sagemaker_session=session,
)
estimator.fit(job_name=sys.argv[1])
print("model:", estimator.model_data)
