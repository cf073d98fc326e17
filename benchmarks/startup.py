"""How long the commands and the server take to start, and what an idle server holds."""

import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.report import Reading
from benchmarks.server import WILDSAGE, Server


def run(rounds: int) -> Iterator[Reading]:
    bare, usage, imported, started, detached = [], [], [], [], []
    libraries = f"import {third_party()}"
    with Server() as server:
        memory = [server.memory()]
        for _ in range(rounds):
            bare.append(seconds(sys.executable, "-c", "pass"))
            usage.append(seconds(*WILDSAGE, "--help"))
            server.stop()
            imported.append(seconds(sys.executable, "-c", libraries))
            started.append(server.start())
            memory.append(server.memory())
            server.stop()
            detached.append(seconds(*WILDSAGE, "up", "-d", "--data-dir", str(server.data_dir)))
            server.run("down")
            server.start()
    yield Reading("peer: `python -c pass`", tuple(bare))
    yield Reading("`wildsage --help`", tuple(usage), target="≤ 0.15")
    yield Reading(
        "server start: `wildsage up` until it answers; peer: importing its third-party modules", tuple(started),
        target="≤ 1.5 × peer", peer=tuple(imported),
    )  # fmt: skip
    yield Reading("server start: `wildsage up -d` returns", tuple(detached), target="≤ 1.5")
    yield Reading("idle server, RSS", tuple(one["rss"] for one in memory), "MB", "≤ 150")
    yield Reading("idle server, PSS", tuple(one["pss"] for one in memory), "MB")


def third_party() -> str:
    """Return the modules of others that a server imports until it answers, as an import statement names them."""
    script = """
import sys, uvloop, wildsage.cli.server
own = {*sys.stdlib_module_names, "wildsage", "__main__"}
names = {name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__spec__", None)}
print(*sorted(name for name in names - own if not name.startswith("_")), sep=", ")
"""
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return ran.stdout.strip()


def seconds(*command: str) -> float:
    """Run a command and return its wall time."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
