"""Targets, policies and scheduled actions of a real endpoint, as boto3 sees them."""

import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.refusals import refused
from tests.served import ServedApplication

from wildsage.images.registered import RegisteredImages

CONTAINERS = Path(__file__).parents[2] / "containers"
ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
TRACKING = {
    "TargetValue": 70.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    "ScaleInCooldown": 60,
}


def scaled(endpoint="e", variant="A"):
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/{variant}",
        "ScalableDimension": DIMENSION,
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServedApplication(tmp_path_factory.mktemp("server")) as made:
        RegisteredImages(made.layout.images).add_directory("echo:1", CONTAINERS / "echo", relocatable=True)
        sagemaker = made.client("sagemaker")
        sagemaker.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "echo:1"})
        variant = {
            "VariantName": "A", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1
        }  # fmt: skip
        sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
        for name in ("e", "e2", "e3"):
            sagemaker.create_endpoint(EndpointName=name, EndpointConfigName="c")
        yield made


@pytest.fixture
def scaling(server):
    """A client of a service without targets."""
    client = server.client("application-autoscaling")
    for target in client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]:
        client.deregister_scalable_target(**{name: target[name] for name in scaled()})
    return client


@pytest.fixture
def registered(scaling):
    scaling.register_scalable_target(**scaled(), MinCapacity=1, MaxCapacity=4)
    return scaling


def targets(scaling, **filters):
    return scaling.describe_scalable_targets(ServiceNamespace="sagemaker", **filters)["ScalableTargets"]


# Targets


def test_a_target_is_registered_and_changed(scaling):
    arn = scaling.register_scalable_target(**scaled(), MinCapacity=1, MaxCapacity=4, Tags={"a": "b"})
    (target,) = targets(scaling)
    assert target["ScalableTargetARN"] == arn["ScalableTargetARN"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)
    assert target["RoleARN"].endswith("AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint")
    suspend = {"DynamicScalingInSuspended": True}
    again = scaling.register_scalable_target(**scaled(), MaxCapacity=2, SuspendedState=suspend)
    assert again["ScalableTargetARN"] == arn["ScalableTargetARN"]
    (target,) = targets(scaling)
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 2)
    assert target["SuspendedState"] == {
        "DynamicScalingInSuspended": True, "DynamicScalingOutSuspended": False, "ScheduledScalingSuspended": False
    }  # fmt: skip
    assert scaling.list_tags_for_resource(ResourceARN=target["ScalableTargetARN"])["Tags"] == {"a": "b"}


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"ResourceId": "endpoint/nobody/variant/A"}, "endpoint doesn't exist: endpoint/nobody"),
        ({"ResourceId": "endpoint/e/variant/C"}, "The endpoint has 'A'"),
        ({"ResourceId": "endpoint/e"}, "Unsupported service namespace, resource type or scalable dimension"),
        ({"ServiceNamespace": "ecs"}, "Unsupported service namespace, resource type or scalable dimension"),
        ({"ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}, "Unsupported service"),
        ({"MinCapacity": 5}, "Maximum capacity cannot be less than minimum capacity"),
        ({"MinCapacity": -1}, "Minimum capacity must be greater than or equal to 0"),
        ({"MaxCapacity": None}, "MaxCapacity is required"),
        ({"Tags": {"aws:x": ""}}, "reserved"),
    ],
)
def test_targets_that_cannot_be(scaling, members, text):
    request = {**scaled(), "MinCapacity": 1, "MaxCapacity": 2, **members}
    request = {name: value for name, value in request.items() if value is not None}
    assert text in refused("ValidationException", scaling.register_scalable_target, **request)
    assert targets(scaling) == []


def test_targets_are_found_by_resource_and_come_in_pages(scaling):
    for endpoint in ("e", "e2", "e3"):
        scaling.register_scalable_target(**scaled(endpoint), MinCapacity=0, MaxCapacity=1)
    assert len(targets(scaling)) == 3
    assert len(targets(scaling, ResourceIds=[scaled("e2")["ResourceId"], "endpoint/x/variant/y"])) == 1
    refused(
        "ValidationException", scaling.describe_scalable_targets,
        ServiceNamespace="sagemaker", ScalableDimension=DIMENSION,
    )  # fmt: skip
    assert scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"] == []
    paginator = scaling.get_paginator("describe_scalable_targets")
    pages = list(paginator.paginate(ServiceNamespace="sagemaker", PaginationConfig={"PageSize": 2}))
    assert [len(page["ScalableTargets"]) for page in pages] == [2, 1]
    describe = scaling.describe_scalable_targets
    refused("InvalidNextTokenException", describe, ServiceNamespace="sagemaker", NextToken="x")
    refused("ValidationException", describe, ServiceNamespace="sagemaker", MaxResults=0)


def test_a_target_that_goes_takes_its_policies_and_actions(registered):
    put_policy(registered)
    put_action(registered)
    registered.deregister_scalable_target(**scaled())
    assert policies(registered) == actions(registered) == []
    message = refused("ObjectNotFoundException", registered.deregister_scalable_target, **scaled())
    assert message == (
        "No scalable target registered for service namespace: sagemaker, resource ID: endpoint/e/variant/A,"
        f" scalable dimension: {DIMENSION}"
    )


def test_a_deleted_endpoint_deregisters_its_targets_and_no_others(server, scaling):
    sagemaker = server.client("sagemaker")
    sagemaker.create_endpoint(EndpointName="e-gone", EndpointConfigName="c")
    for endpoint in ("e-gone", "e"):
        scaling.register_scalable_target(**scaled(endpoint), MinCapacity=1, MaxCapacity=2, Tags={"a": "b"})
        put_policy(scaling, **scaled(endpoint))
    gone = next(one["ScalableTargetARN"] for one in targets(scaling) if "e-gone" in one["ResourceId"])
    sagemaker.delete_endpoint(EndpointName="e-gone")
    assert [target["ResourceId"] for target in targets(scaling)] == ["endpoint/e/variant/A"]
    assert [policy["ResourceId"] for policy in policies(scaling)] == ["endpoint/e/variant/A"]
    refused("ResourceNotFoundException", scaling.list_tags_for_resource, ResourceARN=gone)
    refused(
        "ValidationException", scaling.register_scalable_target,
        **scaled("e-gone"), MinCapacity=1, MaxCapacity=2,
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while any(one["EndpointName"] == "e-gone" for one in sagemaker.list_endpoints()["Endpoints"]):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nothing_was_scaled(registered):
    assert registered.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"] == []


def test_tags(registered):
    arn = targets(registered)[0]["ScalableTargetARN"]
    registered.tag_resource(ResourceARN=arn, Tags={"a": "1", "b": "2"})
    registered.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert registered.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"b": "2"}
    many = {f"k{number}": "" for number in range(50)}
    refused("TooManyTagsException", registered.tag_resource, ResourceARN=arn, Tags=many)
    refused("ResourceNotFoundException", registered.tag_resource, ResourceARN=arn[:-1] + "x", Tags={"a": "b"})


# Policies


def put_policy(scaling, name="p", **members):
    request = {
        **scaled(), "PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": TRACKING,
        **members,
    }  # fmt: skip
    request = {name: value for name, value in request.items() if value is not None}
    return scaling.put_scaling_policy(PolicyName=name, **request)


def policies(scaling, **filters):
    return scaling.describe_scaling_policies(ServiceNamespace="sagemaker", **filters)["ScalingPolicies"]


def test_the_life_of_a_policy(registered):
    made = put_policy(registered)
    assert made["Alarms"] == []
    assert made["PolicyARN"].endswith(":resource/sagemaker/endpoint/e/variant/A:policyName/p")
    again = put_policy(
        registered, PolicyType=None, TargetTrackingScalingPolicyConfiguration={**TRACKING, "TargetValue": 5.0}
    )
    assert again["PolicyARN"] == made["PolicyARN"]
    steps = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [
            {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 5.0, "ScalingAdjustment": 1},
            {"MetricIntervalLowerBound": 5.0, "ScalingAdjustment": 2},
        ],
    }
    step = {"PolicyType": "StepScaling", "StepScalingPolicyConfiguration": steps}
    put_policy(registered, "steps", TargetTrackingScalingPolicyConfiguration=None, **step)
    first, second = policies(registered)
    assert first["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 5.0
    assert second["StepScalingPolicyConfiguration"] == steps
    assert [one["PolicyName"] for one in policies(registered, PolicyNames=["steps", "x"])] == ["steps"]
    registered.delete_scaling_policy(PolicyName="p", **scaled())
    assert [one["PolicyName"] for one in policies(registered)] == ["steps"]
    refused("ObjectNotFoundException", registered.delete_scaling_policy, PolicyName="p", **scaled())


def steps(*bounds):
    names = ("MetricIntervalLowerBound", "MetricIntervalUpperBound")
    return {
        "TargetTrackingScalingPolicyConfiguration": None,
        "PolicyType": "StepScaling",
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [
                {"ScalingAdjustment": 1, **{n: b for n, b in zip(names, pair, strict=True) if b is not None}}
                for pair in bounds
            ],
        },
    }


@pytest.mark.parametrize(
    "members",
    [
        {"PolicyType": None},
        {"PolicyType": "PredictiveScaling"},
        {"PolicyType": "StepScaling"},
        {"TargetTrackingScalingPolicyConfiguration": None},
        {"TargetTrackingScalingPolicyConfiguration": {"TargetValue": 1.0}},
        {"TargetTrackingScalingPolicyConfiguration": {**TRACKING, "TargetValue": 0.0}},
        {"TargetTrackingScalingPolicyConfiguration": {
            **TRACKING, "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
        }},
        {"PredictiveScalingPolicyConfiguration": {"MetricSpecifications": [{"TargetValue": 1.0}]}},
        steps(),
        steps((1.0, 1.0)),
        steps((0.0, 2.0), (1.0, None)),
        steps((0.0, 1.0), (2.0, None)),
    ],
)  # fmt: skip
def test_policies_that_cannot_be(registered, members):
    with pytest.raises(ClientError, match="ValidationException"):
        put_policy(registered, **members)
    assert policies(registered) == []


def test_a_policy_keeps_its_type_and_needs_a_target(registered):
    put_policy(registered)
    with pytest.raises(ClientError, match="keeps its type"):
        put_policy(registered, **steps((0.0, None)))
    with pytest.raises(ClientError, match="ObjectNotFoundException"):
        put_policy(registered, **scaled("e2"))


# Scheduled actions


def put_action(scaling, name="s", **members):
    request = {
        **scaled(), "Schedule": "cron(0 8 * * ? *)", "Timezone": "Europe/Berlin",
        "ScalableTargetAction": {"MinCapacity": 2, "MaxCapacity": 3}, **members,
    }  # fmt: skip
    request = {name: value for name, value in request.items() if value is not None}
    return scaling.put_scheduled_action(ScheduledActionName=name, **request)


def actions(scaling, **filters):
    return scaling.describe_scheduled_actions(ServiceNamespace="sagemaker", **filters)["ScheduledActions"]


def test_the_life_of_a_scheduled_action(registered):
    put_action(registered)
    put_action(registered, "once", Schedule="at(2030-01-01T00:00:00)", StartTime=1_800_000_000)
    put_action(registered, Schedule="rate(1 hour)", ScalableTargetAction=None, Timezone=None)
    once, first = actions(registered)
    assert (first["Schedule"], first["Timezone"]) == ("rate(1 hour)", "Europe/Berlin")
    assert first["ScalableTargetAction"] == {"MinCapacity": 2, "MaxCapacity": 3}
    assert once["StartTime"].timestamp() == 1_800_000_000
    assert [one["ScheduledActionName"] for one in actions(registered, ScheduledActionNames=["s"])] == ["s"]
    registered.delete_scheduled_action(ScheduledActionName="s", **scaled())
    assert len(actions(registered)) == 1
    refused(
        "ObjectNotFoundException", registered.delete_scheduled_action, ScheduledActionName="s", **scaled()
    )


@pytest.mark.parametrize(
    "members",
    [
        {"Schedule": None},
        {"Schedule": "tomorrow"},
        {"Timezone": "Atlantis/Capital"},
        {"ScalableTargetAction": None},
        {"ScalableTargetAction": {}},
        {"ScalableTargetAction": {"MinCapacity": 3, "MaxCapacity": 2}},
        {"StartTime": 1_800_000_000, "EndTime": 1_700_000_000},
    ],
)
def test_actions_that_cannot_be(registered, members):
    with pytest.raises(ClientError, match="ValidationException"):
        put_action(registered, **members)
    assert actions(registered) == []


def test_an_action_needs_a_target(registered):
    with pytest.raises(ClientError, match="ObjectNotFoundException"):
        put_action(registered, **scaled("e2"))
