"""A client that knows nothing of AWS_ENDPOINT_URL, names AWS's hosts itself, and its user's own profile."""

import json

import boto3
from botocore.exceptions import BotoCoreError, ClientError

production = boto3.Session(profile_name="production")
assert production.region_name == "eu-west-1"


def client(service, host=None, session=production, **options):
    return session.client(service, endpoint_url=host and f"https://{host}", **options)


# Explicit hosts, and those that the old boto3 makes up itself.
for session, sts in (
    (production, client("sts", "sts.us-west-2.amazonaws.com", region_name="us-west-2")),
    (production, client("sts")),
    (boto3.Session(profile_name="deploy"), client("sts", session=boto3.Session(profile_name="deploy"))),
    (boto3.Session(), client("sts", session=boto3.Session())),
):
    identity = sts.get_caller_identity()
    assert identity["Account"] == "123456789012", identity
    assert session.get_credentials().access_key != "AKIAI44QH8DHBEXAMPLE"

s3 = client("s3", "s3.eu-west-1.amazonaws.com")
s3.create_bucket(Bucket="explicit", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
s3.put_object(Bucket="explicit", Key="a/b", Body=b"x" * 100_000)
# Without an explicit host: BUCKET.s3.REGION.amazonaws.com.
read = client("s3").get_object(Bucket="explicit", Key="a/b")
assert len(read["Body"].read()) == 100_000
assert (
    client("s3", region_name="us-west-2").get_bucket_location(Bucket="explicit")["LocationConstraint"]
    == "eu-west-1"
)

abroad = client("sagemaker", "sagemaker.us-west-2.amazonaws.com", region_name="us-west-2")
abroad.create_model(
    ModelName="explicit",
    PrimaryContainer={"Image": "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"},
    ExecutionRoleArn="arn:aws:iam::123456789012:role/service-role/MySageMakerRole",
)
names = [model["ModelName"] for model in abroad.list_models()["Models"]]
assert "explicit" in names, names
assert "explicit" not in [model["ModelName"] for model in client("sagemaker").list_models()["Models"]], (
    "regions mix"
)

runtime = client("sagemaker-runtime", "runtime.sagemaker.us-west-2.amazonaws.com", region_name="us-west-2")
try:
    runtime.invoke_endpoint(EndpointName="absent", Body=b"")
except ClientError as error:
    absent = error.response["Error"]["Code"]

try:
    client("dynamodb").list_tables()
except ClientError as error:
    refused = str(error)

try:
    client("s3", "169.254.169.254:80").list_buckets()
except (ClientError, BotoCoreError) as error:
    metadata = type(error).__name__

print(
    json.dumps(
        {
            "boto3": boto3.__version__,
            "absent": absent,
            "refused": refused,
            "metadata": metadata,
        }
    )
)
