"""The server is killed while endpoints come, serve and go: no worker is lost, none is left over."""

import random
import time

import pytest
from botocore.exceptions import ClientError
from tests.faults.platform import connection_lost, let_pass, until

SEEDS = [0, *[pytest.param(seed, marks=pytest.mark.faults) for seed in range(1, 30)]]


def _tried(call):
    """Call, whether or not the server lives to answer; what was done already is fine."""
    try:
        call()
    except connection_lost():
        return False
    except ClientError as error:
        if not any(text in str(error) for text in ("already exist", "Cannot create", "Could not find")):
            raise
    return True


def test_the_same_worker_answers_within_two_seconds_of_the_servers_return(platform):
    platform.make_endpoint_parts()
    platform.client("sagemaker").create_endpoint(EndpointName="endpoint", EndpointConfigName="config")
    until(lambda: platform.endpoint_status() == "InService")
    life = platform.invoke()
    supervisors = platform.supervisors()
    returned = platform.restart()
    assert platform.invoke() == life
    assert time.monotonic() - returned < 2
    assert platform.supervisors() == supervisors
    platform.client("sagemaker").delete_endpoint(EndpointName="endpoint")
    until(lambda: not platform.endpoint_status())
    platform.assert_nothing_left()


@pytest.mark.parametrize("seed", SEEDS)
def test_creation_interrupted_at_random(platform, seed):
    chance = random.Random(seed)
    platform.make_endpoint_parts(count=2)

    def create():
        platform.client("sagemaker").create_endpoint(EndpointName="endpoint", EndpointConfigName="config")

    assert _tried(create)
    for _ in range(2):
        let_pass(chance.uniform(0, 0.4))
        platform.restart()
    until(lambda: platform.endpoint_status() == "InService")
    described = platform.client("sagemaker").describe_endpoint(EndpointName="endpoint")
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert platform.invoke()
    assert len(platform.supervisors()) == 2
    assert len(list(platform.layout.runs.iterdir())) == 2


@pytest.mark.parametrize("seed", SEEDS)
def test_deletion_interrupted_at_random(platform, seed):
    chance = random.Random(seed)
    platform.make_endpoint_parts(count=2)
    platform.client("sagemaker").create_endpoint(EndpointName="endpoint", EndpointConfigName="config")
    if seed % 2:  # else it is deleted while it comes up
        until(lambda: platform.endpoint_status() == "InService")
    else:
        until(platform.supervisors)
    platform.client("sagemaker").delete_endpoint(EndpointName="endpoint")
    for _ in range(1 + seed % 3):
        let_pass(chance.uniform(0, 0.3))
        platform.restart()
    until(lambda: not platform.endpoint_status())
    platform.assert_nothing_left()
