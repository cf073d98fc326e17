"""One GiB through boto3's transfers, up and down, beside moto_server and beside what the file alone costs.

An upload is measured against moto_server, and against copying, hashing (MD5 and SHA-256) and syncing the same file
in one process; a download against moto_server. Server memory is the highest that was seen while a file went through.
"""

import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from benchmarks import cores
from benchmarks.peers import moto
from benchmarks.report import Reading
from benchmarks.server import BUCKET, REGION, Server

SIZE = int(os.environ.get("WILDSAGE_BENCHMARK_BYTES", "1073741824"))
_CHUNK = 1 << 20


def run(rounds: int) -> Iterator[Reading]:
    alone: list[float] = []
    uploads: tuple[list[float], list[float]] = ([], [])
    downloads: tuple[list[float], list[float]] = ([], [])
    memory: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="wildsage-benchmark-") as name,
        Server(pinned=True) as server,
        moto() as peer,
        cores.client_core(),
    ):
        source = random_file(Path(name) / "up", SIZE)
        clients = (client(peer.url, ("key", "secret")), server.make_bucket())
        location = {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
        clients[0].create_bucket(Bucket=BUCKET, **location)
        idle = server.memory()["rss"]
        for number in range(-1, rounds):
            measured = seconds(lambda: file_alone(source))
            seen: list[float] = []
            for index, s3 in enumerate(clients):
                with watched(server, seen):
                    up = seconds(lambda s3=s3: s3.upload_file(str(source), BUCKET, "large"))
                    down = seconds(
                        lambda s3=s3: s3.download_file(BUCKET, "large", str(source.with_name("down")))
                    )
                if number >= 0:  # the first round warms up
                    uploads[index].append(rate(up))
                    downloads[index].append(rate(down))
            if number >= 0:
                alone.append(rate(measured))
                memory.append(max(seen) - idle)
    yield Reading("peer: cp, MD5, SHA-256 and fsync of the file", tuple(alone), "MB/s")
    for what, (theirs, ours), target in (
        ("upload_file", uploads, "≥ 1.5 × moto_server, ≥ 40 % of the file alone"),
        ("download_file", downloads, "≥ 20 × moto_server"),
    ):
        yield Reading(f"{what} of {SIZE >> 20} MiB", tuple(ours), "MB/s", target, tuple(theirs))
    yield Reading("server memory above idle while it goes through", tuple(memory), "MB", "flat")


def rate(taken: float) -> float:
    return SIZE / taken / 1e6


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def random_file(path: Path, size: int) -> Path:
    """Make a file that no compression or deduplication makes smaller."""
    block = os.urandom(_CHUNK)
    with path.open("wb") as file:
        for number in range(size // _CHUNK):
            file.write(number.to_bytes(8) + block[8:])
    return path


def file_alone(source: Path) -> None:
    """Do with a file what any durable upload has to, without a network."""
    copy = source.with_name("copy")
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    shutil.copyfile(source, copy)
    with copy.open("rb") as file:
        while chunk := file.read(_CHUNK):
            md5.update(chunk)
            sha256.update(chunk)
        os.fsync(file.fileno())
    copy.unlink()


def client(url: str, keys: tuple[str, str]) -> Any:
    """Return a client of a peer."""
    session: Any = boto3.Session()
    return session.client(
        "s3",
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        config=Config(retries={"total_max_attempts": 1}, proxies={}, read_timeout=600),
    )


@contextmanager
def watched(server: Server, seen: list[float]) -> Iterator[None]:
    """Note the server's memory four times a second."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.25):
            seen.append(server.memory()["rss"])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        seen.append(server.memory()["rss"])
