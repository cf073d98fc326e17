"""CreateTrainingJob requests per second, against moto_server where one is given.

Requests are signed beforehand, so that the client's own work is not what is measured. Wildsage's jobs wait
for capacity meanwhile: two that never end hold the machine.
"""

import http.client
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.report import Reading
from benchmarks.server import REGION, Server, training_job

REQUESTS = 400
CONNECTIONS = 8
MOTO = os.environ.get("MOTO_SERVER")
"""The command ``moto_server`` of an environment that has it."""


def run(rounds: int) -> Iterator[Reading]:
    ours, theirs = [], []
    with Server() as server, Moto(MOTO) as moto:
        sagemaker = server.client("sagemaker")
        server.make_bucket()
        server.add_image("sleep", shlex.join([sys.executable, "-c", "import time; time.sleep(1e6)"]))
        role = server.role()
        for number in range(2):
            sagemaker.create_training_job(**training_job(f"sleep-{number}", "sleep", role))
        for number in range(rounds):
            if moto.url:
                theirs.append(rate(moto.url, ("key", "secret"), role, f"theirs-{number}"))
            ours.append(rate(server.url, server.keys, role, f"ours-{number}"))
    if theirs:
        yield Reading(f"peer: moto_server, CreateTrainingJob, {CONNECTIONS} connections", tuple(theirs), "/s")
    yield Reading(f"CreateTrainingJob, durable, {CONNECTIONS} connections", tuple(ours), "/s")


class Moto:
    """A moto_server, if there is one."""

    def __init__(self, command: str | None) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        if self._command:
            port = 5123
            self._process = subprocess.Popen(
                [self._command, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            self.url = f"http://127.0.0.1:{port}"
            until_connected(port)
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()


def until_connected(port: int) -> None:
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.connect()
        except OSError:
            time.sleep(0.05)
        else:
            connection.close()
            return


def rate(url: str, keys: tuple[str, str], role: str, prefix: str) -> float:
    """Send the requests and return how many were answered per second."""
    requests = [
        signed(url, keys, training_job(f"{prefix}-{number}", "sleep", role)) for number in range(REQUESTS)
    ]
    shares = [requests[start::CONNECTIONS] for start in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        began = time.perf_counter()
        list(pool.map(lambda share: send(url, share), shares))
        return REQUESTS / (time.perf_counter() - began)


def signed(url: str, keys: tuple[str, str], job: dict[str, Any]) -> AWSRequest:
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.CreateTrainingJob"}
    request = AWSRequest("POST", f"{url}/", headers, json.dumps(job))
    SigV4Auth(Credentials(*keys), "sagemaker", REGION).add_auth(request)
    return request


def send(url: str, requests: list[AWSRequest]) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    for request in requests:
        connection.request("POST", "/", request.data, dict(request.headers))
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(body.decode())
    connection.close()
