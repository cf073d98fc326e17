"""The control plane against moto_server: CreateTrainingJob and DescribeTrainingJob per second.

Wildsage's jobs are held pending, because two that never end hold the machine; what so many waiting jobs cost
the idle server is the last figure.
"""

import json
import shlex
import sys
import time
from collections.abc import Iterator
from typing import Any

from benchmarks import cores
from benchmarks.load import send_all
from benchmarks.peers import moto
from benchmarks.report import Reading
from benchmarks.server import Server, training_job
from benchmarks.wire import Request, address_of

REQUESTS = 800
CONNECTIONS = 8
IDLE_SECONDS = 3.0
Keys = tuple[str, str]


def run(rounds: int) -> Iterator[Reading]:
    creates: tuple[list[float], list[float]] = ([], [])
    describes: tuple[list[float], list[float]] = ([], [])
    with Server(pinned=True) as server, moto() as peer, cores.client_core():
        role = full_machine(server)
        for number in range(-1, rounds):
            for index, (url, keys) in enumerate(((peer.url, ("key", "secret")), (server.url, server.keys))):
                jobs = [training_job(f"job{number}-{one}", "sleep", role) for one in range(REQUESTS)]
                named = [{"TrainingJobName": job["TrainingJobName"]} for job in jobs]
                created = rate(url, keys, "CreateTrainingJob", jobs)
                described = rate(url, keys, "DescribeTrainingJob", named)
                if number >= 0:  # the first round warms up
                    creates[index].append(created)
                    describes[index].append(described)
        load = idle_load(server)
    for what, (theirs, ours), target in (
        ("CreateTrainingJob, durable, held pending", creates, "≥ 5 × moto_server"),
        ("DescribeTrainingJob", describes, "≥ 8 × moto_server"),
    ):
        yield Reading(f"{what}, {CONNECTIONS} connections", tuple(ours), "/s", target, tuple(theirs))
    yield Reading(f"processor share of a server with {(rounds + 1) * REQUESTS} waiting jobs", (load,), "%")


def full_machine(server: Server) -> str:
    """Let two jobs that never end hold all capacity; return the role of more."""
    server.make_bucket()
    server.add_image("sleep", shlex.join([sys.executable, "-c", "import time; time.sleep(1e6)"]))
    role = server.role()
    for number in range(2):
        server.client("sagemaker").create_training_job(**training_job(f"sleep-{number}", "sleep", role))
    return role


def request(url: str, keys: Keys, operation: str, members: dict[str, Any]) -> Request:
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"SageMaker.{operation}"}
    return Request(f"{url}/", json.dumps(members).encode(), headers).signed("sagemaker", keys)


def rate(url: str, keys: Keys, operation: str, requests: list[dict[str, Any]]) -> float:
    """Send the requests and return how many were answered per second."""
    signed = [request(url, keys, operation, members) for members in requests]
    return send_all(address_of(url), signed, CONNECTIONS).rate


def idle_load(server: Server) -> float:
    """Return the share of one processor that a server uses while nobody asks it anything, in percent."""
    before, began = server.processor_seconds(), time.perf_counter()
    time.sleep(IDLE_SECONDS)
    return 100 * (server.processor_seconds() - before) / (time.perf_counter() - began)
