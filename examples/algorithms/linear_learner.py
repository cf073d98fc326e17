"""Train Linear Learner, deploy it, and predict in two formats, with boto3 alone.

    wildsage run -- python examples/algorithms/linear_learner.py

The data are scikit-learn's: 569 tumours, 30 measurements of each, benign or not.
"""

import io
import json
import uuid

import boto3
import numpy as np
from sklearn.datasets import load_breast_cancer

NAME = f"linear-{uuid.uuid4().hex[:8]}"

REGION = "us-west-2"
session = boto3.Session(region_name=REGION)
s3, sagemaker, runtime = (session.client(name) for name in ("s3", "sagemaker", "sagemaker-runtime"))
role = session.client("iam").get_role(RoleName="AmazonSageMaker-ExecutionRole")["Role"]["Arn"]
image = f"174872318107.dkr.ecr.{REGION}.amazonaws.com/linear-learner:1"


def csv(*columns: np.ndarray) -> bytes:
    text = io.StringIO()
    np.savetxt(text, np.column_stack(columns), delimiter=",", fmt="%.8g")
    return text.getvalue().encode()


def channel(name: str) -> dict:
    place = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{NAME}/{name}/",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {"ChannelName": name, "ContentType": "text/csv", "DataSource": {"S3DataSource": place}}


rows, labels = load_breast_cancer(return_X_y=True)
order = np.random.default_rng(0).permutation(len(rows))
parts = {"train": order[:350], "validation": order[350:450], "test": order[450:]}

s3.create_bucket(Bucket=NAME, CreateBucketConfiguration={"LocationConstraint": REGION})
for name, part in parts.items():
    s3.put_object(Bucket=NAME, Key=f"{name}/rows.csv", Body=csv(labels[part], rows[part]))

sagemaker.create_training_job(
    TrainingJobName=NAME,
    AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
    RoleArn=role,
    HyperParameters={
        "predictor_type": "binary_classifier",
        "binary_classifier_model_selection_criteria": "precision_at_target_recall",
        "target_recall": "0.98",
    },
    InputDataConfig=[channel(name) for name in parts],
    OutputDataConfig={"S3OutputPath": f"s3://{NAME}/output"},
    ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    StoppingCondition={"MaxRuntimeInSeconds": 600},
)
sagemaker.get_waiter("training_job_completed_or_stopped").wait(
    TrainingJobName=NAME, WaiterConfig={"Delay": 1}
)
job = sagemaker.describe_training_job(TrainingJobName=NAME)
for metric in job["FinalMetricDataList"]:
    print(f"{metric['MetricName']:45} {metric['Value']:.4f}")

model = {"Image": image, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
variant = {"VariantName": "all", "ModelName": NAME, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
sagemaker.create_model(ModelName=NAME, PrimaryContainer=model, ExecutionRoleArn=role)
sagemaker.create_endpoint_config(EndpointConfigName=NAME, ProductionVariants=[variant])
sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=NAME, WaiterConfig={"Delay": 1})

some = rows[parts["test"]][:3]
answer = runtime.invoke_endpoint(EndpointName=NAME, ContentType="text/csv", Body=csv(some))
print(json.loads(answer["Body"].read()))
body = json.dumps({"instances": [{"features": row} for row in some.tolist()]})
answer = runtime.invoke_endpoint(
    EndpointName=NAME, ContentType="application/json", Accept="application/jsonlines", Body=body
)
print(answer["Body"].read().decode())

sagemaker.delete_endpoint(EndpointName=NAME)
sagemaker.delete_endpoint_config(EndpointConfigName=NAME)
sagemaker.delete_model(ModelName=NAME)
print("labels:", labels[parts["test"]][:3].tolist())
