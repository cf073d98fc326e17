"""Reading and writing data, with the peers in the same run: ``python -m benchmarks.data``.

A ratio below 1 means that Wildsage is faster. Both sides end with the same thing in memory: a row-major float32
matrix and labels, or a sparse matrix and labels. Rounds of both alternate; the first warms up. Beside the SDK, which
has one thread, both are on the same core; the readers of CSV may use all. The peers run in an environment of their own
(``data_peers.txt``), whose folder ``WILDSAGE_DATA_PEERS`` names, and take their own time.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.cores import client_core
from benchmarks.report import Reading as Result
from benchmarks.report import store, table
from wildsage.formats import csv_polars
from wildsage.formats.codecs import read_rows
from wildsage.formats.content_types import CSV, RECORDIO_PROTOBUF, ContentType
from wildsage.formats.reading import Reading
from wildsage.formats.recordio_protobuf import write_dense, write_sparse
from wildsage.formats.rows import join
from wildsage.formats.sparse import SparseRows

DENSE = ((200_000, 8), (100_000, 64), (20_000, 784))
SPARSE = ((100_000, 10_000, 20), (50_000, 100_000, 100))
CSV_BYTES = 100_000_000
CSV_PEERS = ("polars", "pandas", "pyarrow", "duckdb")
NEVER = 1 << 60


class Peers:
    """The process of the peers."""

    def __init__(self):
        folder = os.environ.get("WILDSAGE_DATA_PEERS")
        if not folder:
            raise SystemExit(
                "WILDSAGE_DATA_PEERS names no environment of benchmarks/data_peers.txt: run `make bench-data`"
            )
        self._process = subprocess.Popen(
            [Path(folder).absolute() / "bin" / "python", Path(__file__).with_name("data_peers.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.id = self._process.pid
        self.versions = self._answer()

    def seconds(self, case, path):
        print(case, path, file=self._process.stdin, flush=True)
        return self._answer()

    def close(self):
        self._process.stdin.close()
        self._process.wait()

    def _answer(self):
        # The SDK prints what it did not find.
        for line in self._process.stdout:
            if line[0] in "{0123456789":
                return json.loads(line)
        raise SystemExit("the peers ended; run benchmarks/data_peers.py by hand to see why")


def read(path, media_type):
    began = time.perf_counter()
    with path.open("rb") as file:
        join(read_rows(file, path.name, Reading(ContentType(media_type))), path.name)
    return time.perf_counter() - began


def alternate(rounds, ours, theirs):
    """Take samples in turn: ours, and those of each peer."""
    mine, others = [], {name: [] for name in theirs}
    for _ in range(rounds + 1):
        mine.append(ours())
        for name, peer in theirs.items():
            others[name].append(peer())
    return tuple(mine[1:]), {name: tuple(samples[1:]) for name, samples in others.items()}


def against_sdk(peers, rounds, what, target, ours, case, path):
    with client_core(peers.id):
        mine, others = alternate(rounds, ours, {"sdk": lambda: peers.seconds(case, path)})
    return Result(what, mine, "s", target, others["sdk"])


def recordio(peers, rounds, folder):
    rng = np.random.default_rng(0)
    for rows, width in DENSE:
        matrix = rng.normal(0, 1, (rows, width + 1)).astype(np.float32)
        path, arrays = folder / "dense.rec", folder / "matrix.npy"
        path.write_bytes(write_dense(matrix[:, 1:], matrix[:, 0]))
        np.save(arrays, matrix)

        def write(matrix=matrix):
            began = time.perf_counter()
            write_dense(matrix[:, 1:], matrix[:, 0])
            return time.perf_counter() - began

        size = f"{rows} x {width}"
        yield against_sdk(
            peers,
            rounds,
            f"recordio, dense {size}: read / SDK read_records",
            "≤ 0.05",
            lambda path=path: read(path, RECORDIO_PROTOBUF),
            "dense",
            path,
        )
        yield against_sdk(
            peers, rounds, f"recordio, dense {size}: write / SDK", "≤ 0.1", write, "write", arrays
        )
    for rows, width, given in SPARSE:
        columns = np.sort(rng.integers(0, width, (rows, given)), axis=1).reshape(-1)
        values = rng.normal(0, 1, rows * given).astype(np.float32)
        path = folder / "sparse.rec"
        sparse = SparseRows(np.arange(rows + 1) * given, columns, values, width)
        path.write_bytes(write_sparse(sparse, np.ones(rows, np.float32)))
        yield against_sdk(
            peers,
            rounds,
            f"recordio, sparse {rows} x {width}, {given} a row: read / SDK read_records",
            "≤ 0.2",
            lambda path=path: read(path, RECORDIO_PROTOBUF),
            "sparse",
            path,
        )


def csv(peers, rounds, folder):
    path = folder / "floats.csv"
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        while file.tell() < CSV_BYTES:
            for row in rng.normal(0, 1, (20_000, 32)).tolist():
                file.write(",".join([f"{value:.6g}" for value in row]) + "\n")
    theirs = {name: lambda name=name: peers.seconds(name, path) for name in CSV_PEERS}
    mine, others = alternate(rounds, lambda: read(path, CSV), theirs)
    fastest = min(others, key=lambda name: statistics.median(others[name]))
    yield Result(f"CSV, 100 MB / {fastest}, the fastest", mine, "s", "≤ 1.3", others[fastest])
    for name in others.keys() - {fastest}:
        yield Result(f"CSV, 100 MB / {name}", mine, "s", "", others[name])
    smallest, csv_polars.SMALLEST = csv_polars.SMALLEST, NEVER
    yield Result("CSV, 100 MB, without the extra", tuple(read(path, CSV) for _ in range(3)))
    csv_polars.SMALLEST = smallest


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the samples too")
    arguments = parser.parse_args()
    peers = Peers()
    with tempfile.TemporaryDirectory() as folder:
        results = [
            result for case in (recordio, csv) for result in case(peers, arguments.rounds, Path(folder))
        ]
    peers.close()
    print(table(results))
    if arguments.json:
        store(arguments.json, results, {"polars": version("polars"), "peers": peers.versions})


if __name__ == "__main__":
    main()
