"""SageMaker Python SDK v3: a script processes data with the libraries of framework images."""

import json
import sys
from pathlib import Path

import boto3
import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.processing import FrameworkProcessor
from sagemaker.core.s3 import S3Downloader
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = Session(boto3.Session(region_name="us-west-2"))
source = str(Path(__file__).parent / "processing_source")
table = np.random.default_rng(8).normal(3.0, 2.0, size=(40, 3)).astype("float32")
np.savetxt("table.csv", table, delimiter=",")
uri = session.upload_data("table.csv", key_prefix="framework-processors")
given = ProcessingS3Input(
    s3_uri=uri, local_path="/opt/ml/processing/input/data", s3_data_type="S3Prefix", s3_input_mode="File"
)
images = {
    "torch": image_uris.retrieve(
        framework="pytorch",
        region="us-west-2",
        version="2.5",
        py_version="py311",
        instance_type="ml.m5.xlarge",
        image_scope="training",
    ),
    "xgboost": image_uris.retrieve(framework="xgboost", region="us-west-2", version="1.7-1"),
}

found = {}
for name, image in images.items():
    made = ProcessingS3Output(
        s3_uri=f"s3://{session.default_bucket()}/framework-processors/{name}",
        local_path="/opt/ml/processing/output",
        s3_upload_mode="EndOfJob",
    )
    processor = FrameworkProcessor(
        image_uri=image,
        command=["python3"],
        role=role,
        instance_count=1,
        instance_type="ml.m5.xlarge",
        env={"LIBRARY": name},
        sagemaker_session=session,
    )
    processor.run(
        code="library.py",
        source_dir=source,
        inputs=[ProcessingInput(input_name="data", s3_input=given)],
        outputs=[ProcessingOutput(output_name="facts", s3_output=made)],
        logs=False,
    )
    S3Downloader.download(made.s3_uri, name, sagemaker_session=session)
    found[name] = json.loads(Path(name, "facts.json").read_text())
Path(sys.argv[1]).write_text(json.dumps({"mean": table.mean(0).tolist(), "jobs": found}))
