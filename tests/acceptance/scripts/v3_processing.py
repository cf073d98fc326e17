"""SageMaker Python SDK v3: a script processes data with each of the SDK's processors."""

import json
import sys
from pathlib import Path

import boto3
import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.processing import FrameworkProcessor, ScriptProcessor
from sagemaker.core.s3 import S3Downloader
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = Session(boto3.Session(region_name="us-west-2"))
source = Path(__file__).parent / "processing_source"

table = np.random.default_rng(6).normal(3.0, 2.0, size=(40, 3))
np.savetxt("table.csv", table, delimiter=",")
uri = session.upload_data("table.csv", key_prefix="processing-example")
resources = {"role": role, "instance_count": 1, "instance_type": "ml.m5.xlarge", "sagemaker_session": session}
image = image_uris.retrieve(framework="sklearn", region="us-west-2", version="1.2-1")


def data(name):
    """Return the input and the output of a job."""
    given = ProcessingS3Input(
        s3_uri=uri, local_path="/opt/ml/processing/input/data", s3_data_type="S3Prefix", s3_input_mode="File"
    )
    made = ProcessingS3Output(
        s3_uri=f"s3://{session.default_bucket()}/processing-example/{name}",
        local_path="/opt/ml/processing/output",
        s3_upload_mode="EndOfJob",
    )
    return {
        "inputs": [ProcessingInput(input_name="data", s3_input=given)],
        "outputs": [ProcessingOutput(output_name="scaled", s3_output=made)],
    }


script = ScriptProcessor(command=["python3"], image_uri=image, env={"WORD": "script"}, **resources)
script.run(code=str(source / "scale.py"), arguments=["--rows", "30"], **data("script"))
framework = FrameworkProcessor(image_uri=image, command=["python3"], **resources)
framework.run(code="with_module.py", source_dir=str(source), **data("framework"))

found = {}
for name, processor in {"script": script, "framework": framework}.items():
    job = processor.latest_job
    job.refresh()
    S3Downloader.download(
        job.processing_output_config.outputs[0].s3_output.s3_uri, name, sagemaker_session=session
    )
    found[name] = {
        "status": job.processing_job_status,
        "message": job.exit_message,
        "name": job.processing_job_name,
        "scaled": np.loadtxt(f"{name}/scaled.csv", delimiter=",").tolist(),
        "facts": json.loads(Path(name, "facts.json").read_text()),
    }
Path(sys.argv[1]).write_text(json.dumps({"table": table.tolist(), "jobs": found}))
