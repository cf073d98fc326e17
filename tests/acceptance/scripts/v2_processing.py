"""SageMaker Python SDK v2: a script processes data with each of the SDK's processors."""

import json
import sys
from pathlib import Path

import boto3
import numpy as np
import sagemaker
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.sklearn.processing import SKLearnProcessor

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = sagemaker.Session(boto3.Session(region_name="us-west-2"))
source = Path(__file__).parent / "processing_source"

table = np.random.default_rng(5).normal(3.0, 2.0, size=(40, 3))
np.savetxt("table.csv", table, delimiter=",")
resources = {"role": role, "instance_count": 1, "instance_type": "ml.m5.xlarge", "sagemaker_session": session}
image = sagemaker.image_uris.retrieve(framework="sklearn", region="us-west-2", version="1.2-1")


def data():
    """Return the input and the output of a job."""
    return {
        "inputs": [ProcessingInput(source="table.csv", destination="/opt/ml/processing/input/data")],
        "outputs": [ProcessingOutput(output_name="scaled", source="/opt/ml/processing/output")],
    }


processors = {
    "script": ScriptProcessor(command=["python3"], image_uri=image, env={"WORD": "script"}, **resources),
    "sklearn": SKLearnProcessor(framework_version="1.2-1", **resources),
}
for processor in processors.values():
    processor.run(code=str(source / "scale.py"), arguments=["--rows", "30"], **data())
processors["framework"] = FrameworkProcessor(estimator_cls=SKLearn, framework_version="1.2-1", **resources)
processors["framework"].run(code="with_module.py", source_dir=str(source), **data())

found = {}
for name, processor in processors.items():
    job = processor.latest_job
    folder = job.outputs[0].destination
    sagemaker.s3.S3Downloader.download(folder, name, sagemaker_session=session)
    described = job.describe()
    found[name] = {
        "status": described["ProcessingJobStatus"],
        "message": described["ExitMessage"],
        "name": job.job_name,
        "scaled": np.loadtxt(f"{name}/scaled.csv", delimiter=",").tolist(),
        "facts": json.loads(Path(name, "facts.json").read_text()),
    }
Path(sys.argv[1]).write_text(json.dumps({"table": table.tolist(), "jobs": found}))
