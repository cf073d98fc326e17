import asyncio

import pytest

from wildsage.core.errors import ValidationError

ARN = "arn:aws:sagemaker:us-west-2:123456789012:model/"


def test_describe_shows_what_was_given_and_nothing_else(hosting):
    container = {**hosting.container, "Environment": {"A": "1"}}
    created = hosting.call(
        "CreateModel",
        ModelName="Mine",
        PrimaryContainer=container,
        ExecutionRoleArn=hosting.role,
        Tags=[{"Key": "team", "Value": "a"}],
    )
    assert created == {"ModelArn": ARN + "mine"}
    assert hosting.call("DescribeModel", ModelName="Mine") == {
        "ModelName": "Mine",
        "ModelArn": ARN + "mine",
        "CreationTime": hosting.context.clock.now(),
        "PrimaryContainer": container,
        "ExecutionRoleArn": hosting.role,
        "EnableNetworkIsolation": False,
    }


def test_a_name_is_taken_also_in_another_case(hosting):
    hosting.model("Mine")
    for name in ("Mine", "mine"):
        with pytest.raises(ValidationError, match=f'Cannot create already existing model "{ARN}mine".'):
            hosting.model(name)


def test_of_many_identical_creates_one_succeeds(hosting):
    async def race():
        request = {"PrimaryContainer": hosting.container, "ExecutionRoleArn": hosting.role}
        calls = [hosting.handle("CreateModel", ModelName="one", **request) for _ in range(200)]
        return await asyncio.gather(*calls, return_exceptions=True)

    results = asyncio.run(race())
    assert sum(isinstance(result, dict) for result in results) == 1
    assert sum(isinstance(result, ValidationError) for result in results) == 199


def test_what_is_not_there_could_not_be_found(hosting):
    for operation in ("DescribeModel", "DeleteModel"):
        with pytest.raises(ValidationError, match=f'Could not find model "{ARN}none".'):
            hosting.call(operation, ModelName="None")


def test_a_deleted_model_is_gone_with_its_tags(hosting):
    hosting.model("one", Tags=[{"Key": "a", "Value": "b"}])
    hosting.call("DeleteModel", ModelName="one")
    assert hosting.call("ListModels") == {"Models": []}
    hosting.model("one", Tags=[{"Key": "a", "Value": "b"}])


def test_models_are_listed_in_pages(hosting):
    for number in range(5):
        hosting.context.clock.time += 1
        hosting.model(f"m-{number}")
    first = hosting.call("ListModels", MaxResults=3)
    rest = hosting.call("ListModels", MaxResults=3, NextToken=first["NextToken"])
    names = [model["ModelName"] for model in first["Models"] + rest["Models"]]
    assert names == ["m-4", "m-3", "m-2", "m-1", "m-0"]
    assert "NextToken" not in rest
    assert set(first["Models"][0]) == {"ModelName", "ModelArn", "CreationTime"}


@pytest.mark.parametrize(
    "url",
    [
        "s3://models/m/model.tar.gz",
        "https://models.s3.us-west-2.amazonaws.com/m/model.tar.gz",
        "https://models.s3-us-west-2.amazonaws.com/m/model.tar.gz",
        "https://models.s3.amazonaws.com/m/model.tar.gz",
        "https://s3.us-west-2.amazonaws.com/models/m/model.tar.gz",
        "https://s3-us-west-2.amazonaws.com/models/m/model.tar.gz",
        "https://s3.amazonaws.com/models/m/model.tar.gz",
    ],
)
def test_every_form_of_a_location_is_understood(hosting, url):
    hosting.model("one", PrimaryContainer={"Image": hosting.image, "ModelDataUrl": url})


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ({"S3Uri": "s3://models/plain/", "S3DataType": "S3Prefix"}, True),
        ({"S3Uri": "s3://models/plain", "S3DataType": "S3Prefix"}, True),
        ({"S3Uri": "s3://models/pla", "S3DataType": "S3Prefix"}, False),
        ({"S3Uri": "s3://models/m/model.tar.gz", "S3DataType": "S3Object"}, True),
        ({"S3Uri": "s3://models/m/model", "S3DataType": "S3Object"}, False),
        ({"S3Uri": "s3://nobody/m", "S3DataType": "S3Prefix"}, False),
    ],
)
def test_a_data_source_must_hold_something(hosting, source, found):
    container = {
        "Image": hosting.image,
        "ModelDataSource": {"S3DataSource": {"CompressionType": "None", **source}},
    }
    if found:
        hosting.model("one", PrimaryContainer=container)
    else:
        with pytest.raises(ValidationError, match=f"Could not find model data at {source['S3Uri']}."):
            hosting.model("one", PrimaryContainer=container)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"PrimaryContainer": None}, "needs a container"),
        ({"PrimaryContainer": None, "Containers": []}, "needs a container"),
        ({"Containers": [{"Image": "server:1"}]}, "Both PrimaryContainer and Containers"),
        ({"PrimaryContainer": {"ModelDataUrl": "s3://models/m/model.tar.gz"}}, "needs Image"),
        ({"PrimaryContainer": {"Image": "nothing:1"}}, "nothing:1 does not exist"),
        ({"PrimaryContainer": {"Image": "trainer:1"}}, "no executable `serve`"),
        (
            {"PrimaryContainer": {"Image": "server:1", "ModelDataUrl": "s3://models/none.tar.gz"}},
            "Could not find model data at s3://models/none.tar.gz.",
        ),
        (
            {"PrimaryContainer": {"Image": "server:1", "ModelDataUrl": "https://example.com/model.tar.gz"}},
            "is no S3 location",
        ),
        (
            {
                "PrimaryContainer": None,
                "Containers": [{"Image": "server:1", "ContainerHostname": "a"}] * 2,
            },
            "Duplicate ContainerHostname: 'a'",
        ),
        ({"ExecutionRoleArn": "arn:aws:iam::123456789012:role/Nobody"}, "Could not assume role"),
        (
            {"Tags": [{"Key": "aws:x", "Value": ""}]},
            "reserved for system use",
        ),
    ],
)
def test_a_model_that_cannot_be_is_refused_and_nothing_is_stored(hosting, members, said):
    with pytest.raises(ValidationError, match=said):
        hosting.model("bad", **members)
    assert hosting.call("ListModels") == {"Models": []}


def test_the_model_is_looked_for_as_its_role(hosting):
    hosting.model("one")
    hosting.model("two", ExecutionRoleArn=None)
    assert hosting.seen_as == [hosting.role, None]
    hosting.index.denied = "User: R is not authorized to perform: s3:GetObject"
    with pytest.raises(ValidationError) as caught:
        hosting.model("three")
    assert caught.value.message.startswith(
        f'Could not access model data at {hosting.container["ModelDataUrl"]}. Please ensure that the role "{hosting.role}"'
    )
    assert caught.value.message.endswith("(User: R is not authorized to perform: s3:GetObject)")


def test_isolation_is_refused_where_the_machine_has_none(hosting):
    hosting.can_isolate = False
    hosting.wire()
    with pytest.raises(ValidationError, match="EnableNetworkIsolation is not possible on this machine"):
        hosting.model("one", EnableNetworkIsolation=True)
    hosting.model("one", EnableNetworkIsolation=False)


def test_pipelines_are_stored(hosting):
    containers = [{"Image": "server:1", "ContainerHostname": name} for name in ("a", "b")]
    hosting.model("chain", PrimaryContainer=None, Containers=containers)
    assert hosting.call("DescribeModel", ModelName="chain")["Containers"] == containers
