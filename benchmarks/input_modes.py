"""What each input mode costs: time to the first byte, throughput of a FIFO, memory of its feeder, K-Means on 2 GB.

The peer of the throughput is ``dd bs=1M`` into a FIFO that the same program reads. The reader prints what it measured
and stays until it may go, because the process that feeds it is measured meanwhile.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Reading
from benchmarks.server import BUCKET, REGION, Server, training_job, wait
from wildsage.formats.logframes import read_frames
from wildsage.formats.recordio_protobuf import write_dense
from wildsage.supervisor.folder import RunFolder

SMALL, LARGE, IN_PARTS = "10MB", "2GB", "2GB-in-parts"
BYTES = {SMALL: 10_000_000, LARGE: 2_000_000_000}
CASES = [(mode, size) for mode in ("Pipe", "FastFile", "File") for size in BYTES] + [("FastFile", IN_PARTS)]
FEATURES = 64
BLOCK_ROWS = 100_000
KMEANS = f"174872318107.dkr.ecr.{REGION}.amazonaws.com/kmeans:1"
# Prints seconds from its start to the first byte, from there to the end, and how many bytes came.
READ = """
import json, os, sys, time
began = time.perf_counter()
buffer, total, first = bytearray(1 << 20), 0, None
with open(sys.argv[1], "rb", buffering=0) as stream:
    while (count := stream.readinto(buffer)):
        first = first or time.perf_counter()
        total += count
print(json.dumps({"at": time.time() - (time.perf_counter() - first), "seconds": time.perf_counter() - first, "bytes": total}), flush=True)
"""
STAY = """
while len(sys.argv) > 2 and not os.path.exists("/opt/ml/go"):
    time.sleep(0.01)
"""


def run(rounds: int) -> Iterator[Reading]:
    with Server() as server, tempfile.TemporaryDirectory() as folder:
        files = {size: data_file(Path(folder, size), count) for size, count in BYTES.items()}
        reader = Path(folder, "read.py")
        reader.write_text(READ + STAY)
        jobs = Jobs(server, files, reader)
        large = files[LARGE].stat().st_size / 1e6
        dd: list[float] = []
        rates: dict[tuple[str, str], list[float]] = {}
        first: dict[tuple[str, str], list[float]] = {}
        memory: dict[str, list[float]] = {SMALL: [], LARGE: []}
        for _ in range(rounds):
            dd.append(large / by_dd(files[LARGE], Path(folder)))
            for mode, size in CASES:
                seen = jobs.read(mode, size)
                first.setdefault((mode, size), []).append(seen["first"])
                rates.setdefault((mode, size), []).append(seen["bytes"] / 1e6 / seen["seconds"])
                if mode == "Pipe":
                    memory[size].append(seen["memory"])
        kmeans = {mode: [jobs.kmeans(mode) for _ in range(max(1, rounds // 3))] for mode in ("File", "Pipe")}
    piped = tuple(rates["Pipe", LARGE])
    yield Reading("Pipe: 2 GB through a FIFO; peer: dd bs=1M into it", piped, "MB/s", "≥ 0.8", tuple(dd))
    for mode, size in CASES:
        if size != SMALL:
            what = f"{mode}: create → first byte of {size}; peer: of {SMALL}"
            target = "" if mode == "File" else "no growth"
            yield Reading(what, tuple(first[mode, size]), "s", target, tuple(first[mode, SMALL]))
    for size in (LARGE, IN_PARTS):
        yield Reading(f"FastFile: reading {size}", tuple(rates["FastFile", size]), "MB/s")
    yield Reading(
        "feeder at its largest, 2 GB; peer: 10 MB",
        tuple(memory[LARGE]),
        "MB",
        "no growth",
        tuple(memory[SMALL]),
    )
    yield Reading(
        "K-Means on 2 GB, Pipe; peer: File", tuple(kmeans["Pipe"]), "s", "≤ 1.1", tuple(kmeans["File"])
    )


def data_file(path: Path, size: int) -> Path:
    """Write records of random rows, about `size` bytes."""
    rng = np.random.default_rng(0)
    block = write_dense(rng.normal(size=(BLOCK_ROWS, FEATURES)).astype(np.float32))
    record = len(block) // BLOCK_ROWS
    with path.open("wb") as file:
        for start in range(0, size // record, BLOCK_ROWS):
            file.write(block[: record * min(BLOCK_ROWS, size // record - start)])
    return path


def by_dd(file: Path, folder: Path) -> float:
    """Return the seconds that the reader takes for what dd writes."""
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    try:
        with subprocess.Popen(
            ["dd", f"if={file}", f"of={fifo}", "bs=1M", "status=none"], stderr=subprocess.DEVNULL
        ):
            done = subprocess.run(
                [sys.executable, "-c", READ, fifo], check=True, capture_output=True, text=True
            )
    finally:
        fifo.unlink()
    return float(json.loads(done.stdout)["seconds"])


class Jobs:
    """Training jobs on one server that read the same objects in different modes."""

    def __init__(self, server: Server, files: dict[str, Path], reader: Path) -> None:
        self._runs = server.data_dir / "runs"
        self._role = server.role()
        self._sagemaker = server.client("sagemaker")
        self._number = 0
        s3 = server.make_bucket()
        for size, path in files.items():
            with path.open("rb") as body:
                s3.put_object(Bucket=BUCKET, Key=f"{size}/data", Body=body)
        s3.upload_file(str(files[LARGE]), BUCKET, f"{IN_PARTS}/data")  # in parts of 8 MB
        for mode, place in (("Pipe", "train_0"), ("File", "train/data"), ("FastFile", "train/data")):
            command = [sys.executable, str(reader), f"/opt/ml/input/data/{place}"]  # and "train" behind them
            server.add_image(f"read-{mode.lower()}", shlex.join(command))

    def read(self, mode: str, size: str) -> dict[str, float]:
        """Run the reader; return what it said, seconds from create to the first byte, and the feeder's memory in MB."""
        known = set(self._runs.iterdir())
        began = time.time()
        name = self._create(f"read-{mode.lower()}", mode, size, {})
        folder, said = self._said(name, known)
        memory = _peak_memory(folder)
        (folder.ml / "go").touch()
        self._end(name)
        return {**said, "first": said["at"] - began, "memory": memory}

    def kmeans(self, mode: str) -> float:
        """Run K-Means; return the seconds from create until Describe says Completed."""
        began = time.time()
        name = self._create(KMEANS, mode, LARGE, {"k": "10", "feature_dim": str(FEATURES)})
        self._end(name)
        return time.time() - began

    def _create(self, image: str, mode: str, size: str, hyperparameters: dict[str, str]) -> str:
        self._number += 1
        name = f"input-{self._number}"
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{size}/"}
        channel = {"ChannelName": "train", "InputMode": mode, "DataSource": {"S3DataSource": source}}
        job = training_job(
            name, image, self._role, InputDataConfig=[channel], HyperParameters=hyperparameters
        )
        self._sagemaker.create_training_job(**job)
        return name

    def _said(self, name: str, known: set[Path]) -> tuple[RunFolder, dict[str, float]]:
        while self._describe(name)["TrainingJobStatus"] == "InProgress":
            time.sleep(0.05)
            for path in set(self._runs.iterdir()) - known:
                folder = RunFolder(path)
                said = _printed(folder)
                if said is not None:
                    return folder, said
        raise RuntimeError(f"{name}: {self._describe(name).get('FailureReason')}")

    def _describe(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._sagemaker.describe_training_job(TrainingJobName=name)
        return answer

    def _end(self, name: str) -> None:
        job = wait(
            self._sagemaker.describe_training_job, "TrainingJobStatus", ("InProgress",), TrainingJobName=name
        )
        if job["TrainingJobStatus"] != "Completed":
            raise RuntimeError(job["FailureReason"])


def _printed(folder: RunFolder) -> dict[str, float] | None:
    try:
        with Path(folder.job().log_path).open("rb") as log:
            lines = [frame.message for frame in read_frames(log, 0)]
    except (FileNotFoundError, NotADirectoryError):
        return None
    return next((json.loads(line) for line in lines if line.startswith("{")), None)


def _peak_memory(folder: RunFolder) -> float:
    """Return the most that the process that feeds a run had resident, in MB."""
    pid = next(event.detail["pid"] for event in folder.events() if event.kind == "started")
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024 / 1e6
