"""Find ten groups among 1,797 handwritten digits, without being told which digit is which.

A plain boto3 script: nothing in it knows about Wildsage.
"""

import csv
import gzip
import io
import json
import sys
import time
from collections import Counter
from pathlib import Path

import boto3

DATA, OUTPUT = Path(sys.argv[1]), Path(sys.argv[2])
REGION = "us-west-2"
IMAGE = f"174872318107.dkr.ecr.{REGION}.amazonaws.com/kmeans:1"
NAME = f"digits-{time.strftime('%Y-%m-%d-%H-%M-%S')}"

session = boto3.Session(region_name=REGION)
s3, sagemaker, runtime = (session.client(name) for name in ("s3", "sagemaker", "sagemaker-runtime"))
account = session.client("sts").get_caller_identity()["Account"]
role = session.client("iam").get_role(RoleName="AmazonSageMaker-ExecutionRole")["Role"]["Arn"]
bucket = f"sagemaker-{REGION}-{account}"
started = time.monotonic()


def done(what):
    global started
    now = time.monotonic()
    print(f"  {now - started:5.1f} s  {what}", flush=True)
    started = now


def wait(describe, member, busy, **name):
    while (answer := describe(**name))[member] in busy:
        time.sleep(0.1)
    if answer[member] not in ("Completed", "InService"):
        sys.exit(f"{answer[member]}: {answer.get('FailureReason')}")
    return answer


with gzip.open(DATA, "rt") as file:
    rows = [[int(value) for value in row] for row in csv.reader(file)]
labels = [row[0] for row in rows]
table = "\n".join(",".join(map(str, row[1:])) for row in rows)

if bucket not in [item["Name"] for item in s3.list_buckets()["Buckets"]]:
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
s3.put_object(Bucket=bucket, Key=f"{NAME}/train/digits.csv", Body=table)
done(f"uploaded {len(rows)} digits to s3://{bucket}/{NAME}/train/")

source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{NAME}/train/"}
channel = {"ContentType": "text/csv;label_size=0", "DataSource": {"S3DataSource": source}}
sagemaker.create_training_job(
    TrainingJobName=NAME,
    AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
    RoleArn=role,
    HyperParameters={"k": "10", "feature_dim": "64", "epochs": "10", "mini_batch_size": "500"},
    InputDataConfig=[{"ChannelName": name, **channel} for name in ("train", "test")],
    OutputDataConfig={"S3OutputPath": f"s3://{bucket}/{NAME}/output"},
    ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
    StoppingCondition={"MaxRuntimeInSeconds": 600},
)
job = wait(sagemaker.describe_training_job, "TrainingJobStatus", ("InProgress",), TrainingJobName=NAME)
metrics = {item["MetricName"]: item["Value"] for item in job["FinalMetricDataList"]}
done(f"trained: {', '.join(f'{name} = {value:.6g}' for name, value in metrics.items() if 'msd' in name)}")

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
wait(sagemaker.describe_endpoint, "EndpointStatus", ("Creating",), EndpointName=NAME)
done("deployed: the endpoint is InService")

answer = runtime.invoke_endpoint(
    EndpointName=NAME, ContentType="text/csv", Accept="application/json", Body=table
)
clusters = [int(item["closest_cluster"]) for item in json.load(answer["Body"])["predictions"]]
done(f"predicted {len(clusters)} digits in one request")

model = io.BytesIO()
model_bucket, _, key = container["ModelDataUrl"].removeprefix("s3://").partition("/")
s3.download_fileobj(model_bucket, key, model)
(OUTPUT / "model.tar.gz").write_bytes(model.getvalue())
(OUTPUT / "clusters.json").write_text(json.dumps({"labels": labels, "clusters": clusters}))

sagemaker.delete_endpoint(EndpointName=NAME)
meaning = {
    c: Counter(d for d, found in zip(labels, clusters) if found == c).most_common(1)[0][0]
    for c in set(clusters)
}
right = sum(meaning[cluster] == digit for digit, cluster in zip(labels, clusters))
print(f"\n  {right / len(labels):.1%} of the digits are in a group whose most frequent digit is theirs.")
