"""K-Means on AWS's SageMaker or on Wildsage: train on handwritten digits, deploy, predict in two formats.

pip install wildsage scikit-learn
wildsage up -d
wildsage run -- python kmeans.py
"""

import json
import time

import boto3
from sklearn.datasets import load_digits

REGION = "us-west-2"
IMAGE = f"174872318107.dkr.ecr.{REGION}.amazonaws.com/kmeans:1"
NAME = f"kmeans-{time.strftime('%Y-%m-%d-%H-%M-%S')}"
ROLE = "AmazonSageMaker-ExecutionRole"

session = boto3.Session(region_name=REGION)
s3, sagemaker, runtime = (session.client(name) for name in ("s3", "sagemaker", "sagemaker-runtime"))
role = session.client("iam").get_role(RoleName=ROLE)["Role"]["Arn"]
bucket = f"sagemaker-{REGION}-{session.client('sts').get_caller_identity()['Account']}"

rows = load_digits().data.tolist()
table = "\n".join(",".join(map(str, row)) for row in rows)

# Train: the rows as CSV without labels; the same rows score the centres.
if bucket not in [item["Name"] for item in s3.list_buckets()["Buckets"]]:
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
s3.put_object(Bucket=bucket, Key=f"{NAME}/digits.csv", Body=table)
source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{NAME}/digits.csv"}
channel = {"ContentType": "text/csv;label_size=0", "DataSource": {"S3DataSource": source}}
sagemaker.create_training_job(
    TrainingJobName=NAME,
    AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
    RoleArn=role,
    HyperParameters={"k": "10", "feature_dim": "64", "mini_batch_size": "500", "epochs": "5"},
    InputDataConfig=[{"ChannelName": name, **channel} for name in ("train", "test")],
    OutputDataConfig={"S3OutputPath": f"s3://{bucket}/{NAME}/output"},
    ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
    StoppingCondition={"MaxRuntimeInSeconds": 600},
)
sagemaker.get_waiter("training_job_completed_or_stopped").wait(
    TrainingJobName=NAME, WaiterConfig={"Delay": 1}
)
job = sagemaker.describe_training_job(TrainingJobName=NAME)
print({metric["MetricName"]: round(metric["Value"], 1) for metric in job["FinalMetricDataList"]})

# Deploy.
container = {"Image": IMAGE, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
variant = {
    "VariantName": "AllTraffic",
    "ModelName": NAME,
    "InitialInstanceCount": 1,
    "InstanceType": "ml.m5.large",
}
sagemaker.create_model(ModelName=NAME, PrimaryContainer=container, ExecutionRoleArn=role)
sagemaker.create_endpoint_config(EndpointConfigName=NAME, ProductionVariants=[variant])
sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=NAME, WaiterConfig={"Delay": 1})

# Predict: CSV in, JSON out; JSON in, CSV out.
answer = runtime.invoke_endpoint(
    EndpointName=NAME, ContentType="text/csv", Accept="application/json", Body=table
)
print(json.load(answer["Body"])["predictions"][:3])
body = json.dumps({"instances": [{"features": row} for row in rows[:3]]})
answer = runtime.invoke_endpoint(
    EndpointName=NAME, ContentType="application/json", Accept="text/csv", Body=body
)
print(answer["Body"].read().decode())

sagemaker.delete_endpoint(EndpointName=NAME)
