"""A whole server with real boto3 clients: what is refused at create, and what fails with AWS's words."""

import json
import time

import boto3
import numpy as np
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.aws.support import SERVICES
from tests.served import REGION, ServedApplication

from wildsage.aws.model import Catalogue
from wildsage.cli.coverage import all_operations
from wildsage.clients import hosts

KMEANS = f"174872318107.dkr.ecr.{REGION}.amazonaws.com/kmeans:1"
XGBOOST = f"246618743249.dkr.ecr.{REGION}.amazonaws.com/sagemaker-xgboost:3.2-0"
ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServedApplication(tmp_path_factory.mktemp("server")) as made:
        s3 = made.client("s3")
        s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
        rows = np.random.default_rng(0).normal(size=(300, 4))
        table = "\n".join(",".join(f"{value:.4f}" for value in row) for row in rows)
        s3.put_object(Bucket="bucket", Key="train/x.csv", Body=table)
        yield made


@pytest.fixture(scope="module")
def sagemaker(server):
    return server.client("sagemaker")


NAMES = iter(f"job-{number}" for number in range(1000))


def job(key="train/x.csv", image=KMEANS, hyperparameters=None, **members):
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://bucket/{key}"}
    return {
        "TrainingJobName": next(NAMES),
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "HyperParameters": {"k": "3", "feature_dim": "4"} if hyperparameters is None else hyperparameters,
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "ContentType": "text/csv;label_size=0" if image == KMEANS else "text/csv",
                "DataSource": {"S3DataSource": source},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **members,
    }


def ended(sagemaker, request):
    deadline = time.monotonic() + 30
    while True:
        described = sagemaker.describe_training_job(TrainingJobName=request["TrainingJobName"])
        if described["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"):
            return described
        assert time.monotonic() < deadline, described
        time.sleep(0.05)


def change(request, path, value):
    *parents, last = path.split(".")
    for name in parents:
        request = request[int(name) if name.isdigit() else name]
    request[last] = value


@pytest.mark.parametrize(
    ("path", "value", "code", "text"),
    [
        ("TrainingJobName", "a_b", "ValidationException", "Value 'a_b' at 'trainingJobName' failed to satisfy constraint"),
        ("TrainingJobName", "a" * 64, "ValidationException", "Member must have length less than or equal to 63"),
        ("RoleArn", "arn:aws:iam::1:role/x", "ValidationException", "at 'roleArn' failed to satisfy constraint"),
        ("RoleArn", "arn:aws:iam::123456789012:role/Nobody", "ValidationException", "Could not assume role arn:aws:iam::123456789012:role/Nobody"),
        ("RoleArn", "arn:aws:iam::999999999999:role/Other", "ValidationException", "Cross-account pass role is not allowed"),
        ("AlgorithmSpecification.TrainingImage", "1234.dkr.ecr.us-west-2.amazonaws.com/none:1", "ValidationException", "does not exist or cannot run"),
        ("AlgorithmSpecification.TrainingInputMode", "Files", "ValidationException", "Member must satisfy enum value set"),
        ("ResourceConfig.InstanceType", "ml.m5.tiny", "ValidationException", "resourceConfig.instanceType"),
        ("ResourceConfig.InstanceCount", -1, "ValidationException", "Member must have value greater than or equal to 0"),
        ("StoppingCondition.MaxRuntimeInSeconds", 0, "ValidationException", "greater than or equal to 1"),
        ("InputDataConfig.0.DataSource.S3DataSource.S3Uri", "s3://bucket/nothing/", "ValidationException", "No S3 objects found under S3 URL"),
        ("InputDataConfig.0.DataSource.S3DataSource.S3Uri", "ftp://bucket/x", "ValidationException", "regular expression pattern"),
        ("CheckpointConfig", {"S3Uri": "https://example.com/c"}, "ValidationException", "CheckpointConfig.S3Uri: 'https://example.com/c' is no S3 location"),
        ("CheckpointConfig", {"S3Uri": "s3://bucket/c", "LocalPath": "/opt/ml/input/data/x"}, "ValidationException", "CheckpointConfig.LocalPath '/opt/ml/input/data/x' cannot hold checkpoints"),
        ("CheckpointConfig", {"LocalPath": "/opt/ml/checkpoints"}, "ValidationException", "s3Uri"),
        ("EnableManagedSpotTraining", True, "ValidationException", "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds (60); it is None"),
        ("StoppingCondition.MaxWaitTimeInSeconds", 60, "ValidationException", "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"),
        ("RetryStrategy", {"MaximumRetryAttempts": 31}, "ValidationException", "less than or equal to 30"),
        ("HyperParameters", {"a": "x" * 2501}, "ValidationException", "2500"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_at_create_and_nothing_is_stored(server, sagemaker, path, value, code, text):
    client = server.session.client(
        "sagemaker",
        endpoint_url=server.url,
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )
    request = job()
    change(request, path, value)
    with pytest.raises(ClientError) as raised:
        client.create_training_job(**request)
    assert raised.value.response["Error"]["Code"] == code
    assert text in raised.value.response["Error"]["Message"]
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    found = sagemaker.list_training_jobs(NameContains=str(request["TrainingJobName"])[:20].replace("_", ""))
    assert request["TrainingJobName"] not in [
        item["TrainingJobName"] for item in found["TrainingJobSummaries"]
    ]


def test_a_wrong_type_is_refused(server):
    import urllib.request

    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    body = json.dumps({**job(), "HyperParameters": {"k": 3}})
    request = AWSRequest(
        "POST",
        server.url,
        data=body,
        headers={"X-Amz-Target": "SageMaker.CreateTrainingJob", "Content-Type": "application/x-amz-json-1.1"},
    )
    SigV4Auth(server.session.get_credentials(), "sagemaker", REGION).add_auth(request)
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(urllib.request.Request(server.url, body.encode(), dict(request.headers)))
    assert raised.value.code == 400
    assert "SerializationException" in raised.value.read().decode()


def test_every_service_makes_the_round_trips_of_the_wire():
    assert set(all_operations()) == set(SERVICES)


def test_requests_for_every_service_are_let_through_to_it():
    models = map(Catalogue().service, all_operations())
    names = [f"{model.metadata['endpointPrefix']}.{REGION}.amazonaws.com" for model in models]
    assert {hosts.service_of(name) for name in names} == hosts.SERVICES


def test_a_bad_signature_is_refused(server):
    forged = boto3.Session(
        aws_access_key_id=server.session.get_credentials().access_key, aws_secret_access_key="wrong"
    )
    client = forged.client(
        "sagemaker",
        region_name=REGION,
        endpoint_url=server.url,
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(ClientError, match="signature") as raised:
        client.list_training_jobs()
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_duplicate_name_is_in_use(sagemaker):
    request = job()
    sagemaker.create_training_job(**request)
    with pytest.raises(sagemaker.exceptions.ResourceInUse, match="Training job names must be unique"):
        sagemaker.create_training_job(**request)
    assert ended(sagemaker, request)["TrainingJobStatus"] == "Completed"


def test_a_bad_hyperparameter_fails_the_job_as_a_client_error(sagemaker):
    request = job(hyperparameters={"k": "three", "feature_dim": "4", "kk": "1"})
    sagemaker.create_training_job(**request)
    described = ended(sagemaker, request)
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("ClientError: ")
    assert "Additional hyperparameters are not allowed ('kk' was unexpected)" in described["FailureReason"]
    assert "'three' is not valid for the 'k' hyperparameter" in described["FailureReason"]
    assert described["FailureReason"].endswith(
        ", exit code: 2. Next step: correct HyperParameters and create the job again."
    )


def test_malformed_data_fails_the_job_naming_file_and_line(server, sagemaker):
    server.client("s3").put_object(Bucket="bucket", Key="ragged/bad.csv", Body="1,2,3,4\n1,2,x,4\n")
    request = job("ragged/")
    sagemaker.create_training_job(**request)
    reason = ended(sagemaker, request)["FailureReason"]
    assert reason.startswith("ClientError: ")
    assert "bad.csv" in reason
    assert "line 2" in reason


def test_an_object_that_vanished_fails_the_job(server, sagemaker, monkeypatch):
    s3 = server.client("s3")
    manifest = [{"prefix": "s3://bucket/gone/"}, "a.csv", "b.csv"]
    s3.put_object(Bucket="bucket", Key="gone/manifest", Body=json.dumps(manifest))
    s3.put_object(Bucket="bucket", Key="gone/a.csv", Body="1,2,3,4\n")
    request = job("gone/manifest")
    request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3DataType"] = "ManifestFile"
    sagemaker.create_training_job(**request)
    described = ended(sagemaker, request)
    assert described["TrainingJobStatus"] == "Failed"
    assert "s3://bucket/gone/b.csv" in described["FailureReason"]


def test_a_role_that_may_not_read_fails_the_job_naming_action_and_object(server, sagemaker):
    iam = server.client("iam")
    iam.create_role(RoleName="Blind", AssumeRolePolicyDocument=TRUST)
    deny = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/train/*"}
    iam.put_role_policy(
        RoleName="Blind",
        PolicyName="deny",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [deny]}),
    )
    request = job(RoleArn="arn:aws:iam::123456789012:role/Blind")
    sagemaker.create_training_job(**request)
    described = ended(sagemaker, request)
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("ClientError: ")
    assert "train/x.csv" in described["FailureReason"]
    assert described["FailureReason"].endswith(
        "Next step: remove the Deny of s3:GetObject on arn:aws:s3:::bucket/train/x.csv from the policies of role Blind."
    )


def test_a_job_acts_as_its_role_and_its_secrets_end_with_it(server, sagemaker, tmp_path):
    """The container asks for credentials of its role; nothing secret is in its environment or in Describe."""
    script = tmp_path / "image" / "train"
    script.parent.mkdir()
    script.write_text(
        f"#!{__import__('sys').executable}\n"
        "import json, os, urllib.request\n"
        "token = open(os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE']).read()\n"
        "url = os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI']\n"
        "answer = urllib.request.urlopen(urllib.request.Request(url, headers={'Authorization': token})).read()\n"
        "json.dump({'credentials': json.loads(answer), 'environment': dict(os.environ), 'url': url, 'token': token},"
        " open('/opt/ml/model/seen.json', 'w'))\n"
    )
    script.chmod(0o755)
    from wildsage.images.registered import RegisteredImages

    RegisteredImages(server.layout.images).add_directory("curious", script.parent)
    request = job(image="curious", hyperparameters={})
    sagemaker.create_training_job(**request)
    described = ended(sagemaker, request)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    import io
    import tarfile

    key = described["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://bucket/")
    content = server.client("s3").get_object(Bucket="bucket", Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        seen = json.loads(archive.extractfile("seen.json").read())
    given = seen["credentials"]
    session = boto3.Session(
        given["AccessKeyId"], given["SecretAccessKey"], given["Token"], region_name=REGION
    )
    assert not any(
        secret in value
        for secret in (given["SecretAccessKey"], seen["token"])
        for value in seen["environment"].values()
    )
    assert seen["token"] not in json.dumps(described, default=str)
    sts = session.client("sts", endpoint_url=server.url)
    deadline = time.monotonic() + 5
    while is_accepted(sts):  # the job has ended: its credentials end too
        assert time.monotonic() < deadline


def is_accepted(sts):
    try:
        sts.get_caller_identity()
    except ClientError as error:
        return error.response["Error"]["Code"] != "InvalidClientTokenId"
    return True


def test_what_is_not_there_says_so_by_name(server):
    with pytest.raises(ClientError, match="CreateAutoMLJobV2 of Amazon SageMaker Service") as raised:
        server.client("sagemaker").create_auto_ml_job_v2(
            AutoMLJobName="a",
            AutoMLJobInputDataConfig=[
                {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/c"}}}
            ],
            OutputDataConfig={"S3OutputPath": "s3://b"},
            AutoMLProblemTypeConfig={"TabularJobConfig": {"TargetAttributeName": "y"}},
            RoleArn=ROLE,
        )
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_regions_hold_their_own(server, sagemaker):
    request = job()
    sagemaker.create_training_job(**request)
    other = server.session.client("sagemaker", region_name="ap-southeast-2", endpoint_url=server.url)
    with pytest.raises(ClientError, match="Requested resource not found"):
        other.describe_training_job(TrainingJobName=request["TrainingJobName"])
    ended(sagemaker, request)


def test_xgboost_trains_and_answers(server, sagemaker):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 3))
    table = np.column_stack([x[:, 0] * 2 + x[:, 1], x])
    body = "\n".join(",".join(f"{value:.4f}" for value in row) for row in table)
    server.client("s3").put_object(Bucket="bucket", Key="regression/x.csv", Body=body)
    request = job(
        "regression/", image=XGBOOST, hyperparameters={"num_round": "5", "objective": "reg:squarederror"}
    )
    sagemaker.create_training_job(**request)
    described = ended(sagemaker, request)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert [item["MetricName"] for item in described["FinalMetricDataList"]] == ["train:rmse"]
    name = request["TrainingJobName"]
    container = {"Image": XGBOOST, "ModelDataUrl": described["ModelArtifacts"]["S3ModelArtifacts"]}
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
    answer = server.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, ContentType="text/csv", Body="1,1,1\n-1,-1,-1"
    )
    values = [float(value) for value in answer["Body"].read().decode().replace("\n", ",").split(",") if value]
    assert values[0] > 1 > -1 > values[1]
    assert answer["InvokedProductionVariant"] == "A"
    sagemaker.delete_endpoint(EndpointName=name)
