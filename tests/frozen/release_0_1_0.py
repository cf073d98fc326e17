"""What 0.1.0 froze: a bucket with an object, a role, a job that completed, its model and log."""

import json
import time

ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
IMAGE = "174872318107.dkr.ecr.us-west-2.amazonaws.com/kmeans:1"
BUCKET = "frozen-bucket"
GROUP = "/aws/sagemaker/TrainingJobs"


def train(opened, name, **hyperparameters):
    """Run a job of K-Means on the data in `BUCKET` until it has ended."""
    sagemaker = opened.client("sagemaker")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/data/"}
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        RoleArn=ROLE,
        HyperParameters={"k": "2", "feature_dim": "2", **hyperparameters},
        InputDataConfig=[
            {
                "ChannelName": "train",
                "ContentType": "text/csv;label_size=0",
                "DataSource": {"S3DataSource": source},
            }
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        Tags=[{"Key": "frozen", "Value": "yes"}],
    )
    while (job := sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] == "InProgress":
        time.sleep(0.1)
    return job


def deploy_config(opened, model, config, url):
    """Make a model of the archive at `url`, and an endpoint configuration with it."""
    sagemaker = opened.client("sagemaker")
    container = {"Image": IMAGE, "ModelDataUrl": url}
    sagemaker.create_model(ModelName=model, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {
        "VariantName": "A",
        "ModelName": model,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }
    sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant])


def fill(opened):
    """Make all of it."""
    s3, iam = opened.client("s3"), opened.client("iam")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket=BUCKET, Key="data/é 1.csv", Body="1,2\n3,4\n", Metadata={"a": "b"}, Tagging="x=y")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    iam.create_role(RoleName="Frozen", AssumeRolePolicyDocument=_policy(trust))
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    iam.put_role_policy(RoleName="Frozen", PolicyName="inline", PolicyDocument=_policy(allow))
    job = train(opened, "frozen-job")
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    deploy_config(opened, "frozen-model", "frozen-config", job["ModelArtifacts"]["S3ModelArtifacts"])


def _policy(statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _job(opened):
    return opened.client("sagemaker").describe_training_job(TrainingJobName="frozen-job")


def _log(opened):
    logs = opened.client("logs")
    found = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="frozen-job/")
    (stream,) = found["logStreams"]
    name = stream["logStreamName"]
    events = logs.get_log_events(logGroupName=GROUP, logStreamName=name, startFromHead=True)["events"]
    return [event["message"] for event in events]


def _content(opened):
    return opened.client("s3").get_object(Bucket=BUCKET, Key="data/é 1.csv")["Body"].read().decode()


DESCRIBERS = {
    "job": _job,
    "jobs": lambda opened: opened.client("sagemaker").list_training_jobs(),
    "tags": lambda opened: opened.client("sagemaker").list_tags(ResourceArn=_job(opened)["TrainingJobArn"]),
    "model": lambda opened: opened.client("sagemaker").describe_model(ModelName="frozen-model"),
    "config": lambda opened: opened.client("sagemaker").describe_endpoint_config(
        EndpointConfigName="frozen-config"
    ),
    "role": lambda opened: opened.client("iam").get_role(RoleName="Frozen"),
    "policy": lambda opened: opened.client("iam").get_role_policy(RoleName="Frozen", PolicyName="inline"),
    "head": lambda opened: opened.client("s3").head_object(Bucket=BUCKET, Key="data/é 1.csv"),
    "objects": lambda opened: opened.client("s3").list_objects_v2(Bucket=BUCKET),
    "content": _content,
    "log": _log,
}
