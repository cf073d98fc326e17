"""SageMaker Python SDK v2: K-Means on a RecordSet, as the developer guide's example is written."""

import sys

import boto3
import numpy as np
import sagemaker
from sagemaker import KMeans

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = sagemaker.Session(boto3.Session(region_name="us-west-2"))
bucket = session.default_bucket()

rng = np.random.default_rng(7)
centers = rng.normal(scale=8, size=(5, 12))
train = (centers[rng.integers(0, 5, 2000)] + rng.normal(size=(2000, 12))).astype("float32")

kmeans = KMeans(
    role=role,
    instance_count=1,
    instance_type="ml.c5.xlarge",
    k=5,
    output_path=f"s3://{bucket}/kmeans-example/output",
    data_location=f"s3://{bucket}/kmeans-example/data",
    sagemaker_session=session,
)
kmeans.fit(kmeans.record_set(train))
predictor = kmeans.deploy(initial_instance_count=1, instance_type="ml.m5.xlarge")
try:
    records = predictor.predict(train[:100])
    clusters = np.array([r.label["closest_cluster"].float32_tensor.values[0] for r in records])
    distances = np.array([r.label["distance_to_cluster"].float32_tensor.values[0] for r in records])
finally:
    predictor.delete_model()
    predictor.delete_endpoint()
metrics = kmeans.training_job_analytics.dataframe()
np.savez(
    sys.argv[1],
    train=train,
    clusters=clusters,
    distances=distances,
    model=kmeans.model_data,
    metric_names=metrics["metric_name"].to_numpy(str),
    metric_values=metrics["value"].to_numpy(float),
)
