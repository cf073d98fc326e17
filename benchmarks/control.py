"""The control plane against moto_server: CreateTrainingJob and DescribeTrainingJob per second.

Wildsage's jobs are held pending, because two that never end hold the machine; what so many waiting jobs cost
the idle server is the last figure.
"""

import json
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks import cores
from benchmarks.load import send_all
from benchmarks.peers import moto
from benchmarks.report import Reading
from benchmarks.server import Server, processor_seconds, training_job
from benchmarks.wire import Request, address_of

REQUESTS = 800
CONNECTIONS = 8
IDLE_SECONDS = 3.0
Keys = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests answered per second, and milliseconds of processor time for each."""

    rate: float
    each: float


def run(rounds: int) -> Iterator[Reading]:
    measured: dict[str, tuple[list[Cost], list[Cost]]] = {
        "CreateTrainingJob": ([], []),
        "DescribeTrainingJob": ([], []),
    }
    with Server(pinned=True) as server, moto() as peer, cores.client_core():
        role = full_machine(server)
        sides = ((peer.url, ("key", "secret"), peer.pid), (server.url, server.keys, server.pid))
        for number in range(-1, rounds):
            for index, (url, keys, pid) in enumerate(sides):
                jobs = [training_job(f"job{number}-{one}", "sleep", role) for one in range(REQUESTS)]
                named = [{"TrainingJobName": job["TrainingJobName"]} for job in jobs]
                for operation, requests in (("CreateTrainingJob", jobs), ("DescribeTrainingJob", named)):
                    found = cost(url, keys, pid, operation, requests)
                    if number >= 0:  # the first round warms up
                        measured[operation][index].append(found)
        load = idle_load(server)
    for operation, target, note in (
        ("CreateTrainingJob", "≥ 5 × moto_server", ", durable, held pending"),
        ("DescribeTrainingJob", "≥ 8 × moto_server", ""),
    ):
        theirs, ours = measured[operation]
        what = f"{operation}{note}, {CONNECTIONS} connections"
        yield Reading(what, tuple(one.rate for one in ours), "/s", target, tuple(one.rate for one in theirs))
        what = "… processor time per request, which the load of the machine changes least"
        yield Reading(what, tuple(one.each for one in ours), "ms", "", tuple(one.each for one in theirs))
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


def cost(url: str, keys: Keys, pid: int, operation: str, requests: list[dict[str, Any]]) -> Cost:
    """Send the requests and return what they cost the process that answers."""
    signed = [request(url, keys, operation, members) for members in requests]
    before = processor_seconds(pid)
    load = send_all(address_of(url), signed, CONNECTIONS)
    return Cost(load.rate, 1000 * (processor_seconds(pid) - before) / len(requests))


def idle_load(server: Server) -> float:
    """Return the share of one processor that a server uses while nobody asks it anything, in percent."""
    before, began = server.processor_seconds(), time.perf_counter()
    time.sleep(IDLE_SECONDS)
    return 100 * (server.processor_seconds() - before) / (time.perf_counter() - began)
