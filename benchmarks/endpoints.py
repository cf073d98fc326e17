"""From CreateEndpoint to InService, and what the way through the server adds to an invocation."""

import http.client
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.report import Reading
from benchmarks.server import CONTAINERS, Server, wait

CALLS = 200
PAYLOAD = b"5.1,3.5,1.4,0.2\n" * 8


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
        in_service, direct, through = [], [], []
        for number in range(rounds):
            name = f"echo-{number}"
            in_service.append(deploy(sagemaker, name))
            worker = UnixConnection(one_socket(server.data_dir))
            direct += [milliseconds(lambda worker=worker: call_worker(worker)) for _ in range(CALLS)]
            through += [milliseconds(lambda name=name: invoke(runtime, name)) for _ in range(CALLS)]
            worker.close()
            sagemaker.delete_endpoint(EndpointName=name)
            while sagemaker.list_endpoints()["Endpoints"]:
                time.sleep(0.02)
    yield Reading("CreateEndpoint → InService, one worker", tuple(in_service), target="≤ 2")
    yield Reading("peer: the worker called directly", tuple(direct), "ms")
    yield Reading("InvokeEndpoint by boto3", tuple(through), "ms")


def deploy(sagemaker: Any, name: str) -> float:
    began = time.perf_counter()
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName="echo")
    answer = wait(sagemaker.describe_endpoint, "EndpointStatus", ("Creating",), EndpointName=name)
    if answer["EndpointStatus"] != "InService":
        raise RuntimeError(answer["FailureReason"])
    return time.perf_counter() - began


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the socket of a worker."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


def one_socket(data_dir: Path) -> Path:
    """Return the socket of the one worker there is."""
    [path] = data_dir.glob("runs/*/run/serve.sock")
    return path


def call_worker(worker: UnixConnection) -> None:
    worker.request("POST", "/invocations", PAYLOAD, {"Content-Type": "text/csv"})
    worker.getresponse().read()


def invoke(runtime: Any, name: str) -> None:
    runtime.invoke_endpoint(EndpointName=name, ContentType="text/csv", Body=PAYLOAD)["Body"].read()


def milliseconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)
