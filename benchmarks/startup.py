"""How long the commands and the server take to start, and what an idle server holds."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from benchmarks.load import send_one
from benchmarks.report import Reading
from benchmarks.server import WILDSAGE, Server
from benchmarks.wire import Request, address_of

SETTLING_SECONDS = 2.0
"""Until a server has loaded beside its first requests what it did not need to answer."""


def run(rounds: int) -> Iterator[Reading]:
    bare, usage, imported, started, answered, detached = [], [], [], [], [], []
    libraries = imports_of_others()
    with Server() as server:
        memory = []
        for _ in range(rounds):
            bare.append(seconds(sys.executable, "-c", "pass"))
            usage.append(seconds(*WILDSAGE, "--help"))
            server.stop()
            imported.append(seconds(sys.executable, "-c", libraries))
            started.append(server.start())
            time.sleep(SETTLING_SECONDS)
            memory.append(server.memory())
            server.stop()
            answered.append(first_answer(server))
            server.stop()
            detached.append(seconds(*WILDSAGE, "up", "-d", "--data-dir", str(server.data_dir)))
            server.run("down")
            server.start()
    yield Reading("peer: `python -c pass`", tuple(bare))
    yield Reading("`wildsage --help`", tuple(usage), target="≤ 0.15")
    yield Reading(
        "server start: `wildsage up` until it answers; peer: importing the modules of others that it imports", tuple(started),
        target="≤ 1.5 × peer", peer=tuple(imported),
    )  # fmt: skip
    yield Reading("server start: until a signed GetCallerIdentity is answered", tuple(answered))
    yield Reading("server start: `wildsage up -d` returns", tuple(detached), target="≤ 1.5")
    yield Reading("idle server, RSS", tuple(one["rss"] for one in memory), "MB", "≤ 150")
    yield Reading("idle server, PSS", tuple(one["pss"] for one in memory), "MB")


def imports_of_others() -> str:
    """Return a program that imports what a server imports until it answers: all modules but Wildsage's own.

    A server says it, at the moment when it answers.
    """
    script = """
import os, signal, sys
from wildsage.cli import main, up

def answered(_server):
    others = [name for name in sys.modules if name.partition(".")[0] not in ("wildsage", "__main__")]
    print(f"for name in {others}: __import__(name)", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

up.announce = answered
sys.exit(main.main(["up", "--port", "0", "--data-dir", sys.argv[1]]))
"""
    with tempfile.TemporaryDirectory(prefix="wildsage-benchmark-") as folder:
        ran = subprocess.run(
            [sys.executable, "-c", script, folder], check=True, capture_output=True, text=True
        )
    return ran.stdout


def first_answer(server: Server) -> float:
    """Start a server; return the seconds until it has answered a request that it authenticates."""
    began = time.perf_counter()
    server.start()
    request = Request(
        f"{server.url}/",
        b"Action=GetCallerIdentity&Version=2011-06-15",
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    answer = send_one(address_of(server.url), request.signed("sts", server.keys))
    assert b"<GetCallerIdentityResult>" in answer
    return time.perf_counter() - began


def seconds(*command: str) -> float:
    """Run a command and return its wall time."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
