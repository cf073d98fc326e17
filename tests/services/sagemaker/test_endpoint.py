import asyncio

import pytest

from wildsage.core.errors import ValidationError
from wildsage.services.sagemaker.common import key_of
from wildsage.serving.deployments import Deployments
from wildsage.store.resources import Resources

ARN = "arn:aws:sagemaker:us-west-2:123456789012:endpoint/"


@pytest.fixture
def ready(hosting):
    hosting.model()
    hosting.config()
    return hosting


def create(hosting, name="live", config="config", **members):
    return hosting.call("CreateEndpoint", EndpointName=name, EndpointConfigName=config, **members)


def move(hosting, to, name="live"):
    """Do what the serving machinery does."""
    key = key_of(hosting.context, "endpoint", name)
    at = hosting.context.clock.now()
    hosting.resources.database.write_blocking(lambda t: Resources.transition(t, key, to=to, at=at))


def deployments(hosting, name="live"):
    return Deployments(hosting.resources.database).of(key_of(hosting.context, "endpoint", name))


def describe(hosting, name="live"):
    return hosting.call("DescribeEndpoint", EndpointName=name)


def test_a_new_endpoint_is_creating_and_written_down(ready):
    assert create(ready, "Live") == {"EndpointArn": ARN + "live"}
    shown = describe(ready, "Live")
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("Creating", "config")
    (variant,) = shown["ProductionVariants"]
    assert variant["VariantName"] == "AllTraffic"
    assert variant["DeployedImages"][0]["SpecifiedImage"] == ready.image
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (0, 1)
    assert "FailureReason" not in shown
    (deployment,) = deployments(ready, "Live")
    (plan,) = deployment.variants
    assert plan.container == ready.container
    assert (plan.role_arn, plan.count, plan.isolated) == (ready.role, 1, False)


def test_of_200_identical_creates_exactly_one_succeeds(ready):
    async def race():
        calls = [
            ready.handle("CreateEndpoint", EndpointName="one", EndpointConfigName="config")
            for _ in range(200)
        ]
        return await asyncio.gather(*calls, return_exceptions=True)

    results = asyncio.run(race())
    assert sum(isinstance(result, dict) for result in results) == 1
    errors = {str(result) for result in results if not isinstance(result, dict)}
    assert errors == {f'Cannot create already existing endpoint "{ARN}one".'}
    assert len(deployments(ready, "one")) == 1


def test_what_is_not_there_could_not_be_found(ready):
    for operation, members in (
        ("DescribeEndpoint", {}),
        ("DeleteEndpoint", {}),
        ("UpdateEndpoint", {"EndpointConfigName": "config"}),
        ("UpdateEndpointWeightsAndCapacities", {"DesiredWeightsAndCapacities": []}),
    ):
        with pytest.raises(ValidationError, match=f'Could not find endpoint "{ARN}none".'):
            ready.call(operation, EndpointName="none", **members)
    with pytest.raises(ValidationError, match=r'Could not find endpoint configuration "arn:.*/none"\.'):
        create(ready, config="none")


@pytest.mark.parametrize(
    ("variant", "members", "said"),
    [
        ({"RoutingConfig": {"RoutingStrategy": "KV_AWARE"}}, {}, "RoutingStrategy KV_AWARE"),
        ({"ManagedInstanceScaling": {"Status": "ENABLED"}}, {}, "ManagedInstanceScaling"),
        ({}, {"AsyncInferenceConfig": {"OutputConfig": {}}}, "AsyncInferenceConfig"),
        ({}, {"DataCaptureConfig": {"InitialSamplingPercentage": 9}}, "DataCaptureConfig with EnableCapture"),
        ({}, {"ExplainerConfig": {}}, "ExplainerConfig"),
    ],
)
def test_what_cannot_run_yet_is_refused_by_its_name(hosting, variant, members, said):
    hosting.model()
    hosting.config(variant=variant, **members)
    with pytest.raises(ValidationError, match=f"{said} of .* cannot run yet"):
        create(hosting)
    assert hosting.call("ListEndpoints") == {"Endpoints": []}


def test_several_variants_and_containers_cannot_run_yet(hosting):
    hosting.model()
    hosting.config("two", ProductionVariants=[hosting.variant, {**hosting.variant, "VariantName": "b"}])
    with pytest.raises(ValidationError, match="More than one production variant"):
        create(hosting, config="two")
    hosting.model("chain", PrimaryContainer=None, Containers=[hosting.container] * 2)
    hosting.config("chain", variant={"ModelName": "chain"})
    with pytest.raises(ValidationError, match="More than one container of model 'chain'"):
        create(hosting, config="chain")
    hosting.model(
        "many",
        PrimaryContainer={**hosting.container, "ModelDataUrl": "s3://models/plain", "Mode": "MultiModel"},
    )
    hosting.config("many", variant={"ModelName": "many"})
    with pytest.raises(ValidationError, match="Mode MultiModel"):
        create(hosting, config="many")


def test_capture_that_is_switched_off_is_no_obstacle(hosting):
    hosting.model()
    hosting.config(DataCaptureConfig={"EnableCapture": False, "InitialSamplingPercentage": 1})
    create(hosting)


def test_the_data_and_the_role_must_be_there(ready):
    ready.model("roleless", ExecutionRoleArn=None)
    ready.config("roleless", variant={"ModelName": "roleless"})
    with pytest.raises(ValidationError, match="has an ExecutionRoleArn"):
        create(ready, config="roleless")
    ready.index.keys.clear()
    with pytest.raises(ValidationError, match=r"Could not find model data at s3://models/m/model\.tar\.gz\."):
        create(ready)


def test_a_deleted_model_or_configuration_stops_new_endpoints_only(ready):
    create(ready)
    ready.call("DeleteModel", ModelName="model")
    with pytest.raises(ValidationError, match="Could not find model "):
        create(ready, "other")
    ready.call("DeleteEndpointConfig", EndpointConfigName="config")
    assert describe(ready)["EndpointConfigName"] == "config"


def test_an_update_waits_beside_what_is_in_service(ready):
    create(ready)
    ready.config("next", variant={"InitialInstanceCount": 3, "InitialVariantWeight": 2.0})
    with pytest.raises(ValidationError, match=f'Cannot update in-progress endpoint "{ARN}live".'):
        ready.call("UpdateEndpoint", EndpointName="live", EndpointConfigName="next")
    move(ready, "InService")
    ready.call("UpdateEndpoint", EndpointName="live", EndpointConfigName="next")
    shown = describe(ready)
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("Updating", "config")
    assert shown["PendingDeploymentSummary"]["EndpointConfigName"] == "next"
    assert [item.generation for item in deployments(ready)] == [1, 2]
    assert deployments(ready)[1].variants[0].count == 3


def test_an_update_can_keep_size_and_weight(ready):
    create(ready)
    move(ready, "InService")
    ready.config("next", variant={"InitialInstanceCount": 3, "InitialVariantWeight": 2.0})
    ready.call(
        "UpdateEndpoint",
        EndpointName="live",
        EndpointConfigName="next",
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
    )
    (plan,) = deployments(ready)[1].variants
    assert (plan.count, plan.weight) == (1, 2.0)


def test_an_update_of_a_failed_endpoint_starts_afresh(ready):
    create(ready)
    move(ready, "Failed")
    ready.call("UpdateEndpoint", EndpointName="live", EndpointConfigName="config")
    assert [item.generation for item in deployments(ready)] == [2]
    assert "PendingDeploymentSummary" not in describe(ready)


def test_traffic_that_shifts_step_by_step_is_refused(ready):
    routing = {"TrafficRoutingConfiguration": {"Type": "LINEAR", "WaitIntervalInSeconds": 1}}
    with pytest.raises(ValidationError, match="Type LINEAR is not implemented yet"):
        create(ready, DeploymentConfig={"BlueGreenUpdatePolicy": routing})
    routing["TrafficRoutingConfiguration"]["Type"] = "ALL_AT_ONCE"
    create(ready, DeploymentConfig={"BlueGreenUpdatePolicy": routing})
    assert describe(ready)["LastDeploymentConfig"] == {"BlueGreenUpdatePolicy": routing}


def test_size_and_weight_of_a_variant_change(ready):
    create(ready)
    move(ready, "InService")
    wanted = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 4, "DesiredWeight": 0.5}]
    ready.call("UpdateEndpointWeightsAndCapacities", EndpointName="live", DesiredWeightsAndCapacities=wanted)
    (plan,) = deployments(ready)[0].variants
    assert (plan.count, plan.weight) == (4, 0.5)
    (variant,) = describe(ready)["ProductionVariants"]
    assert (variant["DesiredInstanceCount"], variant["DesiredWeight"]) == (4, 0.5)
    assert describe(ready)["EndpointStatus"] == "Updating"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"VariantName": "Other", "DesiredInstanceCount": 1}, "Could not find variant 'Other'"),
        ({"VariantName": "AllTraffic", "DesiredInstanceCount": 0}, "at least 1 instance"),
    ],
)
def test_a_size_that_cannot_be_is_refused(ready, wanted, said):
    create(ready)
    move(ready, "InService")
    with pytest.raises(ValidationError, match=said):
        ready.call(
            "UpdateEndpointWeightsAndCapacities", EndpointName="live", DesiredWeightsAndCapacities=[wanted]
        )
    assert describe(ready)["EndpointStatus"] == "InService"


def test_delete_may_be_repeated_and_lists_filter_by_status(ready):
    create(ready, "one")
    create(ready, "two")
    for _ in range(2):
        assert ready.call("DeleteEndpoint", EndpointName="one") == {}
    (deleting,) = ready.call("ListEndpoints", StatusEquals="Deleting")["Endpoints"]
    assert deleting["EndpointName"] == "one"
    assert set(deleting) == {
        "EndpointName",
        "EndpointArn",
        "CreationTime",
        "LastModifiedTime",
        "EndpointStatus",
    }
    with pytest.raises(ValidationError, match="in-progress"):
        ready.call("UpdateEndpoint", EndpointName="one", EndpointConfigName="config")
