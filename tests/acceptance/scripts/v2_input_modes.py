"""SageMaker Python SDK v2: the ways to give data to a training job, each to the built-in K-Means.

The second argument is where the file system fs-0123456789abcdef0 is mounted here.
"""

import gzip
import io
import json
import sys
from pathlib import Path

import boto3
import numpy as np
import sagemaker
from sagemaker import KMeans, image_uris
from sagemaker.amazon.common import write_numpy_to_dense_tensor
from sagemaker.amazon.record_pb2 import Record
from sagemaker.estimator import Estimator
from sagemaker.inputs import FileSystemInput, ShuffleConfig, TrainingInput

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = sagemaker.Session(boto3.Session(region_name="us-west-2"))
bucket = session.default_bucket()
image = image_uris.retrieve("kmeans", "us-west-2")
records = "application/x-recordio-protobuf"
csv = "text/csv;label_size=0"
rng = np.random.default_rng(17)


def make_points(count=300):
    """Three clusters, elsewhere each time."""
    centers = rng.permutation(np.arange(-4, 5) * 10)[:3, None] + rng.normal(size=(3, 4))
    return (centers[np.arange(count) % 3] + 0.1 * rng.normal(size=(count, 4))).astype("float32")


def upload(key, content):
    session.boto_session.client("s3").put_object(Bucket=bucket, Key=f"modes/{key}", Body=content)
    return f"s3://{bucket}/modes/{key}"


def as_csv(points):
    text = io.StringIO()
    np.savetxt(text, points, delimiter=",", fmt="%.5f")
    return text.getvalue().encode()


def as_records(points):
    file = io.BytesIO()
    write_numpy_to_dense_tensor(file, points)
    return file.getvalue()


def as_record(point):
    """One record without a frame around it."""
    record = Record()
    record.features["values"].float32_tensor.values.extend(point)
    return record.SerializeToString()


data = {}
jobs = {}


def fit(name, points, channel, **hyperparameters):
    estimator = Estimator(
        image,
        role,
        instance_count=1,
        instance_type="ml.m5.large",
        sagemaker_session=session,
        subnets=["subnet-0123456789abcdef0"],  # a file system is reached from its VPC
        security_group_ids=["sg-0123456789abcdef0"],
        hyperparameters={"k": 3, "feature_dim": 4, **hyperparameters},
    )
    estimator.fit({"train": channel}, wait=False, job_name=f"v2-modes-{name}")
    data[name], jobs[name] = points, estimator


# A RecordSet: a manifest, each host its share of the objects.
kmeans = KMeans(role, 1, "ml.m5.large", k=3, sagemaker_session=session, num_record_sets=2)
points = make_points()
kmeans.fit(kmeans.record_set(points), wait=False, job_name="v2-modes-record-set")
data["record-set"], jobs["record-set"] = points, kmeans

points = make_points()
for number in range(3):
    uri = upload(f"pipe/{number}", as_records(points[number::3]))
shuffled = TrainingInput(
    uri.rpartition("/")[0] + "/", content_type=records, input_mode="Pipe", shuffle_config=ShuffleConfig(42)
)
fit("pipe", points, shuffled, epochs=3)

points = make_points()
upload("gzip/a.csv.gz", gzip.compress(as_csv(points[:100])))
upload("gzip/b.csv.gz", gzip.compress(as_csv(points[100:])))
uri = f"s3://{bucket}/modes/gzip/"
fit("gzip", points, TrainingInput(uri, content_type=csv, input_mode="Pipe", compression="Gzip"))

points = make_points()
uri = upload("fast/points.csv", as_csv(points))
fit("fast-file", points, TrainingInput(uri, content_type=csv, input_mode="FastFile"))

points = make_points()
upload("listed/a.csv", as_csv(points[:200]))
upload("listed/b.csv", as_csv(points[200:]))
upload("listed/not-listed.csv", b"this,is,no,number\n")
uri = upload("listed.manifest", json.dumps([{"prefix": f"s3://{bucket}/modes/listed/"}, "a.csv", "b.csv"]))
listed = TrainingInput(
    uri, content_type=csv, input_mode="Pipe", s3_data_type="ManifestFile", distribution="ShardedByS3Key"
)
fit("manifest", points, listed)

points = make_points(30)
lines = []
for number, point in enumerate(points):
    lines.append({"point-ref": upload(f"augmented/{number}", as_record(point)), "label": number % 3})
uri = upload("augmented.manifest", "\n".join(map(json.dumps, lines)))
augmented = TrainingInput(
    uri,
    content_type=records,
    input_mode="Pipe",
    s3_data_type="AugmentedManifestFile",
    attribute_names=["point-ref"],
    record_wrapping="RecordIO",
    shuffle_config=ShuffleConfig(7),
)
fit("augmented", points, augmented)
wrapped = TrainingInput(
    f"s3://{bucket}/modes/augmented/", content_type=records, input_mode="Pipe", record_wrapping="RecordIO"
)
fit("wrapped", points, wrapped)

points = make_points()
(Path(sys.argv[2]) / "v2").mkdir()
(Path(sys.argv[2]) / "v2" / "points.csv").write_bytes(as_csv(points))
fit("file-system", points, FileSystemInput("fs-0123456789abcdef0", "EFS", "/v2", "ro", csv))

results = {}
for name, estimator in jobs.items():
    estimator.latest_training_job.wait(logs=False)
    results[f"{name}/points"] = data[name]
    results[f"{name}/model"] = estimator.model_data
np.savez(sys.argv[1], **results)
