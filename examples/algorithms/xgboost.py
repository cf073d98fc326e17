"""The built-in XGBoost with boto3 alone: train, deploy, predict in two formats.

Run it against a server: ``wildsage run -- python examples/algorithms/xgboost.py [TAG]``. The tag of the image chooses the
version of the library; the first job of a tag builds its environment.
"""

import json
import sys
import time

import boto3
import numpy as np

REGION = "us-west-2"
IMAGE = f"246618743249.dkr.ecr.{REGION}.amazonaws.com/sagemaker-xgboost"
BUCKET = f"xgboost-example-{int(time.time())}"

s3 = boto3.client("s3", region_name=REGION)
sagemaker = boto3.client("sagemaker", region_name=REGION)
runtime = boto3.client("sagemaker-runtime", region_name=REGION)
ROLE = boto3.client("iam").get_role(RoleName="AmazonSageMaker-ExecutionRole")["Role"]["Arn"]


def moons(count: int, seed: int) -> np.ndarray:
    """Make rows of two half circles: the label, then two features, of which some are missing."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count)
    angle = rng.uniform(0, np.pi, count) + np.pi * label
    rows = np.column_stack([label, np.cos(angle) + label, np.sin(angle) + label / 2])
    rows[:, 1:] += rng.normal(scale=0.15, size=(count, 2))
    rows[rng.random(count) < 0.05, 1] = np.nan
    return rows


def as_csv(rows: np.ndarray) -> str:
    """Write rows; an empty field is a missing value."""
    return "\n".join(",".join("" if np.isnan(value) else f"{value:.5f}" for value in row) for row in rows)


def channel(name: str) -> dict:
    """Describe the CSV files below a prefix of the bucket."""
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{BUCKET}/{name}/",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {"ChannelName": name, "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}


def train(name: str, image: str) -> str:
    """Train on an instance; returns where the model is."""
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        RoleArn=ROLE,
        HyperParameters={
            "objective": "binary:logistic",
            "num_round": "200",
            "early_stopping_rounds": "10",
            "eval_metric": "logloss,accuracy",
        },
        InputDataConfig=[channel("train"), channel("validation")],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/models"},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 900},
    )
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(
        TrainingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 900}
    )
    job = sagemaker.describe_training_job(TrainingJobName=name)
    if job["TrainingJobStatus"] != "Completed":
        raise SystemExit(job["FailureReason"])
    for metric in job["FinalMetricDataList"]:
        print(f"{metric['MetricName']:<22} {metric['Value']:.4f}")
    return job["ModelArtifacts"]["S3ModelArtifacts"]


def deploy(name: str, image: str, model: str) -> None:
    """Make an endpoint whose answers have the class and the probabilities."""
    output = {"SAGEMAKER_INFERENCE_OUTPUT": "predicted_label,probabilities"}
    container = {"Image": image, "ModelDataUrl": model, "Environment": output}
    sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {
        "VariantName": "A",
        "ModelName": name,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1})


def ask(name: str, body: str, content_type: str, accept: str) -> str:
    """Send a request to the endpoint."""
    answer = runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType=content_type, Accept=accept)
    return answer["Body"].read().decode()


def main() -> None:
    image = f"{IMAGE}:{sys.argv[1] if len(sys.argv) > 1 else '3.2-0'}"
    name = f"xgboost-{int(time.time())}"
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=BUCKET, Key="train/rows.csv", Body=as_csv(moons(2000, 0)))
    s3.put_object(Bucket=BUCKET, Key="validation/held-out.csv", Body=as_csv(moons(500, 1)))
    deploy(name, image, train(name, image))
    rows = moons(400, 2)
    answered = json.loads(ask(name, as_csv(rows[:, 1:]), "text/csv", "application/json"))["predictions"]
    print("accuracy on new rows  ", np.mean([one["predicted_label"] for one in answered] == rows[:, 0]))
    print("a LIBSVM row as CSV:  ", ask(name, "0 0:1.2 1:-0.4", "text/libsvm", "text/csv"))


if __name__ == "__main__":
    main()
