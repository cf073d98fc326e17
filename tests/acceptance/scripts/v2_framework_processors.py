"""SageMaker Python SDK v2: a script processes data with the libraries of framework images."""

import json
import sys
from pathlib import Path

import boto3
import numpy as np
import sagemaker
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingOutput
from sagemaker.pytorch import PyTorch, PyTorchProcessor
from sagemaker.xgboost import XGBoost, XGBoostProcessor

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = sagemaker.Session(boto3.Session(region_name="us-west-2"))
source = str(Path(__file__).parent / "processing_source")
table = np.random.default_rng(8).normal(3.0, 2.0, size=(40, 3)).astype("float32")
np.savetxt("table.csv", table, delimiter=",")
resources = {"role": role, "instance_count": 1, "instance_type": "ml.m5.xlarge", "sagemaker_session": session}

found = {}
for name, processor in {
    "torch": PyTorchProcessor(
        framework_version="2.5", py_version="py311", env={"LIBRARY": "torch"}, **resources
    ),
    "torch-framework": FrameworkProcessor(
        estimator_cls=PyTorch,
        framework_version="2.5",
        py_version="py311",
        env={"LIBRARY": "torch"},
        **resources,
    ),
    "xgboost": XGBoostProcessor(framework_version="1.7-1", env={"LIBRARY": "xgboost"}, **resources),
    "xgboost-framework": FrameworkProcessor(
        estimator_cls=XGBoost, framework_version="1.7-1", env={"LIBRARY": "xgboost"}, **resources
    ),
}.items():
    processor.run(
        code="library.py",
        source_dir=source,
        inputs=[ProcessingInput(source="table.csv", destination="/opt/ml/processing/input/data")],
        outputs=[ProcessingOutput(output_name="facts", source="/opt/ml/processing/output")],
        logs=False,
    )
    folder = processor.latest_job.outputs[0].destination
    sagemaker.s3.S3Downloader.download(folder, name, sagemaker_session=session)
    found[name] = json.loads(Path(name, "facts.json").read_text())
Path(sys.argv[1]).write_text(json.dumps({"mean": table.mean(0).tolist(), "jobs": found}))
