"""InvokeEndpoint against the same echo application under uvicorn alone.

The peer is one process on the server's core. Behind Wildsage it is the model container: a worker is a process
of its own, and like everything that the server starts it is on the server's core, so both share what the peer has
for itself. A second figure gives the worker the client's core.
"""

import os
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from benchmarks import cores, peers
from benchmarks.endpoints import HEADERS, PAYLOAD, deploy, invocation, one_socket
from benchmarks.load import Load, send_all, send_endlessly
from benchmarks.report import Reading
from benchmarks.server import BUCKET, Server
from benchmarks.wire import Request, address_of

CALLS = 3000
ALONE = 500
CONNECTIONS = 16
UPLOAD = 1 << 30
FEWEST_UPLOADS = 3
UPLOADER = """
import os, sys, boto3
# On the client's core as well, and behind the client there: it is the server that is measured. Niceness alone leaves
# the client waiting for a millisecond and more.
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
url, key, secret, path, bucket = sys.argv[1:]
s3 = boto3.client("s3", "us-west-2", endpoint_url=url, aws_access_key_id=key, aws_secret_access_key=secret)
s3.list_objects_v2(Bucket=bucket)
print("ready", flush=True)
s3.upload_file(path, bucket, "large")
"""


def run(rounds: int) -> Iterator[Reading]:
    bare: list[Load] = []
    direct: list[Load] = []
    shared: list[Load] = []
    apart: list[Load] = []
    alone: list[float] = []
    with Server(pinned=True) as server, peers.bare_echo() as peer, cores.client_core():
        endpoint = echo_endpoint(server)
        socket = one_socket(server.data_dir)
        worker = worker_process()
        ours, theirs = address_of(server.url), Request(f"{peer.url}/invocations", PAYLOAD, HEADERS)
        for number in range(-1, rounds):
            request = invocation(server, endpoint)  # a signature holds for minutes
            kept = number >= 0  # the first round warms up
            for samples, address, one, core in (
                (bare, peer.address, theirs, cores.SERVER),
                (direct, socket, theirs, cores.SERVER),
                (shared, ours, request, cores.SERVER),
                (apart, ours, request, cores.CLIENT),
            ):
                os.sched_setaffinity(worker, {core})
                load = send_all(address, [one] * CALLS, CONNECTIONS)
                samples.extend([load] * kept)
            os.sched_setaffinity(worker, {cores.SERVER})
            alone += [added(one_socket(server.data_dir), ours, theirs, request)] * kept
        quiet, busy = zip(*during_uploads(server, endpoint, max(FEWEST_UPLOADS, rounds)), strict=True)
    rates = tuple(load.rate for load in bare)
    what = f"InvokeEndpoint, {CONNECTIONS} connections"
    yield Reading(
        f"{what}, worker on the server's core", rates_of(shared), "/s", "≥ 0.35 × bare uvicorn", rates
    )
    yield Reading(
        f"{what}, worker on the client's core", rates_of(apart), "/s", "≥ 0.35 × bare uvicorn", rates
    )
    yield Reading("… added p50 at 1 connection", tuple(alone), "ms", "≤ 0.25")
    both = zip(shared, direct, strict=True)
    yield Reading(
        f"… added p50 at {CONNECTIONS}",
        tuple(one.quantile(0.5) - other.quantile(0.5) for one, other in both), "ms", "≤ 1",
    )  # fmt: skip
    yield Reading("… p99 at 1 connection while 1 GiB is uploaded", busy, "ms", "≤ 3 × without", quiet)


def rates_of(loads: list[Load]) -> tuple[float, ...]:
    return tuple(load.rate for load in loads)


def echo_endpoint(server: Server) -> str:
    """Deploy the peer's application; return the endpoint's name."""
    sagemaker = server.client("sagemaker")
    server.add_image("echo", shlex.join([sys.executable, str(peers.ECHO)]))
    sagemaker.create_model(
        ModelName="echo", PrimaryContainer={"Image": "echo"}, ExecutionRoleArn=server.role()
    )
    variant = {"VariantName": "AllTraffic", "ModelName": "echo", "InitialInstanceCount": 1}
    variant["InstanceType"] = "ml.m5.large"
    sagemaker.create_endpoint_config(EndpointConfigName="echo", ProductionVariants=[variant])
    deploy(sagemaker, "echo")
    return "echo"


def worker_process() -> int:
    """Return the youngest process that runs the application as a model container."""
    wanted = [str(peers.ECHO).encode(), b"serve"]
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cmdline").read_bytes().split(b"\0")[1:3] == wanted:
                found.append(int(process.name))
    return max(found)


def added(worker, server, plain: Request, signed: Request) -> float:
    """Return the median of what the way through the server adds to a call of the worker, in milliseconds."""
    medians = [
        1000 * statistics.median(islice(send_endlessly(address, request), ALONE))
        for address, request in ((worker, plain), (server, signed))
    ]
    return medians[1] - medians[0]


def during_uploads(server: Server, endpoint: str, rounds: int) -> Iterator[tuple[float, float]]:
    """Yield the 99th percentile of invocations one after another, without and while a GiB is uploaded."""
    server.make_bucket()
    path = server.data_dir / "large"
    with path.open("wb") as file:
        for _ in range(UPLOAD >> 20):
            file.write(os.urandom(1 << 20))
    command = [sys.executable, "-c", UPLOADER, server.url, *server.keys, str(path), BUCKET]
    for _ in range(rounds):
        calls = send_endlessly(address_of(server.url), invocation(server, endpoint))
        quiet = list(islice(calls, CALLS))
        yield p99(quiet), p99(during(command, calls))


def during(command: list[str], calls: Iterator[float]) -> list[float]:
    """Return the seconds of each call while a command runs, from the moment that it says to be ready."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as uploader:
        assert uploader.stdout is not None
        uploader.stdout.readline()
        busy = []
        while uploader.poll() is None:
            busy.append(next(calls))
    if uploader.returncode:
        raise RuntimeError(f"the upload ended with {uploader.returncode}")
    return busy


def p99(seconds: list[float]) -> float:
    """Return the 99th percentile, in milliseconds."""
    return 1000 * statistics.quantiles(seconds, n=100)[98]
