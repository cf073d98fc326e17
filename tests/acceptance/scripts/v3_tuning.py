"""SageMaker Python SDK v3: HyperparameterTuner over a built-in algorithm, as the SDK's documentation is written."""

import json
import sys
from pathlib import Path

import boto3
import numpy as np
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.parameter import ContinuousParameter, IntegerParameter
from sagemaker.core.training.configs import Compute, InputData, OutputDataConfig, StoppingCondition
from sagemaker.train import ModelTrainer
from sagemaker.train.tuner import HyperparameterTuner

region = "us-west-2"
role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = Session(boto3.Session(region_name=region))
bucket = session.default_bucket()

rng = np.random.default_rng(5)
features = rng.normal(size=(600, 4))
targets = features[:, 0] - features[:, 1] ** 2 + 0.1 * rng.normal(size=600)
rows = np.column_stack([targets, features])
channels = []
for name, part in (("train", rows[:450]), ("validation", rows[450:])):
    np.savetxt(f"{name}.csv", part, delimiter=",", fmt="%.6f")
    uri = session.upload_data(f"{name}.csv", key_prefix=f"v3-tuning/{name}")
    channels.append(InputData(channel_name=name, data_source=uri, content_type="text/csv"))

trainer = ModelTrainer(
    sagemaker_session=session,
    role=role,
    training_image=f"246618743249.dkr.ecr.{region}.amazonaws.com/sagemaker-xgboost:1.7-1",
    compute=Compute(instance_type="ml.m5.xlarge", instance_count=1, volume_size_in_gb=30),
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/v3-tuning/output"),
    stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
    hyperparameters={"objective": "reg:squarederror", "num_round": 20},
    base_job_name="v3-tuning",
)
tuner = HyperparameterTuner(
    model_trainer=trainer,
    objective_metric_name="validation:rmse",
    objective_type="Minimize",
    hyperparameter_ranges={
        "eta": ContinuousParameter(0.05, 0.5),
        "max_depth": IntegerParameter(1, 6),
    },
    max_jobs=4,
    max_parallel_jobs=2,
    random_seed=11,
)
# the name that the SDK makes is that of a minute, and of the image: another tuning job may have it
tuner.tune(inputs=channels, job_name="v3-tuning", wait=True)
job = tuner.describe()
frame = tuner.analytics().dataframe()
Path(sys.argv[1]).write_text(
    json.dumps(
        {
            "status": job.hyper_parameter_tuning_job_status,
            "best": tuner.best_training_job(),
            "value": job.best_training_job.final_hyper_parameter_tuning_job_objective_metric.value,
            "jobs": frame["TrainingJobName"].tolist(),
            "values": frame["FinalObjectiveValue"].tolist(),
            "completed": job.training_job_status_counters.completed,
        }
    )
)
