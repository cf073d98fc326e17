"""How long the commands and the server take to start, and what an idle server holds."""

import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.report import Reading
from benchmarks.server import WILDSAGE, Server


def run(rounds: int) -> Iterator[Reading]:
    bare, usage, started, detached = [], [], [], []
    with Server() as server:
        memory = [server.memory()]
        for _ in range(rounds):
            bare.append(seconds(sys.executable, "-c", "pass"))
            usage.append(seconds(*WILDSAGE, "--help"))
            server.stop()
            started.append(server.start())
            memory.append(server.memory())
            server.stop()
            detached.append(seconds(*WILDSAGE, "up", "-d", "--data-dir", str(server.data_dir)))
            server.run("down")
            server.start()
    yield Reading("peer: `python -c pass`", tuple(bare))
    yield Reading("`wildsage --help`", tuple(usage), target="≤ 0.15")
    yield Reading("server start: `wildsage up` until it answers", tuple(started), target="≤ 1.5")
    yield Reading("server start: `wildsage up -d` returns", tuple(detached), target="≤ 1.5")
    yield Reading("idle server, RSS", tuple(one["rss"] for one in memory), "MB", "≤ 150")
    yield Reading("idle server, PSS", tuple(one["pss"] for one in memory), "MB")


def seconds(*command: str) -> float:
    """Run a command and return its wall time."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
