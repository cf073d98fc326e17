"""boto3 alone: the built-in XGBoost from upload to prediction."""

import io
import json
import sys
import time

import boto3
import numpy as np

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
region = "us-west-2"
image = f"246618743249.dkr.ecr.{region}.amazonaws.com/sagemaker-xgboost:3.2-0"
bucket = "my-xgboost-example"
name = f"xgboost-{int(time.time())}"

s3 = boto3.client("s3", region_name=region)
sm = boto3.client("sagemaker", region_name=region)
runtime = boto3.client("sagemaker-runtime", region_name=region)

rng = np.random.default_rng(5)
x = rng.normal(size=(1500, 6)).round(4)
y = (x[:, 0] * x[:, 1] + np.sin(x[:, 2]) + 0.1 * rng.normal(size=1500)).round(4)


def as_csv(*columns):
    buffer = io.StringIO()
    np.savetxt(buffer, np.column_stack(columns), delimiter=",", fmt="%.4f")
    return buffer.getvalue()


s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
s3.put_object(Bucket=bucket, Key="train/train.csv", Body=as_csv(y[:1200], x[:1200]))
s3.put_object(Bucket=bucket, Key="validation/validation.csv", Body=as_csv(y[1200:], x[1200:]))


def channel(kind):
    return {
        "ChannelName": kind,
        "ContentType": "text/csv",
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": f"s3://{bucket}/{kind}/",
                "S3DataDistributionType": "FullyReplicated",
            }
        },
    }


sm.create_training_job(
    TrainingJobName=name,
    AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
    RoleArn=role,
    HyperParameters={"max_depth": "4", "eta": "0.2", "objective": "reg:squarederror", "num_round": "40"},
    InputDataConfig=[channel("train"), channel("validation")],
    OutputDataConfig={"S3OutputPath": f"s3://{bucket}/output"},
    ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 5},
    StoppingCondition={"MaxRuntimeInSeconds": 600},
)
sm.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name, WaiterConfig={"Delay": 1})
job = sm.describe_training_job(TrainingJobName=name)
assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")

sm.create_model(
    ModelName=name,
    ExecutionRoleArn=role,
    PrimaryContainer={"Image": image, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]},
)
sm.create_endpoint_config(
    EndpointConfigName=name,
    ProductionVariants=[
        {
            "VariantName": "AllTraffic",
            "ModelName": name,
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.xlarge",
        }
    ],
)
sm.create_endpoint(EndpointName=name, EndpointConfigName=name)
sm.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1})
answer = runtime.invoke_endpoint(EndpointName=name, ContentType="text/csv", Body=as_csv(x[1200:]))
predictions = [
    float(value) for value in answer["Body"].read().decode().replace("\n", ",").strip(",").split(",")
]
sm.delete_endpoint(EndpointName=name)
sm.delete_endpoint_config(EndpointConfigName=name)
sm.delete_model(ModelName=name)

with open(sys.argv[1], "w") as file:
    json.dump(
        {
            "x": x.tolist(),
            "y": y.tolist(),
            "predictions": predictions,
            "metrics": {item["MetricName"]: item["Value"] for item in job["FinalMetricDataList"]},
        },
        file,
    )
