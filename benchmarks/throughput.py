"""CreateTrainingJob requests per second, against moto_server where one is given.

Wildsage's jobs wait for capacity meanwhile, because two that never end hold the machine; what so many
waiting jobs cost the idle server is the last figure.
"""

import json
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Self

from benchmarks.report import Reading
from benchmarks.server import Server, training_job
from benchmarks.wire import Request, connection_to, send

REQUESTS = 400
CONNECTIONS = 8
IDLE_SECONDS = 3.0
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
        load = idle_load(server)
    if theirs:
        yield Reading(f"peer: moto_server, CreateTrainingJob, {CONNECTIONS} connections", tuple(theirs), "/s")
    yield Reading(f"CreateTrainingJob, durable, {CONNECTIONS} connections", tuple(ours), "/s")
    yield Reading(f"processor share of a server with {rounds * REQUESTS} waiting jobs", (load,), "%")


class Moto:
    """A moto_server, if there is one."""

    def __init__(self, command: str | None) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        if self._command:
            port = free_port()
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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def until_connected(port: int) -> None:
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)


def rate(url: str, keys: tuple[str, str], role: str, prefix: str) -> float:
    """Send the requests and return how many were answered per second."""
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.CreateTrainingJob"}
    jobs = [training_job(f"{prefix}-{number}", "sleep", role) for number in range(REQUESTS)]
    requests = [
        Request(f"{url}/", json.dumps(job).encode(), headers).signed("sagemaker", keys) for job in jobs
    ]
    shares = [requests[start::CONNECTIONS] for start in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        began = time.perf_counter()
        list(pool.map(lambda share: send_all(url, share), shares))
        return REQUESTS / (time.perf_counter() - began)


def send_all(url: str, requests: list[Request]) -> None:
    with closing(connection_to(url)) as connection:
        for request in requests:
            send(connection, request)


def idle_load(server: Server) -> float:
    """Return the share of one processor that a server uses while nobody asks it anything, in percent."""
    before, began = server.processor_seconds(), time.perf_counter()
    time.sleep(IDLE_SECONDS)
    return 100 * (server.processor_seconds() - before) / (time.perf_counter() - began)
