"""The codes and texts that clients decide by, and those that SageMaker's users know.

Each row names the line of the client that matches (SDK v2: src/sagemaker of aws/sagemaker-python-sdk at v2.257.6;
v3: sagemaker-core/src/sagemaker/core of its master at a24812666), or where AWS's answer is quoted. Of the texts
that clients match, those of operations that do not exist yet (model packages, pipelines, experiments, feature
groups) are not here: their rows come with them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.live import serve
from tests.served import composed

from wildsage.app import Settings
from wildsage.store.layout import Layout
from wildsage.store.resources import Key, Resources

ACCOUNT, REGION = "123456789012", "us-west-2"
KMEANS = f"174872318107.dkr.ecr.{REGION}.amazonaws.com/kmeans:1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Execution"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
JOB = {
    "AlgorithmSpecification": {"TrainingImage": KMEANS, "TrainingInputMode": "File"},
    "RoleArn": ROLE,
    "HyperParameters": {"k": "3", "feature_dim": "4"},
    "InputDataConfig": [
        {
            "ChannelName": "train",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/train/"}},
        }
    ],
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}
MODEL = {
    "PrimaryContainer": {"Image": KMEANS, "ModelDataUrl": "s3://bucket/model.tar.gz"},
    "ExecutionRoleArn": ROLE,
}
VARIANTS = [
    {"VariantName": "v", "ModelName": "taken", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
]


class Platform:
    """A server whose machinery never starts: what is created stays as it was created."""

    def __init__(self, application, url, keys):
        self.application = application
        self._url = url
        self._session = boto3.Session(keys["access_key_id"], keys["secret_access_key"], region_name=REGION)
        self.sagemaker, self.runtime, self.logs, self.iam, self.s3 = map(
            self.client, ("sagemaker", "sagemaker-runtime", "logs", "iam", "s3")
        )

    def client(self, service):
        config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
        return self._session.client(service, endpoint_url=self._url, config=config)

    def fill(self):
        self.iam.create_role(RoleName="Execution", AssumeRolePolicyDocument=json.dumps(TRUST))
        self.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
        for key in ("train/x.csv", "model.tar.gz"):
            self.s3.put_object(Bucket="bucket", Key=key, Body=b"1")
        self.sagemaker.create_training_job(TrainingJobName="taken", **JOB)
        self.sagemaker.create_training_job(TrainingJobName="ended", **JOB)
        self.sagemaker.create_model(ModelName="taken", **MODEL)
        self.sagemaker.create_endpoint_config(EndpointConfigName="taken", ProductionVariants=VARIANTS)
        self.sagemaker.create_endpoint(EndpointName="taken", EndpointConfigName="taken")
        key = Key(ACCOUNT, REGION, "training-job", "ended")
        self.application._state.write_blocking(lambda t: Resources.transition(t, key, to="Failed", at=2e9))


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    layout = Layout(folder / "data")
    layout.make()
    settings = Settings(layout, folder / "cache", ACCOUNT, "http://127.0.0.1:1")
    with composed(settings) as application, serve(application.gateway) as url:
        made = Platform(application, url, json.loads(layout.credentials.read_text()))
        made.fill()
        yield made


@dataclass(frozen=True)
class Answer:
    """A row: what is asked, the code of the answer, and what its text is."""

    source: str
    ask: Callable[[Platform], object]
    code: str
    equals: str | None = None
    begins: str = ""
    holds: str = ""


def job(**changes):
    return lambda p: p.sagemaker.create_training_job(**{"TrainingJobName": "new", **JOB, **changes})


def named(name, **members):
    return lambda p: getattr(p.sagemaker, name)(**members)


CLIENTS = [
    Answer("v2 session.py:4435, v3 helper/session_helper.py:1930", named("create_model", ModelName="taken", **MODEL), "ValidationException", holds="Cannot create already existing model"),
    Answer("v2 session.py:8482, v3 common_utils.py:2467", named("create_endpoint", EndpointName="taken", EndpointConfigName="taken"), "ValidationException", holds="Cannot create already existing"),
    Answer("v2 session.py:8482, v3 common_utils.py:2467", named("create_endpoint_config", EndpointConfigName="taken", ProductionVariants=VARIANTS), "ValidationException", holds="Cannot create already existing"),
    Answer("v2 session.py:8482, v3 common_utils.py:2467", job(TrainingJobName="taken"), "ResourceInUse", holds="already exists"),
    Answer("v2 session.py:8457, v3 helper/session_helper.py:2931", named("describe_endpoint", EndpointName="none"), "ValidationException", holds="Could not find"),
    Answer("v2 session.py:8457, v3 helper/session_helper.py:2931", named("describe_endpoint_config", EndpointConfigName="none"), "ValidationException", holds="Could not find"),
    Answer("v2 model_card/model_card.py:149", named("describe_model", ModelName="none"), "ValidationException", begins="Could not find model"),
    Answer("v2 model_card/model_card.py:1141", named("describe_training_job", TrainingJobName="none"), "ValidationException", equals="Requested resource not found."),
    Answer("v2 session.py:8863, v3 helper/session_helper.py:2883, v3 resources.py:2085", named("describe_endpoint", EndpointName="none"), "ValidationException"),
    Answer("v2 session.py:9266, v3 common_utils.py:2308", lambda p: p.logs.describe_log_streams(logGroupName="/aws/sagemaker/None"), "ResourceNotFoundException"),
    Answer("v2 session.py:8416, v3 helper/iam_role_resolver.py:268", lambda p: p.iam.get_role(RoleName="none"), "NoSuchEntity"),
    Answer("v2 session.py:760-790, v3 helper/session_helper.py:757", lambda p: p.s3.head_bucket(Bucket="no-such-bucket"), "404", equals="Not Found"),
    Answer("v2 session.py:752, v3 helper/session_helper.py:757", lambda p: p.s3.head_bucket(Bucket="bucket", ExpectedBucketOwner="999999999999"), "403", equals="Forbidden"),
    Answer("awslabs/mlspace, training_job/lambda_functions.py", job(AlgorithmSpecification={**JOB["AlgorithmSpecification"], "MetricDefinitions": [{"Name": "m", "Regex": "m=(.*)"}]}), "ValidationException", holds="You can't override the metric definitions for Amazon SageMaker algorithms"),
    # aws/amazon-sagemaker-operator-for-k8s, controllers/sdkutil/clientwrapper/sagemaker_client.go
    Answer("DescribeTrainingJob404MessagePrefix", named("describe_training_job", TrainingJobName="none"), "ValidationException", begins="Requested resource not found"),
    Answer("StopTrainingJob404MessagePrefix", named("stop_training_job", TrainingJobName="none"), "ValidationException", begins="Requested resource not found"),
    Answer("DescribeEndpoint404MessagePrefix", named("describe_endpoint", EndpointName="none"), "ValidationException", begins="Could not find endpoint"),
    Answer("DeleteEndpoint404MessagePrefix", named("delete_endpoint", EndpointName="none"), "ValidationException", begins="Could not find endpoint"),
    Answer("UpdateEndpoint404MessagePrefix", named("update_endpoint", EndpointName="none", EndpointConfigName="taken"), "ValidationException", begins="Could not find endpoint"),
    Answer("UpdateEndpointUnableToFindEndpointConfigMessagePrefix", named("update_endpoint", EndpointName="taken", EndpointConfigName="none"), "ValidationException", begins="Could not find endpoint configuration"),
    Answer("DeleteEndpointInProgressMessagePrefix, here of an update", named("update_endpoint", EndpointName="taken", EndpointConfigName="taken"), "ValidationException", begins="Cannot update in-progress endpoint"),
    Answer("DescribeEndpointConfig404MessagePrefix", named("describe_endpoint_config", EndpointConfigName="none"), "ValidationException", begins="Could not find endpoint configuration"),
    Answer("DeleteEndpointConfig404MessagePrefix", named("delete_endpoint_config", EndpointConfigName="none"), "ValidationException", begins="Could not find endpoint configuration"),
    Answer("DescribeModel404MessagePrefix", named("describe_model", ModelName="none"), "ValidationException", begins="Could not find model"),
    Answer("DeleteModel404MessagePrefix", named("delete_model", ModelName="none"), "ValidationException", begins="Could not find model"),
]  # fmt: skip

EXAMPLES = "https://github.com/aws/amazon-sagemaker-examples"
QUOTED = [
    Answer(f"{EXAMPLES}/pull/3108", job(TrainingJobName="taken"), "ResourceInUse", equals=f"Training job names must be unique within an AWS account and region, and a training job with this name already exists ({ARN}:training-job/taken)"),
    Answer("https://github.com/astronomer/astronomer-providers/issues/1055", named("create_model", ModelName="taken", **MODEL), "ValidationException", equals=f'Cannot create already existing model "{ARN}:model/taken".'),
    Answer(f"{EXAMPLES}/issues/2491", named("create_endpoint", EndpointName="taken", EndpointConfigName="taken"), "ValidationException", equals=f'Cannot create already existing endpoint "{ARN}:endpoint/taken".'),
    Answer("https://github.com/awslabs/spot-tagging-bot-for-digital-assets/issues/2", named("create_endpoint_config", EndpointConfigName="taken", ProductionVariants=VARIANTS), "ValidationException", equals=f'Cannot create already existing endpoint configuration "{ARN}:endpoint-config/taken".'),
    Answer(f"{EXAMPLES}/issues/2402", named("delete_endpoint", EndpointName="none"), "ValidationException", equals=f'Could not find endpoint "{ARN}:endpoint/none".'),
    Answer(f"{EXAMPLES}/issues/2339", named("describe_endpoint_config", EndpointConfigName="none"), "ValidationException", equals=f'Could not find endpoint configuration "{ARN}:endpoint-config/none".'),
    Answer("https://github.com/aws/sagemaker-python-sdk/issues/2112", named("create_endpoint_config", EndpointConfigName="new", ProductionVariants=[{**VARIANTS[0], "ModelName": "none"}]), "ValidationException", equals=f'Could not find model "{ARN}:model/none".'),
    Answer("https://github.com/awslabs/benchmark-ai/issues/928", named("stop_training_job", TrainingJobName="ended"), "ValidationException", equals="The request was rejected because the training job is in status Failed."),
    Answer("https://github.com/awslabs/predictive-maintenance-using-machine-learning/issues/3", job(RoleArn=f"{ROLE}-None"), "ValidationException", equals=f"Could not assume role {ROLE}-None. Please ensure that the role exists and allows principal 'sagemaker.amazonaws.com' to assume the role."),
    Answer("https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-python-sdk-troubleshooting.html", job(RoleArn="arn:aws:iam::999999999999:role/Other"), "ValidationException", begins="RoleArn: Cross-account pass role is not allowed."),
    Answer("the same, of a model", named("create_model", ModelName="new", **{**MODEL, "ExecutionRoleArn": "arn:aws:iam::999999999999:role/Other"}), "ValidationException", begins="RoleArn: Cross-account pass role is not allowed."),
    Answer(f"{EXAMPLES}/issues/2267", job(InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/none/"}}}]), "ValidationException", equals=f'No S3 objects found under S3 URL "s3://bucket/none/" given in input data source. Please ensure that the bucket exists in the selected region ({REGION}), that objects exist under that S3 prefix, and that the role "{ROLE}" has "s3:ListBucket" permissions on bucket "bucket".'),
    Answer("https://github.com/Kenza-AI/sagify/issues/111", job(StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}), "ValidationException", equals="Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"),
    Answer("unverified: seen only in comments of public scripts", job(EnableManagedSpotTraining=True), "ValidationException", begins="Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"),
    Answer("github.com/awslabs/mlspace backend/test/training_job/test_create_training_job.py", job(AlgorithmSpecification={**JOB["AlgorithmSpecification"], "MetricDefinitions": [{"Name": "m", "Regex": "m=(.*)"}]}), "ValidationException", equals="You can't override the metric definitions for Amazon SageMaker algorithms. Please retry the request without specifying metric definitions."),
    Answer(f"{EXAMPLES}/issues/293", lambda p: p.runtime.invoke_endpoint(EndpointName="none", Body=b"x"), "ValidationError", equals=f"Endpoint none of account {ACCOUNT} not found."),
    Answer("https://github.com/aws/sagemaker-python-sdk/issues/171", lambda p: p.runtime.invoke_endpoint(EndpointName="none", Body=bytes(26_214_401)), "413", equals="HTTP content length exceeded 26214400 bytes."),
]  # fmt: skip


@pytest.mark.parametrize(
    "row", [*CLIENTS, *QUOTED], ids=lambda row: f"{row.source}-{row.equals or row.begins}"[:80]
)
def test_an_error_is_what_its_clients_know(platform, row):
    with pytest.raises(ClientError) as raised:
        row.ask(platform)

    error = raised.value.response["Error"]
    assert error["Code"] == row.code
    assert row.equals in (None, error["Message"])
    assert error["Message"].startswith(row.begins)
    assert row.holds in error["Message"]
    assert 400 <= raised.value.response["ResponseMetadata"]["HTTPStatusCode"] < 500


def test_what_clients_wait_for_by_a_word_in_the_error(platform):
    # v2 session.py:5231 and v3 helper/session_helper.py:1419 look at the whole error in lower case.
    with pytest.raises(ClientError) as raised:
        platform.sagemaker.describe_endpoint(EndpointName="none")

    assert "could not find" in str(raised.value).lower()


# What Describe shows. SDK v3 reads it into classes that refuse an empty structure, a structure without its required
# members and null: nothing that was not given may be shown as empty.

SHOWN = {
    "training_job": (
        {"TrainingJobName": "taken", **JOB},
        {
            "TrainingJobArn", "TrainingJobStatus", "SecondaryStatus", "SecondaryStatusTransitions", "CreationTime",
            "LastModifiedTime", "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption",
            "EnableManagedSpotTraining", "ProfilingStatus",
        },
    ),
    "model": (
        {"ModelName": "taken", **MODEL},
        {"ModelArn", "CreationTime", "EnableNetworkIsolation"},
    ),
    "endpoint_config": (
        {"EndpointConfigName": "taken", "ProductionVariants": VARIANTS},
        {"EndpointConfigArn", "CreationTime", "EnableNetworkIsolation"},
    ),
    "endpoint": (
        {"EndpointName": "taken", "EndpointConfigName": "taken"},
        {"EndpointArn", "EndpointStatus", "CreationTime", "LastModifiedTime", "ProductionVariants"},
    ),
}  # fmt: skip

SCALARS = {
    "string": str,
    "integer": int,
    "long": int,
    "boolean": bool,
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
}


def faults(shape, value, path=""):
    """Yield where a value of the wire is not what the model's shape says."""
    match shape.type_name:
        case "structure":
            if not value:
                yield f"{path} is empty"
                return
            yield from (f"{path}.{name} is unknown" for name in value.keys() - shape.members.keys())
            # Members of the answer itself may be absent: ModelArtifacts while a job runs, for one.
            required = shape.required_members if path else ()
            yield from (f"{path}.{name} is missing" for name in required if name not in value)
            for name, item in value.items():
                yield from faults(shape.members[name], item, f"{path}.{name}")
        case "list":
            for index, item in enumerate(value):
                yield from faults(shape.member, item, f"{path}.{index}")
        case "map":
            for key, item in value.items():
                yield from faults(shape.value, item, f"{path}.{key}")
        case kind:
            expected = SCALARS[kind]
            if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
                yield f"{path} is {value!r}, no {kind}"


@pytest.mark.parametrize("resource", SHOWN)
def test_describe_shows_what_was_given_and_nothing_empty(platform, resource):
    given, added = SHOWN[resource]
    client = platform.client("sagemaker")
    bodies = []
    client.meta.events.register(
        "before-parse.sagemaker", lambda response_dict, **_: bodies.append(response_dict["body"])
    )

    [name_member] = [
        name for name in given if name.endswith("Name") and name[:-4].lower() == resource.replace("_", "")
    ]
    getattr(client, f"describe_{resource}")(**{name_member: "taken"})

    shown = json.loads(bodies[0])
    operation = client.meta.method_to_api_mapping[f"describe_{resource}"]
    output = client.meta.service_model.operation_model(operation).output_shape
    assert list(faults(output, shown)) == []
    assert shown.keys() - given.keys() == added
    assert given.keys() <= shown.keys()


def test_describe_training_job_has_what_clients_read_without_a_default(platform):
    job = platform.sagemaker.describe_training_job(TrainingJobName="taken")

    assert job["OutputDataConfig"]["KmsKeyId"] == ""  # v2 estimator.py:2029
    assert job["StoppingCondition"]["MaxRuntimeInSeconds"] == 60  # v2 estimator.py:2025
    assert {"InstanceCount", "InstanceType", "VolumeSizeInGB"} <= job["ResourceConfig"].keys()
    assert job["SecondaryStatusTransitions"][0].keys() >= {"Status", "StartTime"}
    assert "ModelArtifacts" not in job  # v3: S3ModelArtifacts is required in it
