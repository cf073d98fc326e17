"""What a ResourceConfig may ask for."""

import pytest

from wildsage.core.errors import ResourceLimitExceededError, ValidationError
from wildsage.services.sagemaker.training_instances import check_instances


def group(name, count=1):
    return {"InstanceGroupName": name, "InstanceType": "ml.m5.large", "InstanceCount": count}


def channel(name, *groups):
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://b/k", "InstanceGroupNames": list(groups)}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


ONE = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
TWO = {**ONE, "InstanceCount": 2}
GROUPS = {"InstanceGroups": [group("a", 2), group("b")]}


@pytest.mark.parametrize(
    ("config", "channels"),
    [
        (ONE, []),
        ({"InstanceType": "ml.m5.large"}, []),
        (TWO, [channel("train")]),
        (GROUPS, [channel("train")]),
        (GROUPS, [channel("train", "a"), channel("test", "a", "b")]),
        ({**ONE, "InstanceGroups": []}, []),
    ],
)
def test_a_cluster_of_one_type_or_of_groups_is_accepted(config, channels):
    check_instances({"ResourceConfig": config, "InputDataConfig": channels}, has_sandbox=True)


@pytest.mark.parametrize(
    ("config", "channels", "text"),
    [
        ({}, [], "needs InstanceType and InstanceCount, e.g. ml.m5.xlarge and 1, or InstanceGroups"),
        ({**ONE, "InstanceCount": 0}, [], "InstanceCount is 0"),
        ({**GROUPS, "InstanceCount": 1}, [], "^InstanceType or InstanceCount cannot be specified with InstanceGroups$"),
        ({**GROUPS, "InstanceType": "ml.m5.large"}, [], "cannot be specified with InstanceGroups"),
        ({"InstanceGroups": [group("a"), group("a")]}, [], "Duplicate instance group name: 'a'"),
        ({"InstanceGroups": [group("a", 0)]}, [], "InstanceCount of instance group 'a' is 0"),
        (
            GROUPS,
            [channel("x", "a"), channel("code"), channel("more")],
            r"^Some channels have assigned instance groups: \[x\] while others not: \[code, more\]$",
        ),
        (GROUPS, [channel("x", "c")], "Channel 'x' is for the instance group 'c', .* there is a, b"),
        (ONE, [channel("x", "a")], "there is none"),
    ],
)  # fmt: skip
def test_what_is_no_cluster_is_refused_by_name(config, channels, text):
    with pytest.raises(ValidationError, match=text):
        check_instances({"ResourceConfig": config, "InputDataConfig": channels}, has_sandbox=True)


def test_more_than_the_limit_are_refused_with_both_numbers():
    with pytest.raises(
        ResourceLimitExceededError, match="at most 100 instances here, and this one asks for 101"
    ):
        check_instances({"ResourceConfig": {**ONE, "InstanceCount": 101}}, has_sandbox=True)


def test_a_machine_without_a_sandbox_refuses_several_and_says_what_to_install():
    check_instances({"ResourceConfig": ONE}, has_sandbox=False)
    for config in (TWO, GROUPS):
        with pytest.raises(ValidationError, match=r"cannot find each other by name.*installing bubblewrap"):
            check_instances({"ResourceConfig": config}, has_sandbox=False)


def test_isolation_of_several_is_refused_where_an_engine_has_no_network_for_them():
    request = {"ResourceConfig": TWO, "EnableNetworkIsolation": True}
    check_instances(request, has_sandbox=True)
    check_instances(
        {"ResourceConfig": ONE, "EnableNetworkIsolation": True}, has_sandbox=True, engine="docker"
    )
    with pytest.raises(ValidationError, match=r"not possible for 2 instances with an image of docker"):
        check_instances(request, has_sandbox=True, engine="docker")
