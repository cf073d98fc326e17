"""SageMaker Python SDK v3: ModelTrainer runs a script, as the SDK's documentation is written."""

import json
import sys
from pathlib import Path

import boto3
import numpy as np
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.train import ModelTrainer

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = Session(boto3.Session(region_name="us-west-2"))

rng = np.random.default_rng(3)
labels = rng.integers(0, 3, 300)
points = rng.normal(size=(300, 4)) + labels[:, None]
np.savetxt("train.csv", np.column_stack([labels, points]), delimiter=",")
train_uri = session.upload_data("train.csv", key_prefix="trainer-example")

trainer = ModelTrainer(
    sagemaker_session=session,
    role=role,
    training_image="683313688378.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
    source_code=SourceCode(source_dir=str(Path(__file__).parent / "trainer_source"), entry_script="train.py"),
    compute=Compute(instance_type="ml.m5.xlarge", instance_count=1),
    hyperparameters={"penalty-c": 0.5, "classes": [0, 1, 2]},
    base_job_name="trainer-example",
)
trainer.train(input_data_config=[InputData(channel_name="train", data_source=train_uri)], wait=True)
job = trainer._latest_training_job
Path(sys.argv[1]).write_text(
    json.dumps(
        {
            "status": job.training_job_status,
            "model": job.model_artifacts.s3_model_artifacts,
            "name": job.training_job_name,
            "rows": np.column_stack([labels, points]).tolist(),
        }
    )
)
