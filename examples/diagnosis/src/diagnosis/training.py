"""Train and deploy with the SageMaker SDK."""

from pathlib import Path

from sagemaker.deserializers import CSVDeserializer
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn import SKLearn

ENDPOINT = "diagnosis"


def train(train_uri, output_uri, role, session, regularization=1.0):
    """Run a training job to its end and return the estimator."""
    estimator = SKLearn(
        entry_point="train.py",
        source_dir=str(Path(__file__).parent / "container"),
        framework_version="1.2-1",
        instance_type="ml.m5.large",
        role=role,
        output_path=output_uri,
        code_location=output_uri,
        hyperparameters={"regularization": regularization},
        metric_definitions=[{"Name": "train:accuracy", "Regex": r"accuracy=([0-9.]+)"}],
        base_job_name="diagnosis",
        sagemaker_session=session,
    )
    estimator.fit({"train": train_uri})
    return estimator


def deploy(estimator):
    """Deploy what was trained, and return the endpoint's name."""
    estimator.deploy(
        initial_instance_count=1,
        instance_type="ml.m5.large",
        endpoint_name=ENDPOINT,
        serializer=CSVSerializer(),
        deserializer=CSVDeserializer(),
    )
    return ENDPOINT
