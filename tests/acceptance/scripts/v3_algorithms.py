"""SageMaker Python SDK v3: every tabular built-in algorithm trains, deploys and predicts.

python v3_algorithms.py RESULTS
"""

import json
import struct
import sys
from pathlib import Path

import boto3
import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant
from sagemaker.core.training.configs import Compute, InputData, S3DataSource
from sagemaker.train import ModelTrainer

region = "us-west-2"
role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = Session(boto3.Session(region_name=region))

rng = np.random.default_rng(3)
group = rng.integers(0, 3, 900)
features = rng.normal(group[:, np.newaxis] * 5, 1, (900, 4)).round(3)
labels = (group == 2).astype(int)
asked = features[:30]
np.savetxt("unlabelled.csv", features, delimiter=",", fmt="%.3f")
np.savetxt("labelled.csv", np.column_stack([labels, features]), delimiter=",", fmt="%.3f")


def field(number, content):
    """A protobuf field of less than 128 bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


def record(values, label):
    """A record of RecordIO: SDK v3 has no writer of them."""
    entries = [
        field(number, field(1, b"values") + field(2, field(2, field(1, np.float32(numbers).tobytes()))))
        for number, numbers in ((1, values), (2, [label]))
    ]
    message = b"".join(entries)
    return struct.pack("<II", 0xCED7230A, len(message)) + message + bytes(-len(message) % 4)


Path("records").write_bytes(b"".join(map(record, features, labels)))
unlabelled = session.upload_data("unlabelled.csv", key_prefix="v3-algorithms/unlabelled")
labelled = session.upload_data("labelled.csv", key_prefix="v3-algorithms/labelled")
records = session.upload_data("records", key_prefix="v3-algorithms/records")

NUMBERS = {
    "kmeans": {"k": 3, "feature_dim": 4},
    "pca": {"num_components": 2, "feature_dim": 4, "mini_batch_size": 100},
    "linear-learner": {"predictor_type": "binary_classifier", "feature_dim": 4, "mini_batch_size": 100},
    "knn": {"k": 5, "sample_size": 900, "predictor_type": "classifier", "feature_dim": 4},
    "factorization-machines": {
        "predictor_type": "binary_classifier",
        "feature_dim": 4,
        "num_factors": 4,
        "epochs": 20,
        "mini_batch_size": 100,
    },
    "randomcutforest": {"num_trees": 50, "num_samples_per_tree": 64, "feature_dim": 4},
    "xgboost": {"objective": "binary:logistic", "num_round": 20},
}
RECORDS = "application/x-recordio-protobuf"
LABELLED = ("linear-learner", "knn", "xgboost")


def requests(name):
    """What the endpoint is asked, by format: body, content type, and type of the answer."""
    rows = "\n".join(",".join(map(str, row)) for row in asked.tolist())
    if name == "xgboost":
        return {"csv": (rows, "text/csv", "text/csv")}
    instances = [{"features": row} for row in asked.tolist()]
    found = {
        "json": (json.dumps({"instances": instances}), "application/json", "application/json"),
        "jsonlines": (
            "\n".join(map(json.dumps, instances)),
            "application/jsonlines",
            "application/jsonlines",
        ),
    }
    if name != "factorization-machines":
        found["csv"] = (rows, "text/csv", "application/json")
    return found


def training_data(name):
    """The channel that an algorithm is trained on."""
    if name == "factorization-machines":
        return InputData(channel_name="train", data_source=records, content_type=RECORDS)
    if name == "xgboost":
        return InputData(channel_name="train", data_source=labelled, content_type="text/csv")
    if name == "randomcutforest":
        # It refuses the SDK's default, as on AWS: each of several hosts samples a part of the data.
        sharded = S3DataSource(
            s3_data_type="S3Prefix", s3_uri=unlabelled, s3_data_distribution_type="ShardedByS3Key"
        )
        return InputData(channel_name="train", data_source=sharded, content_type="text/csv;label_size=0")
    place, labels = (labelled, 1) if name in LABELLED else (unlabelled, 0)
    kind = f"text/csv;label_size={labels}"
    return InputData(channel_name="train", data_source=place, content_type=kind)


results = {}
for name, hyperparameters in NUMBERS.items():
    image = image_uris.retrieve(name, region, version="1.7-1" if name == "xgboost" else "1")
    trainer = ModelTrainer(
        sagemaker_session=session,
        role=role,
        training_image=image,
        compute=Compute(instance_type="ml.m5.xlarge", instance_count=1),
        hyperparameters=hyperparameters,
        base_job_name=f"v3-{name}",
    )
    trainer.train(input_data_config=[training_data(name)], wait=True)
    job = trainer._latest_training_job
    job_name = job.training_job_name
    container = ContainerDefinition(image=image, model_data_url=job.model_artifacts.s3_model_artifacts)
    model = Model.create(
        model_name=job_name, primary_container=container, execution_role_arn=role, region=region
    )
    variant = ProductionVariant(
        variant_name="AllTraffic", model_name=job_name, initial_instance_count=1, instance_type="ml.m5.xlarge"
    )
    config = EndpointConfig.create(
        endpoint_config_name=job_name, production_variants=[variant], region=region
    )
    endpoint = Endpoint.create(endpoint_name=job_name, endpoint_config_name=job_name, region=region)
    endpoint.wait_for_status("InService")
    results[name] = {
        kind: endpoint.invoke(body=body, content_type=sent, accept=accept).body.read().decode()
        for kind, (body, sent, accept) in requests(name).items()
    }
    endpoint.delete()
    config.delete()
    model.delete()

Path(f"{sys.argv[1]}.json").write_text(json.dumps({"asked": asked.tolist(), "answers": results}))
