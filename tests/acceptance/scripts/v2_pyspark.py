"""SageMaker Python SDK v2: PySparkProcessor counts words, with a configuration, a module and an event log."""

import json
import sys
import zipfile
from pathlib import Path

import boto3
import sagemaker
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.spark.processing import PySparkProcessor

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = sagemaker.Session(boto3.Session(region_name="us-west-2"))
bucket = session.default_bucket()
source = Path(__file__).parent / "spark_source"

Path("text").mkdir()
Path("text/1.txt").write_text("the cat 9 saw the dog\n")
Path("text/2.txt").write_text("the dog slept\n")
with zipfile.ZipFile("library.jar", "w") as jar:
    jar.writestr("motto.txt", "from a jar")
processor = PySparkProcessor(
    base_job_name="pyspark-example",
    framework_version="3.5",
    role=role,
    instance_count=1,
    instance_type="ml.m5.xlarge",
    max_runtime_in_seconds=600,
    sagemaker_session=session,
)
processor.run(
    submit_app=str(source / "count.py"),
    submit_py_files=[str(source / "helper.py")],
    submit_jars=["library.jar"],
    arguments=["--input", "/opt/ml/processing/input/text", "--output", "/opt/ml/processing/output", "--motto"],
    inputs=[ProcessingInput(source="text", destination="/opt/ml/processing/input/text")],
    outputs=[ProcessingOutput(output_name="counts", source="/opt/ml/processing/output", destination=f"s3://{bucket}/pyspark/out")],
    configuration=[{"Classification": "spark-defaults", "Properties": {"spark.sql.shuffle.partitions": "3"}}],
    spark_event_logs_s3_uri=f"s3://{bucket}/pyspark/events",
)  # fmt: skip
job = processor.latest_job
sagemaker.s3.S3Downloader.download(f"s3://{bucket}/pyspark/out", "out", sagemaker_session=session)
(counts,) = Path("out/counts").glob("*.csv")
events = sagemaker.s3.S3Downloader.list(f"s3://{bucket}/pyspark/events", sagemaker_session=session)

try:
    processor.run(
        submit_app=str(source / "from_s3.py"), arguments=[f"s3a://{bucket}/pyspark/out"], logs=False
    )
except sagemaker.exceptions.UnexpectedStatusException:
    refused = processor.latest_job.describe()["FailureReason"]
Path(sys.argv[1]).write_text(
    json.dumps(
        {
            "status": job.describe()["ProcessingJobStatus"],
            "counts": counts.read_text(),
            "facts": Path("out/facts.txt").read_text(),
            "events": events,
            "refused": refused,
            "first": sagemaker.s3.S3Downloader.read_file(events[0], sagemaker_session=session)[:200],
        }
    )
)
