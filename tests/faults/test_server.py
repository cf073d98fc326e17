"""Two servers where one may be; 200 clients that want the same name."""

import asyncio
import contextlib
import re
import resource
import socket
from collections import Counter

import pytest
from tests.faults.platform import ACCOUNT, ROLE, until
from tests.faults.wire import burst, signed


def test_a_second_server_on_the_same_directory_refuses_and_names_the_first(platform):
    refused = platform.command("up", "--port", "0")
    assert refused.returncode == 1
    assert f"process {platform.process.pid}" in refused.stderr
    assert str(platform.layout.root) in refused.stderr
    assert platform.answers()
    platform.restart()  # a killed server leaves its name in the lock file, and no lock


def test_a_port_that_is_taken_is_named(cold_platform):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = cold_platform.command("up", "--port", str(port))
    assert refused.returncode == 1
    assert f"port {port}" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not cold_platform.layout.settings.exists()


CREATES = {
    "CreateTrainingJob": (lambda platform: platform.job_request("same"), "ResourceInUse"),
    "CreateModel": (
        lambda _: {"ModelName": "same", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": "fault:1"}},
        "ValidationException",  # AWS: Cannot create already existing model
    ),
    "CreateEndpoint": (
        lambda _: {"EndpointName": "same", "EndpointConfigName": "config"},
        "ValidationException",  # AWS: Cannot create already existing endpoint
    ),
}


@pytest.mark.parametrize("operation", CREATES)
def test_of_200_identical_creates_one_succeeds(lasting_platform, operation):
    platform = lasting_platform
    request, code = CREATES[operation]
    message = signed(platform, "sagemaker", operation, request(platform))
    replies = asyncio.run(burst(platform.url, [message] * 200))
    assert Counter(status for status, _ in replies) == {200: 1, 400: 199}
    for status, body in replies:
        assert status == 200 or code in body
    lists = {
        "CreateTrainingJob": ("list_training_jobs", "TrainingJobSummaries"),
        "CreateModel": ("list_models", "Models"),
        "CreateEndpoint": ("list_endpoints", "Endpoints"),
    }
    function, member = lists[operation]
    found = getattr(platform.client("sagemaker"), function)(NameContains="same")[member]
    assert len(found) == 1
    if operation == "CreateTrainingJob":
        assert platform.ended("same")["TrainingJobStatus"] == "Completed"
        assert sum(line.startswith("begin") for line in platform.log("same")) == 1
    if operation == "CreateEndpoint":
        until(lambda: platform.endpoint_status("same") == "InService")
        assert len(platform.supervisors()) == 1


def test_of_200_identical_buckets_one_is_made(lasting_platform):
    platform = lasting_platform
    body = (
        '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        "<LocationConstraint>us-west-2</LocationConstraint></CreateBucketConfiguration>"
    )
    message = signed(platform, "s3", "PUT /same", body)
    replies = asyncio.run(burst(platform.url, [message] * 200))
    assert Counter(status for status, _ in replies) == {200: 1, 409: 199}
    codes = {re.search("<Code>(.*)</Code>", body)[1] for status, body in replies if status == 409}
    assert codes == {"BucketAlreadyOwnedByYou"}
    names = [bucket["Name"] for bucket in platform.client("s3").list_buckets()["Buckets"]]
    assert names.count("same") == 1
    assert ACCOUNT in platform.client("sts").get_caller_identity()["Arn"]


def test_idle_connections_do_not_use_up_the_servers_files(cold_platform):
    """Many systems let a process open 1024 files unless it asks for more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
        cold_platform.launch()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    until(cold_platform.answers)
    address = ("127.0.0.1", int(cold_platform.url.rpartition(":")[2]))
    with contextlib.ExitStack() as idle:
        for _ in range(500):
            idle.enter_context(socket.create_connection(address))
        assert cold_platform.client("sts").get_caller_identity()["Account"] == ACCOUNT
        assert cold_platform.client("sagemaker").list_models()["Models"] == []
