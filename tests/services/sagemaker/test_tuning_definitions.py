"""What training jobs a definition makes."""

import pytest
from tests.services.sagemaker.tuning import REQUESTS, changed, several

from wildsage.services.sagemaker.tuning_definitions import definitions_of, training_request

DEFINITION = "TrainingJobDefinition"


def request_of(changes=None, point=None):
    (definition,) = definitions_of(changed(REQUESTS["curve"], changes or {}))
    return training_request(definition, "tune-001-x", point or {"x": "1"})


def test_all_that_both_know_is_handed_on():
    shared = {
        "EnableNetworkIsolation": True,
        "EnableManagedSpotTraining": True,
        "RetryStrategy": {"MaximumRetryAttempts": 3},
        "Environment": {"A": "b"},
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "StoppingCondition": {"MaxRuntimeInSeconds": 5, "MaxWaitTimeInSeconds": 9},
    }
    request = request_of({f"{DEFINITION}.{name}": value for name, value in shared.items()})
    assert {name: request[name] for name in shared} == shared
    assert request["HyperParameters"] == {"epochs": "3", "x": "1"}
    assert request["TrainingJobName"] == "tune-001-x"
    assert "StaticHyperParameters" not in request


@pytest.mark.parametrize("uri", ["s3://b/checkpoints", "s3://b/checkpoints/"])
def test_trials_have_checkpoints_of_their_own(uri):
    config = {"S3Uri": uri, "LocalPath": "/opt/ml/own"}
    request = request_of({f"{DEFINITION}.CheckpointConfig": config})
    assert request["CheckpointConfig"] == {
        "S3Uri": "s3://b/checkpoints/tune-001-x",
        "LocalPath": "/opt/ml/own",
    }


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (
            {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 3, "VolumeKmsKeyId": "key"},
            {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 3, "VolumeKmsKeyId": "key"},
        ),
        (
            {
                "InstanceConfigs": [
                    {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5},
                    {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 6},
                ]
            },
            {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5},
        ),
    ],
)
def test_of_instances_to_choose_from_the_first_is_taken(given, made):
    path = f"{DEFINITION}.HyperParameterTuningResourceConfig"
    assert request_of({f"{DEFINITION}.ResourceConfig": None, path: given})["ResourceConfig"] == made


def test_each_of_several_has_its_own():
    first, second = definitions_of(several(StaticHyperParameters={"epochs": "9"}))
    assert (first.name, second.name) == ("a", "b")
    assert (first.static, second.static) == ({"epochs": "9"}, {"epochs": "3"})
    assert [one.name for one in first.ranges] == ["x", "colour"]
    assert first.count is None
