"""Random Cut Forest on AWS's SageMaker or on Wildsage: find malignant tumours that nobody has labelled.

pip install wildsage scikit-learn
wildsage up -d
wildsage run -- python randomcutforest.py
"""

import json
import time

import boto3
import numpy as np
from sklearn.datasets import load_breast_cancer

REGION = "us-west-2"
IMAGE = f"174872318107.dkr.ecr.{REGION}.amazonaws.com/randomcutforest:1"
NAME = f"randomcutforest-{time.strftime('%Y-%m-%d-%H-%M-%S')}"
ROLE = "AmazonSageMaker-ExecutionRole"

session = boto3.Session(region_name=REGION)
s3, sagemaker, runtime = (session.client(name) for name in ("s3", "sagemaker", "sagemaker-runtime"))
role = session.client("iam").get_role(RoleName=ROLE)["Role"]["Arn"]
bucket = f"sagemaker-{REGION}-{session.client('sts').get_caller_identity()['Account']}"

# All benign ones and some malignant ones; label 1 in front of a row means malignant.
data = load_breast_cancer()
chosen = np.concatenate([np.flatnonzero(data.target == 1), np.flatnonzero(data.target == 0)[:10]])
rows = data.data[chosen].tolist()
lines = [",".join(map(str, row)) for row in rows]
labelled = [f"{1 - label},{line}" for label, line in zip(data.target[chosen], lines, strict=True)]

# Train on the rows without labels, and measure with them.
if bucket not in [item["Name"] for item in s3.list_buckets()["Buckets"]]:
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
channels = []
for name, content, labels, distribution in (
    ("train", lines, 0, "ShardedByS3Key"),
    ("test", labelled, 1, "FullyReplicated"),
):
    s3.put_object(Bucket=bucket, Key=f"{NAME}/{name}/part-0.csv", Body="\n".join(content))
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{bucket}/{NAME}/{name}/",
        "S3DataDistributionType": distribution,
    }
    channels.append(
        {
            "ChannelName": name,
            "ContentType": f"text/csv;label_size={labels}",
            "DataSource": {"S3DataSource": source},
        }
    )
sagemaker.create_training_job(
    TrainingJobName=NAME,
    AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
    RoleArn=role,
    HyperParameters={"feature_dim": "30"},
    InputDataConfig=channels,
    OutputDataConfig={"S3OutputPath": f"s3://{bucket}/{NAME}/output"},
    ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
    StoppingCondition={"MaxRuntimeInSeconds": 600},
)
sagemaker.get_waiter("training_job_completed_or_stopped").wait(
    TrainingJobName=NAME, WaiterConfig={"Delay": 1}
)
job = sagemaker.describe_training_job(TrainingJobName=NAME)
print({metric["MetricName"]: round(metric["Value"], 2) for metric in job["FinalMetricDataList"]})

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

# Predict: CSV in, JSON out; JSON in, JSON Lines out.
answer = runtime.invoke_endpoint(
    EndpointName=NAME, ContentType="text/csv", Accept="application/json", Body="\n".join(lines)
)
scores = np.array([one["score"] for one in json.load(answer["Body"])["scores"]])
highest = np.argsort(scores)[::-1][:5]
for number in highest:
    print(f"row {number}, {data.target_names[data.target[chosen[number]]]}: {scores[number]:.2f}")
body = json.dumps({"instances": [{"features": rows[highest[0]]}]})
answer = runtime.invoke_endpoint(
    EndpointName=NAME, ContentType="application/json", Accept="application/jsonlines", Body=body
)
print(answer["Body"].read().decode())

# On Wildsage: which features is the highest score of?
answer = runtime.invoke_endpoint(
    EndpointName=NAME, ContentType="application/json", Accept="application/json; attribution=true", Body=body
)
parts = json.load(answer["Body"])["scores"][0].get("attribution", [])
print({str(data.feature_names[place]): round(parts[place], 2) for place in np.argsort(parts)[::-1][:3]})

sagemaker.delete_endpoint(EndpointName=NAME)
