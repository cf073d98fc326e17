"""Which permissions a request needs."""

import asyncio
import json

import pytest
from tests.aws.support import botocore_model

from wildsage.services.iam.directory import Directory
from wildsage.services.iam.handlers import iam_handlers
from wildsage.services.permissions import Permissions
from wildsage.services.s3.permissions import permission_table
from wildsage.services.s3.service import s3_operations
from wildsage.store.buckets import Buckets
from wildsage.store.objects import Objects
from wildsage.store.resources import Resources
from wildsage.store.tags import Tags

ACCOUNT = "123456789012"
SAGEMAKER = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}"
LOGS = f"arn:aws:logs:us-west-2:{ACCOUNT}:log-group"
EVENTS = f"arn:aws:events:us-west-2:{ACCOUNT}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/R"
OBJECT = {"Bucket": "b", "Key": "k/1"}


@pytest.fixture
def ask(state, context):
    permissions = Permissions(Directory(Resources(state)))
    return lambda *call: {(p.action, p.resource) for p in permissions.of(context, *call)}


def test_every_operation_of_s3_has_a_line_and_every_line_an_operation(state, clock, tmp_path):
    objects = Objects(tmp_path / "objects")
    implemented = set(s3_operations(Buckets(state, objects, clock)))
    objects.close()
    assert permission_table().keys() == implemented


def test_lines_of_s3_ask_for_what_their_requests_have():
    model = botocore_model("s3")
    needed = {
        "object": {"Bucket", "Key"},
        "bucket": {"Bucket"},
        "source": {"CopySource"},
        "listed": {"Delete"},
    }
    for operation, line in permission_table().items():
        members = model.operation_model(operation).input_shape
        for asked in line.values():
            target, _, condition = asked.partition(" ")
            word, _, member = condition.partition(" ")
            assert needed.get(target, set()) <= set(members.required_members if members else ()), operation
            assert word in ("", "if", "unless"), operation
            assert not member or target in ("source", "listed") or member in members.members, operation


@pytest.mark.parametrize(
    ("operation", "request_", "needed"),
    [
        ("GetObject", OBJECT, {("s3:GetObject", "arn:aws:s3:::b/k/1")}),
        ("HeadObject", OBJECT, {("s3:GetObject", "arn:aws:s3:::b/k/1")}),
        ("PutObject", OBJECT, {("s3:PutObject", "arn:aws:s3:::b/k/1")}),
        ("PutObject", {**OBJECT, "Tagging": "a=b"},
         {("s3:PutObject", "arn:aws:s3:::b/k/1"), ("s3:PutObjectTagging", "arn:aws:s3:::b/k/1")}),
        ("CopyObject", {**OBJECT, "CopySource": "/c/a%20b?versionId=null"},
         {("s3:PutObject", "arn:aws:s3:::b/k/1"), ("s3:GetObjectVersion", "arn:aws:s3:::c/a b")}),
        ("UploadPartCopy", {**OBJECT, "CopySource": "c/d"},
         {("s3:PutObject", "arn:aws:s3:::b/k/1"), ("s3:GetObject", "arn:aws:s3:::c/d")}),
        ("DeleteObjects", {"Bucket": "b", "Delete": {"Objects": [{"Key": "1"}, {"Key": "2"}]}},
         {("s3:DeleteObject", "arn:aws:s3:::b/1"), ("s3:DeleteObject", "arn:aws:s3:::b/2")}),
        ("HeadBucket", {"Bucket": "b"}, {("s3:ListBucket", "arn:aws:s3:::b")}),
        ("DeleteBucketCors", {"Bucket": "b"}, {("s3:PutBucketCORS", "arn:aws:s3:::b")}),
        ("ListBuckets", {}, {("s3:ListAllMyBuckets", "*")}),
    ],
)  # fmt: skip
def test_s3(ask, operation, request_, needed):
    assert ask("s3", operation, request_) == needed


def test_lists_tell_conditions_their_prefix(state, context):
    [found] = Permissions(Directory(Resources(state))).of(
        context, "s3", "ListObjectsV2", {"Bucket": "b", "Prefix": "p/", "Delimiter": "/", "MaxKeys": 7}
    )
    assert found.values == {"s3:prefix": ("p/",), "s3:delimiter": ("/",), "s3:max-keys": ("7",)}


@pytest.mark.parametrize(
    ("service", "operation", "request_", "needed"),
    [
        ("sagemaker", "DescribeTrainingJob", {"TrainingJobName": "J"},
         {("sagemaker:DescribeTrainingJob", f"{SAGEMAKER}:training-job/j")}),
        ("sagemaker", "CreateTrainingJob", {"TrainingJobName": "j", "RoleArn": ROLE},
         {("sagemaker:CreateTrainingJob", f"{SAGEMAKER}:training-job/j"), ("iam:PassRole", ROLE)}),
        ("sagemaker", "CreateModel", {"ModelName": "m", "ExecutionRoleArn": ROLE},
         {("sagemaker:CreateModel", f"{SAGEMAKER}:model/m"), ("iam:PassRole", ROLE)}),
        ("sagemaker", "CreateEndpoint", {"EndpointName": "e", "EndpointConfigName": "c"},
         {("sagemaker:CreateEndpoint", f"{SAGEMAKER}:endpoint/e"),
          ("sagemaker:CreateEndpoint", f"{SAGEMAKER}:endpoint-config/c")}),
        ("sagemaker", "CreateHyperParameterTuningJob",
         {"HyperParameterTuningJobName": "t", "TrainingJobDefinition": {"RoleArn": ROLE}},
         {("sagemaker:CreateHyperParameterTuningJob", f"{SAGEMAKER}:hyper-parameter-tuning-job/t"),
          ("iam:PassRole", ROLE)}),
        ("sagemaker", "CreateHyperParameterTuningJob",
         {"HyperParameterTuningJobName": "t", "TrainingJobDefinitions": [{"RoleArn": ROLE}]},
         {("sagemaker:CreateHyperParameterTuningJob", f"{SAGEMAKER}:hyper-parameter-tuning-job/t"),
          ("iam:PassRole", ROLE)}),
        ("sagemaker", "ListTrainingJobs", {"NameContains": "x"}, {("sagemaker:ListTrainingJobs", "*")}),
        ("sagemaker", "AddTags", {"ResourceArn": f"{SAGEMAKER}:model/m"}, {("sagemaker:AddTags", f"{SAGEMAKER}:model/m")}),
        ("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "e", "Body": b""},
         {("sagemaker:InvokeEndpoint", f"{SAGEMAKER}:endpoint/e")}),
        ("logs", "GetLogEvents", {"logGroupName": "/g", "logStreamName": "s"}, {("logs:GetLogEvents", f"{LOGS}:/g:log-stream:s")}),
        ("logs", "DescribeLogStreams", {"logGroupName": "/g"}, {("logs:DescribeLogStreams", f"{LOGS}:/g")}),
        ("iam", "CreatePolicy", {"PolicyName": "p", "Path": "/x/"}, {("iam:CreatePolicy", f"arn:aws:iam::{ACCOUNT}:policy/x/p")}),
        ("iam", "AttachRolePolicy", {"RoleName": "R", "PolicyArn": "arn:p"}, {("iam:AttachRolePolicy", ROLE)}),
        ("iam", "GetPolicy", {"PolicyArn": "arn:p"}, {("iam:GetPolicy", "arn:p")}),
        ("iam", "SimulatePrincipalPolicy", {"PolicySourceArn": ROLE}, {("iam:SimulatePrincipalPolicy", ROLE)}),
        ("sts", "AssumeRole", {"RoleArn": ROLE}, {("sts:AssumeRole", ROLE)}),
        ("sts", "GetCallerIdentity", {}, set()),
        ("events", "PutRule", {"Name": "r", "RoleArn": ROLE}, {("events:PutRule", f"{EVENTS}:rule/r"), ("iam:PassRole", ROLE)}),
        ("events", "PutRule", {"Name": "r", "EventBusName": f"{EVENTS}:event-bus/b"}, {("events:PutRule", f"{EVENTS}:rule/b/r")}),
        ("events", "PutTargets", {"Rule": "r", "Targets": [{"Id": "1", "RoleArn": ROLE}, {"Id": "2"}]},
         {("events:PutTargets", f"{EVENTS}:rule/r"), ("iam:PassRole", ROLE)}),
        ("events", "CreateEventBus", {"Name": "b"}, {("events:CreateEventBus", f"{EVENTS}:event-bus/b")}),
        ("events", "PutEvents", {"Entries": [{}, {"EventBusName": "b"}, {"EventBusName": "b"}]},
         {("events:PutEvents", f"{EVENTS}:event-bus/default"), ("events:PutEvents", f"{EVENTS}:event-bus/b")}),
        ("events", "TagResource", {"ResourceARN": f"{EVENTS}:rule/r"}, {("events:TagResource", f"{EVENTS}:rule/r")}),
        ("events", "ListRules", {}, {("events:ListRules", "*")}),
        ("application-autoscaling", "RegisterScalableTarget", {"ResourceId": "endpoint/e/variant/v", "RoleARN": ROLE},
         {("application-autoscaling:RegisterScalableTarget", "*"), ("iam:PassRole", ROLE)}),
        ("application-autoscaling", "TagResource", {"ResourceARN": "arn:t"}, {("application-autoscaling:TagResource", "arn:t")}),
        ("ecr", "PutImage", {"repositoryName": "a/b"}, {("ecr:PutImage", f"arn:aws:ecr:us-west-2:{ACCOUNT}:repository/a/b")}),
        ("ecr", "DescribeImages", {"repositoryName": "a", "registryId": "683313688378"},
         {("ecr:DescribeImages", "arn:aws:ecr:us-west-2:683313688378:repository/a")}),
        ("ecr", "DescribeRepositories", {"repositoryNames": ["a", "b"]},
         {("ecr:DescribeRepositories", f"arn:aws:ecr:us-west-2:{ACCOUNT}:repository/{name}") for name in "ab"}),
        ("ecr", "GetAuthorizationToken", {}, {("ecr:GetAuthorizationToken", "*")}),
        ("newcomer", "DoIt", {}, {("newcomer:DoIt", "*")}),
    ],
)  # fmt: skip
def test_other_services(ask, service, operation, request_, needed):
    assert ask(service, operation, request_) == needed


def test_a_role_is_asked_for_by_its_path_which_the_request_does_not_say(ask, state, context):
    trust = {"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}}
    create = iam_handlers(Resources(state), Tags(state))["CreateRole"]
    request = {"RoleName": "Deep", "Path": "/a/b/", "AssumeRolePolicyDocument": json.dumps(trust)}
    assert ask("iam", "CreateRole", request) == {("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/a/b/Deep")}
    asyncio.run(create(context, request))
    assert ask("iam", "GetRole", {"RoleName": "deep"}) == {
        ("iam:GetRole", f"arn:aws:iam::{ACCOUNT}:role/a/b/Deep")
    }


def test_metrics_are_asked_for_by_namespace_and_alarms_by_arn(state, context):
    permissions = Permissions(Directory(Resources(state)))
    (put,) = permissions.of(context, "cloudwatch", "PutMetricData", {"Namespace": "App", "MetricData": []})
    assert (put.action, put.resource, put.values) == (
        "cloudwatch:PutMetricData",
        "*",
        {"cloudwatch:namespace": ("App",)},
    )
    alarm = f"arn:aws:cloudwatch:us-west-2:{ACCOUNT}:alarm:"
    asked = permissions.of(context, "cloudwatch", "DeleteAlarms", {"AlarmNames": ["a", "b"]})
    assert [(p.action, p.resource) for p in asked] == [
        ("cloudwatch:DeleteAlarms", f"{alarm}a"),
        ("cloudwatch:DeleteAlarms", f"{alarm}b"),
    ]
    (listed,) = permissions.of(context, "cloudwatch", "ListMetrics", {})
    assert (listed.action, listed.resource) == ("cloudwatch:ListMetrics", "*")
