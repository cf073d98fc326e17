"""Jobs that share the machine: two at once beside the two in a row, and a queue of twenty.

No job takes more than half of the cores, so two run side by side. The peer runs the same training by hand, one after
the other with all threads and without a platform. While a queue of jobs that compute is worked off, the machine is
asked again and again: how long a Describe takes, and a new process of somebody else.
"""

import os
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
from benchmarks.server import BUCKET, Server, training_job, wait
from wildsage.toolkit.local import Files, LocalContainer

XGBOOST = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"
HYPERPARAMETERS = {
    "num_round": "150",
    "objective": "reg:squarederror",
    "max_depth": "6",
    "tree_method": "hist",
}
CONTENT_TYPE = "text/csv"
SPIN = "import time; end = time.process_time() + 2\nwhile time.process_time() < end: sum(range(1000))"
QUEUE = 20


def run(rounds: int) -> Iterator[Reading]:
    with Server() as server:
        role, sagemaker = server.role(), server.client("sagemaker")
        body = table()
        server.make_bucket().put_object(Bucket=BUCKET, Key="train/data.csv", Body=body)
        server.add_image("spin", shlex.join([sys.executable, "-c", SPIN]))
        row, at_once = [], []
        for number in range(rounds):
            row.append(in_a_row(body))
            at_once.append(together(sagemaker, role, number))
        yield Reading(
            "two XGBoost jobs at once / by hand in a row", tuple(at_once), target="≤ 1.15", peer=tuple(row)
        )
        yield from queue(sagemaker, role)


def table() -> bytes:
    """Return rows of a number to predict and thirty features, as CSV."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60_000, 30)).round(3)
    labels = (features[:, :5].sum(axis=1) + np.sin(3 * features[:, 5])).round(3)
    return b"\n".join(
        ",".join(map(str, row)).encode() for row in np.column_stack([labels, features]).tolist()
    )


def in_a_row(body: bytes) -> float:
    """Train twice by hand with all threads; return the seconds."""
    seconds = 0.0
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            container = LocalContainer("wildsage.algorithms.xgboost", Path(folder))
            container.prepare(HYPERPARAMETERS, {"train": Files(CONTENT_TYPE, {"data.csv": body})})
            began = time.perf_counter()
            container.train(OMP_NUM_THREADS=str(len(os.sched_getaffinity(0)))).check_returncode()
            seconds += time.perf_counter() - began
    return seconds


def together(sagemaker: Any, role: str, number: int) -> float:
    """Create two jobs; return the seconds until both are completed."""
    names = [f"at-once-{number}-{which}" for which in "ab"]
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{BUCKET}/train/",
        "S3DataDistributionType": "FullyReplicated",
    }
    channel = {"ChannelName": "train", "ContentType": CONTENT_TYPE, "DataSource": {"S3DataSource": source}}
    began = time.perf_counter()
    for name in names:
        job = training_job(name, XGBOOST, role, HyperParameters=HYPERPARAMETERS, InputDataConfig=[channel])
        sagemaker.create_training_job(**job)
    for name in names:
        ended = wait(
            sagemaker.describe_training_job, "TrainingJobStatus", ("InProgress",), TrainingJobName=name
        )
        if ended["TrainingJobStatus"] != "Completed":
            raise RuntimeError(ended["FailureReason"])
    return time.perf_counter() - began


def queue(sagemaker: Any, role: str) -> Iterator[Reading]:
    """Work off a queue of jobs that compute; read how the machine answers meanwhile, and what the waiting ones say."""
    quiet = [probe(sagemaker, None) for _ in range(20)]
    names = [f"queue-{number:02}" for number in range(QUEUE)]
    for name in names:
        sagemaker.create_training_job(**training_job(name, "spin", role))
    told = {name: waits(sagemaker, name) for name in names}
    busy = []
    while sagemaker.list_training_jobs(StatusEquals="InProgress", NameContains="queue-")[
        "TrainingJobSummaries"
    ]:
        busy.append(probe(sagemaker, names[0]))
        time.sleep(0.2)
    waiting = [reason for reason in told.values() if "ahead" in reason]
    yield Reading(
        f"of {QUEUE} jobs that compute, waiting and told why", (float(len(waiting)),), "", f"{QUEUE - 2}"
    )
    for place, what in enumerate(("Describe", "a new process of somebody else")):
        samples, idle = (tuple(one[place] for one in probes) for probes in (busy, quiet))
        yield Reading(f"{what} while they are worked off / idle", samples, target="≤ 3", peer=idle)


def waits(sagemaker: Any, name: str) -> str:
    """Return what a job says of its state."""
    job = sagemaker.describe_training_job(TrainingJobName=name)
    return str(job["SecondaryStatusTransitions"][-1].get("StatusMessage", ""))


def probe(sagemaker: Any, name: str | None) -> tuple[float, float]:
    """Return the seconds of a Describe (of a list where there is no job yet), and of a new process."""
    began = time.perf_counter()
    if name:
        sagemaker.describe_training_job(TrainingJobName=name)
    else:
        sagemaker.list_training_jobs(MaxResults=1)
    answered = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return answered - began, time.perf_counter() - answered


if __name__ == "__main__":
    for reading in run(1):
        print(reading.row())
