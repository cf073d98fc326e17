"""SageMaker Python SDK v3: the ways to give data to a training job, with a built-in algorithm and with a script.

The second argument is where the file system fs-0123456789abcdef0 is mounted here.
"""

import gzip
import io
import json
import sys
from pathlib import Path

import boto3
import numpy as np
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.shapes import Channel, DataSource, FileSystemDataSource, S3DataSource, ShuffleConfig
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.train import ModelTrainer

region = "us-west-2"
role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = Session(boto3.Session(region_name=region))
bucket = session.default_bucket()
kmeans = f"174872318107.dkr.ecr.{region}.amazonaws.com/kmeans:1"
sklearn = f"246618743249.dkr.ecr.{region}.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
csv = "text/csv;label_size=0"
rng = np.random.default_rng(23)
mounted = Path(sys.argv[2]) / "v3-points"
mounted.mkdir()


def upload(key, content):
    session.boto_session.client("s3").put_object(Bucket=bucket, Key=f"v3-modes/{key}", Body=content)
    return f"s3://{bucket}/v3-modes/{key}"


def as_csv(points):
    text = io.StringIO()
    np.savetxt(text, points, delimiter=",", fmt="%.5f")
    return text.getvalue().encode()


def make_points():
    centers = rng.permutation(np.arange(-4, 5) * 10)[:3, None] + rng.normal(size=(3, 4))
    return centers[np.arange(300) % 3] + 0.1 * rng.normal(size=(300, 4))


def prefix(name, distribution="FullyReplicated"):
    return S3DataSource(
        s3_data_type="S3Prefix",
        s3_uri=f"s3://{bucket}/v3-modes/{name}/",
        s3_data_distribution_type=distribution,
    )


def file_system(folder, access):
    return FileSystemDataSource(
        file_system_id="fs-0123456789abcdef0",
        file_system_type="EFS",
        file_system_access_mode=access,
        directory_path=folder,
    )


results = {}
jobs = {}


def train(name, points, channel, mode):
    trainer = ModelTrainer(
        sagemaker_session=session,
        role=role,
        training_image=kmeans,
        training_input_mode=mode,
        compute=Compute(instance_type="ml.m5.xlarge", instance_count=1),
        hyperparameters={"k": 3, "feature_dim": 4},
        base_job_name=f"v3-modes-{name}",
    )
    trainer.train(input_data_config=[channel], wait=False)
    results[name] = {"points": points.tolist()}
    jobs[name] = trainer._latest_training_job


for mode in ("Pipe", "FastFile"):
    points = make_points()
    upload(f"{mode}/a.csv", as_csv(points[:100]))
    upload(f"{mode}/b.csv", as_csv(points[100:]))
    source = prefix(mode, "ShardedByS3Key")
    train(mode, points, InputData(channel_name="train", data_source=source, content_type=csv), mode)

points = make_points()
(mounted / "points.csv").write_bytes(as_csv(points))
source = file_system("/v3-points", "ro")
train("file-system", points, InputData(channel_name="train", data_source=source, content_type=csv), "File")

# A script with channels of every mode

labels = np.arange(300) % 3
rows = np.column_stack([labels, rng.normal(size=(300, 3)) + labels[:, None]]).round(5)
parts = [rows[number::5] for number in range(5)]
upload("parts/file/0.csv", as_csv(parts[0]))
upload("parts/fast/0.csv", as_csv(parts[1]))
upload("parts/zipped/0.csv.gz", gzip.compress(as_csv(parts[2])))
for number in range(10):
    upload(f"parts/streamed/{number}.csv", as_csv(parts[3][number::10]))
scripted = Path(sys.argv[2]) / "v3-script"
scripted.mkdir()
(scripted / "4.csv").write_bytes(as_csv(parts[4]))


def channel(name, mode, **members):
    source = DataSource(s3_data_source=prefix(f"parts/{name}"))
    return Channel(channel_name=name, data_source=source, input_mode=mode, **members)


trainer = ModelTrainer(
    sagemaker_session=session,
    role=role,
    training_image=sklearn,
    source_code=SourceCode(source_dir=str(Path(__file__).parent / "modes_source"), entry_script="train.py"),
    compute=Compute(instance_type="ml.m5.xlarge", instance_count=1),
    base_job_name="v3-modes-script",
)
trainer.train(
    input_data_config=[
        channel("file", "File"),
        channel("fast", "FastFile"),
        channel("zipped", "Pipe", compression_type="Gzip"),
        channel("streamed", "Pipe", shuffle_config=ShuffleConfig(seed=5)),
        InputData(channel_name="shared", data_source=file_system("/v3-script", "rw")),
    ],
    wait=False,
)
jobs["script"] = trainer._latest_training_job
results["script"] = {"rows": rows.tolist()}

for name, job in jobs.items():
    job.wait()
    results[name]["model"] = job.model_artifacts.s3_model_artifacts
results["script"]["left"] = (scripted / "seen.txt").read_text()
Path(sys.argv[1]).write_text(json.dumps(results))
