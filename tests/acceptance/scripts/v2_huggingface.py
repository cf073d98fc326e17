"""SageMaker Python SDK v2: a Trainer script of Hugging Face trains; its model is served without a script."""

import json
import sys
from pathlib import Path

import boto3
import sagemaker
from sagemaker.huggingface import HuggingFace, HuggingFaceModel

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = sagemaker.Session(boto3.Session(region_name="us-west-2"))

texts = ["1,a lovely film", "1,what a fine day", "0,an awful film", "0,what a dull day"]
Path("train.csv").write_text("\n".join(texts * 8))
train_input = session.upload_data("train.csv", key_prefix="huggingface-example")

estimator = HuggingFace(
    entry_point="train.py",
    source_dir=str(Path(__file__).parent / "huggingface_source"),
    transformers_version="4.49.0",
    pytorch_version="2.5.1",
    py_version="py311",
    instance_type="ml.p3.2xlarge",
    instance_count=1,
    role=role,
    sagemaker_session=session,
    hyperparameters={"epochs": 8},
)
estimator.fit({"train": train_input})
model = HuggingFaceModel(
    model_data=estimator.model_data,
    role=role,
    transformers_version="4.49.0",
    pytorch_version="2.6.0",
    py_version="py312",
    sagemaker_session=session,
)
predictor = model.deploy(initial_instance_count=1, instance_type="ml.m5.xlarge")
try:
    answers = [predictor.predict({"inputs": text.partition(",")[2]}) for text in texts]
finally:
    predictor.delete_model()
    predictor.delete_endpoint()
Path(sys.argv[1]).write_text(json.dumps(answers))
