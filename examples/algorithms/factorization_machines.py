"""Factorization Machines on AWS's SageMaker or on Wildsage: sparse rows in, who is an 8 out, in two formats.

pip install 'wildsage[sparse]' scikit-learn
wildsage up -d
wildsage run -- python factorization_machines.py
"""

import json
import time

import boto3
import numpy as np
from sklearn.datasets import load_digits

from wildsage.formats.recordio_protobuf import write_sparse
from wildsage.formats.sparse import SparseRows, take_rows

REGION = "us-west-2"
IMAGE = f"174872318107.dkr.ecr.{REGION}.amazonaws.com/factorization-machines:1"
NAME = f"fm-{time.strftime('%Y-%m-%d-%H-%M-%S')}"
ROLE = "AmazonSageMaker-ExecutionRole"

session = boto3.Session(region_name=REGION)
s3, sagemaker, runtime = (session.client(name) for name in ("s3", "sagemaker", "sagemaker-runtime"))
role = session.client("iam").get_role(RoleName=ROLE)["Role"]["Arn"]
bucket = f"sagemaker-{REGION}-{session.client('sts').get_caller_identity()['Account']}"

# A column for each of 64 pixels and each of its 17 shades: a row has 64 ones among 1088 columns.
digits = load_digits()
columns = (digits.data.astype(int) + 17 * np.arange(64)).reshape(-1)
starts = np.arange(0, len(columns) + 1, 64)
rows = SparseRows(starts, columns, np.ones(len(columns), np.float32), 64 * 17)
labels = (digits.target == 8).astype(np.float32)

# Train. The last 300 rows test the model.
if bucket not in [item["Name"] for item in s3.list_buckets()["Buckets"]]:
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
channels = []
for name, part in (("train", slice(0, 1497)), ("test", slice(1497, None))):
    s3.put_object(
        Bucket=bucket, Key=f"{NAME}/{name}.pbr", Body=write_sparse(take_rows(rows, part), labels[part])
    )
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{NAME}/{name}.pbr"}
    channels.append(
        {
            "ChannelName": name,
            "ContentType": "application/x-recordio-protobuf",
            "DataSource": {"S3DataSource": source},
        }
    )
sagemaker.create_training_job(
    TrainingJobName=NAME,
    AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
    RoleArn=role,
    HyperParameters={
        "feature_dim": "1088",
        "num_factors": "16",
        "predictor_type": "binary_classifier",
        "epochs": "20",
        "factors_lr": "0.01",
    },
    InputDataConfig=channels,
    OutputDataConfig={"S3OutputPath": f"s3://{bucket}/{NAME}/output"},
    ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
    StoppingCondition={"MaxRuntimeInSeconds": 600},
)
sagemaker.get_waiter("training_job_completed_or_stopped").wait(
    TrainingJobName=NAME, WaiterConfig={"Delay": 1}
)
job = sagemaker.describe_training_job(TrainingJobName=NAME)
print({metric["MetricName"]: round(metric["Value"], 3) for metric in job["FinalMetricDataList"]})

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

# Predict: sparse rows in JSON, JSON out; the same in recordio-protobuf, JSON Lines out.
chosen = np.array([1510, 1511, 1528, 1529])
last = take_rows(rows, chosen)
features = [
    {"keys": keys.tolist(), "shape": [last.width], "values": [1.0] * 64}
    for keys in last.columns.reshape(-1, 64)
]
body = json.dumps({"instances": [{"data": {"features": one}} for one in features]})
answer = runtime.invoke_endpoint(EndpointName=NAME, ContentType="application/json", Body=body)
print(json.load(answer["Body"])["predictions"])
answer = runtime.invoke_endpoint(
    EndpointName=NAME,
    ContentType="application/x-recordio-protobuf",
    Accept="application/jsonlines",
    Body=write_sparse(last),
)
print(answer["Body"].read().decode(), "expected:", labels[chosen].tolist())

sagemaker.delete_endpoint(EndpointName=NAME)
