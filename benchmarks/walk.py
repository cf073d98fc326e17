"""Fit, deploy and predict as the user types it: the demo's boto3 script under ``wildsage run``."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import Reading
from benchmarks.server import WILDSAGE, Server

DEMO = Path(__file__).parent.parent / "src" / "wildsage" / "demo"


def run(rounds: int) -> Iterator[Reading]:
    took = []
    with Server() as server, tempfile.TemporaryDirectory() as output:
        command = [*WILDSAGE, "run", "--data-dir", str(server.data_dir), "--", sys.executable]
        command += [str(DEMO / "digits_kmeans.py"), str(DEMO / "digits.csv.gz"), output]
        for _ in range(rounds):
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            took.append(time.perf_counter() - began)
            time.sleep(1)  # the script names its job by the second
        after = server.memory()
    yield Reading("fit + deploy + predict, boto3: k-means on 1,797 digits", tuple(took))
    yield Reading("server after these, RSS", (after["rss"],), "MB")
