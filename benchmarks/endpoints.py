"""From CreateEndpoint to InService, and what the way through the server adds to an invocation."""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.load import send_endlessly
from benchmarks.report import Reading
from benchmarks.server import CONTAINERS, Server, wait
from benchmarks.wire import Request, address_of

CALLS = 200
PAYLOAD = b"5.1,3.5,1.4,0.2\n" * 8
HEADERS = {"Content-Type": "text/csv"}


def run(rounds: int) -> Iterator[Reading]:
    with Server() as server:
        sagemaker, runtime = server.client("sagemaker"), server.client("sagemaker-runtime")
        server.add_image("echo", str(CONTAINERS / "echo"))
        sagemaker.create_model(
            ModelName="echo", PrimaryContainer={"Image": "echo"}, ExecutionRoleArn=server.role()
        )
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": "echo",
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.large",
        }
        sagemaker.create_endpoint_config(EndpointConfigName="echo", ProductionVariants=[variant])
        in_service, direct, through, boto3 = [], [], [], []
        for number in range(rounds):
            name = f"echo-{number}"
            in_service.append(deploy(sagemaker, name))
            request = invocation(server, name)
            worker = send_endlessly(one_socket(server.data_dir), Request("/invocations", PAYLOAD, HEADERS))
            direct += [1000 * seconds for seconds in islice(worker, CALLS)]
            answers = send_endlessly(address_of(server.url), request)
            through += [1000 * seconds for seconds in islice(answers, CALLS)]
            boto3 += milliseconds(by_boto3, runtime, name)
            sagemaker.delete_endpoint(EndpointName=name)
            while sagemaker.list_endpoints()["Endpoints"]:
                time.sleep(0.02)
    yield Reading("CreateEndpoint → InService, one worker", tuple(in_service), target="≤ 2")
    yield Reading("peer: the worker called directly", tuple(direct), "ms")
    yield Reading("InvokeEndpoint, signed beforehand", tuple(through), "ms")
    yield Reading("InvokeEndpoint by boto3", tuple(boto3), "ms")


def deploy(sagemaker: Any, name: str) -> float:
    began = time.perf_counter()
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName="echo")
    answer = wait(sagemaker.describe_endpoint, "EndpointStatus", ("Creating",), EndpointName=name)
    if answer["EndpointStatus"] != "InService":
        raise RuntimeError(answer["FailureReason"])
    return time.perf_counter() - began


def one_socket(data_dir: Path) -> Path:
    """Return the socket of the one worker there is."""
    [path] = data_dir.glob("runs/*/run/serve.sock")
    return path


def invocation(server: Server, endpoint: str) -> Request:
    url = f"{server.url}/endpoints/{endpoint}/invocations"
    return Request(url, PAYLOAD, HEADERS).signed("sagemaker", server.keys)


def by_boto3(runtime: Any, endpoint: str) -> None:
    runtime.invoke_endpoint(EndpointName=endpoint, ContentType="text/csv", Body=PAYLOAD)["Body"].read()


def milliseconds(work: Callable[..., None], *arguments: object) -> list[float]:
    """Return the wall time of each of many calls."""
    times = []
    for _ in range(CALLS):
        began = time.perf_counter()
        work(*arguments)
        times.append(1000 * (time.perf_counter() - began))
    return times
