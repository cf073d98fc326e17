"""The tables of members, and every implemented operation held against the model."""

import importlib
import inspect
import pkgutil

import pytest
from tests.cases import check_each

import wildsage.services
from wildsage.aws.model import Catalogue
from wildsage.core.errors import ValidationError
from wildsage.services import members

catalogue = Catalogue()


def implemented():
    """Find every method marked with `operation` in the packages below ``services/``."""
    found = set()
    for package in pkgutil.walk_packages(wildsage.services.__path__, "wildsage.services."):
        if package.ispkg:
            continue
        service = package.name.split(".")[2].replace("_", "-")
        module = importlib.import_module(package.name)
        for _, resource in inspect.getmembers(module, inspect.isclass):
            for _, method in inspect.getmembers(resource, inspect.isfunction):
                if "operation" in vars(method) and method.__module__ == package.name:
                    found.add((service, vars(method)["operation"]))
    return sorted(found)


def described():
    return [(service, operation) for service in members.services() for operation in members.tables(service)]


def test_every_member_of_an_implemented_operation_has_its_line():
    check_each(check_covered, implemented())


def check_covered(service, operation):
    found = catalogue.service(service).operation(operation)

    assert found is not None, f"{service} has no operation {operation}"
    assert members.uncovered(service, operation, found.input) == []


def test_every_line_names_a_member_of_the_model():
    check_each(check_fresh, described())


def check_fresh(service, operation):
    found = catalogue.service(service).operation(operation)

    assert found is not None, f"{service} has no operation {operation}"
    assert members.stale(service, operation, found.input) == []


def table(**groups):
    return members.make_table("a test", groups)


@pytest.fixture
def training(monkeypatch):
    """Replace the tables by one whose rules the tests know."""

    def use(**groups):
        monkeypatch.setattr(members, "tables", lambda service: {"CreateTrainingJob": table(**groups)})
        return catalogue.service("sagemaker").operation("CreateTrainingJob").input

    return use


def test_a_refused_member_is_named_with_its_value_and_advice(training):
    training(refused={"VpcConfig.Subnets": "leave it out"})

    with pytest.raises(
        ValidationError, match=r"VpcConfig\.Subnets = \['s-1'\] is not supported.*leave it out"
    ):
        members.refuse("sagemaker", "CreateTrainingJob", {"VpcConfig": {"Subnets": ["s-1"]}})


def test_a_refused_member_inside_a_list_is_found(training):
    training(refused={"InputDataConfig[].ShuffleConfig": "shuffle in the script"})
    request = {"InputDataConfig": [{"ChannelName": "a"}, {"ShuffleConfig": {"Seed": 1}}]}

    with pytest.raises(ValidationError, match="ShuffleConfig"):
        members.refuse("sagemaker", "CreateTrainingJob", request)


@pytest.mark.parametrize("value", [False, "", [], {}])
def test_a_value_that_asks_for_nothing_is_not_refused(training, value):
    training(refused={"EnableNetworkIsolation": "leave it out"})

    members.refuse("sagemaker", "CreateTrainingJob", {"EnableNetworkIsolation": value})


def test_zero_is_a_value(training):
    training(refused={"RetryStrategy.MaximumRetryAttempts": "leave it out"})

    with pytest.raises(ValidationError, match="MaximumRetryAttempts = 0"):
        members.refuse("sagemaker", "CreateTrainingJob", {"RetryStrategy": {"MaximumRetryAttempts": 0}})


def test_a_parent_covers_its_children(training):
    shape = training(honoured=["ResourceConfig"])

    missing = members.uncovered("sagemaker", "CreateTrainingJob", shape)

    assert not [path for path in missing if path.startswith("ResourceConfig")]
    assert "TrainingJobName" in missing


def test_children_without_their_parent_must_be_complete(training):
    shape = training(honoured=["StoppingCondition.MaxRuntimeInSeconds", "InputDataConfig[].ChannelName"])

    missing = members.uncovered("sagemaker", "CreateTrainingJob", shape)

    assert "StoppingCondition.MaxWaitTimeInSeconds" in missing
    assert "StoppingCondition.MaxRuntimeInSeconds" not in missing
    assert "InputDataConfig[].ShuffleConfig.Seed" in missing
    assert "InputDataConfig[].ChannelName" not in missing


def test_a_structure_that_contains_itself_ends():
    shape = catalogue.service("sagemaker").operation("Search").input

    assert members.uncovered("sagemaker", "NoSuchOperation", shape)


def test_lines_that_the_model_does_not_have_are_found(training):
    shape = training(
        honoured=["TrainingJobName", "TrainingJobName[]", "Nothing", "InputDataConfig[].Nothing"]
    )

    assert members.stale("sagemaker", "CreateTrainingJob", shape) == [
        "InputDataConfig[].Nothing",
        "Nothing",
        "TrainingJobName[]",
    ]


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"honoured": ["A"], "refused": {"A": "why"}}, "twice"),
        ({"recorded": {"A": ""}}, "without a reason"),
        ({"honored": ["A"]}, "none of honoured"),
    ],
)
def test_a_contradictory_table_is_an_error(groups, said):
    with pytest.raises(ValueError, match=said):
        table(**groups)
