import pytest

from wildsage.core.errors import ValidationError

ARN = "arn:aws:sagemaker:us-west-2:123456789012:endpoint-config/"


def test_describe_shows_what_was_given_and_the_default_weight(hosting):
    hosting.model()
    hosting.config("Mine", KmsKeyId="key")
    assert hosting.call("DescribeEndpointConfig", EndpointConfigName="Mine") == {
        "EndpointConfigName": "Mine",
        "EndpointConfigArn": ARN + "mine",
        "CreationTime": hosting.context.clock.now(),
        "ProductionVariants": [{**hosting.variant, "InitialVariantWeight": 1.0}],
        "KmsKeyId": "key",
        "EnableNetworkIsolation": False,
    }


def test_a_name_is_taken(hosting):
    hosting.model()
    hosting.config()
    with pytest.raises(
        ValidationError, match=f'Cannot create already existing endpoint configuration "{ARN}config".'
    ):
        hosting.config()


def test_what_is_not_there_could_not_be_found(hosting):
    for operation in ("DescribeEndpointConfig", "DeleteEndpointConfig"):
        with pytest.raises(ValidationError, match=f'Could not find endpoint configuration "{ARN}none".'):
            hosting.call(operation, EndpointConfigName="none")


def test_delete_and_list(hosting):
    hosting.model()
    hosting.config("one")
    hosting.config("two")
    hosting.call("DeleteEndpointConfig", EndpointConfigName="one")
    (only,) = hosting.call("ListEndpointConfigs")["EndpointConfigs"]
    assert only["EndpointConfigName"] == "two"
    assert set(only) == {"EndpointConfigName", "EndpointConfigArn", "CreationTime"}


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        (
            {"ModelName": "none"},
            'Could not find model "arn:aws:sagemaker:us-west-2:123456789012:model/none".',
        ),
        ({"InstanceType": "ml.huge.xlarge"}, "'ml.huge.xlarge' is no instance type"),
        (
            {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}},
            "both ServerlessConfig and InstanceType",
        ),
    ],
)
def test_a_variant_that_cannot_be_is_refused(hosting, variant, said):
    hosting.model()
    with pytest.raises(ValidationError, match=said):
        hosting.config(variant=variant)
    assert hosting.call("ListEndpointConfigs") == {"EndpointConfigs": []}


@pytest.mark.parametrize("missing", ["InstanceType", "InitialInstanceCount"])
def test_a_variant_needs_instances(hosting, missing):
    hosting.model()
    variant = {name: value for name, value in hosting.variant.items() if name != missing}
    with pytest.raises(ValidationError, match=f"'AllTraffic' needs {missing}"):
        hosting.config(ProductionVariants=[variant])


def test_variants_have_names_of_their_own(hosting):
    hosting.model()
    with pytest.raises(ValidationError, match="Duplicate variant name: 'AllTraffic'"):
        hosting.config(ProductionVariants=[hosting.variant] * 2)


def test_what_cannot_run_yet_is_stored(hosting):
    hosting.model()
    serverless = {
        "VariantName": "a",
        "ModelName": "model",
        "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 5},
    }
    hosting.config("serverless", ProductionVariants=[serverless])
    (shown,) = hosting.call("DescribeEndpointConfig", EndpointConfigName="serverless")["ProductionVariants"]
    assert shown["ServerlessConfig"] == serverless["ServerlessConfig"]
