"""SageMaker Python SDK v3: PySparkProcessor counts words."""

import json
import sys
from pathlib import Path

import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.s3 import S3Downloader, S3Uploader
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output
from sagemaker.core.spark.processing import PySparkProcessor

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = Session(boto3.Session(region_name="us-west-2"))
bucket = session.default_bucket()
source = Path(__file__).parent / "spark_source"

Path("text").mkdir()
Path("text/1.txt").write_text("the cat 9 saw the dog\n")
Path("text/2.txt").write_text("the dog slept\n")
uri = S3Uploader.upload("text", f"s3://{bucket}/pyspark3/in", sagemaker_session=session)
processor = PySparkProcessor(
    framework_version="3.5",
    role=role,
    instance_count=1,
    instance_type="ml.m5.xlarge",
    max_runtime_in_seconds=600,
    sagemaker_session=session,
)
given = ProcessingS3Input(
    s3_uri=uri, local_path="/opt/ml/processing/input/text", s3_data_type="S3Prefix", s3_input_mode="File"
)
made = ProcessingS3Output(
    s3_uri=f"s3://{bucket}/pyspark3/out", local_path="/opt/ml/processing/output", s3_upload_mode="EndOfJob"
)
processor.run(
    submit_app=str(source / "count.py"),
    submit_py_files=[str(source / "helper.py")],
    arguments=["--input", "/opt/ml/processing/input/text", "--output", "/opt/ml/processing/output"],
    inputs=[ProcessingInput(input_name="text", s3_input=given)],
    outputs=[ProcessingOutput(output_name="counts", s3_output=made)],
)
job = processor.latest_job
job.refresh()
S3Downloader.download(f"s3://{bucket}/pyspark3/out", "out", sagemaker_session=session)
(counts,) = Path("out/counts").glob("*.csv")
said = {
    "status": job.processing_job_status,
    "counts": counts.read_text(),
    "facts": Path("out/facts.txt").read_text(),
}
Path(sys.argv[1]).write_text(json.dumps(said))
