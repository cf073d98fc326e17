"""SageMaker Python SDK v3: a built-in algorithm trains, deploys and predicts."""

import io
import json
import sys
from pathlib import Path

import boto3
import numpy as np
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant
from sagemaker.core.training.configs import Compute, InputData
from sagemaker.train import ModelTrainer

region = "us-west-2"
role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
image = f"174872318107.dkr.ecr.{region}.amazonaws.com/kmeans:1"
session = Session(boto3.Session(region_name=region))

rng = np.random.default_rng(11)
centers = rng.normal(scale=9, size=(4, 6))
points = (centers[rng.integers(0, 4, 800)] + rng.normal(size=(800, 6))).round(4)
np.savetxt("points.csv", points, delimiter=",", fmt="%.4f")
train_uri = session.upload_data("points.csv", key_prefix="v3-kmeans")

trainer = ModelTrainer(
    sagemaker_session=session,
    role=role,
    training_image=image,
    compute=Compute(instance_type="ml.m5.xlarge", instance_count=1),
    hyperparameters={"k": 4, "feature_dim": 6},
    base_job_name="v3-kmeans",
)
data = InputData(channel_name="train", data_source=train_uri, content_type="text/csv;label_size=0")
trainer.train(input_data_config=[data], wait=True)
job = trainer._latest_training_job

name = job.training_job_name
container = ContainerDefinition(image=image, model_data_url=job.model_artifacts.s3_model_artifacts)
model = Model.create(model_name=name, primary_container=container, execution_role_arn=role, region=region)
variant = ProductionVariant(
    variant_name="AllTraffic", model_name=name, initial_instance_count=1, instance_type="ml.m5.xlarge"
)
config = EndpointConfig.create(endpoint_config_name=name, production_variants=[variant], region=region)
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name, region=region)
endpoint.wait_for_status("InService")
body = io.StringIO()
np.savetxt(body, points[:50], delimiter=",", fmt="%.4f")
answer = endpoint.invoke(body=body.getvalue(), content_type="text/csv", accept="application/json")
predictions = json.loads(answer.body.read())["predictions"]
endpoint.delete()
config.delete()
model.delete()

Path(sys.argv[1]).write_text(
    json.dumps(
        {
            "points": points[:50].tolist(),
            "predictions": predictions,
            "model": container.model_data_url,
        }
    )
)
