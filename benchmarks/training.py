"""From CreateTrainingJob to the first line of the user's code, and to Completed.

The peer runs the same Python program in the same sandbox, with nothing of Wildsage around it.
The user's program prints the time and stays until it may go, because the folder of its run goes with it: the
journal in there says where the time went.
"""

import io
import math
import os
import re
import shlex
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from benchmarks.report import Reading
from benchmarks.server import BUCKET, CONTAINERS, Server, training_job, wait
from wildsage.compute.base import Container, Mount
from wildsage.compute.select import choose
from wildsage.formats.logframes import read_frames
from wildsage.images.program import host_python_folders, image_environment, mounts_of
from wildsage.supervisor.contract import JOB_FILE
from wildsage.supervisor.folder import RunFolder

PRINT = "import time; print(time.time(), flush=True)"
PROGRAM = f"""{PRINT}
import os
while not os.path.exists("/opt/ml/go"):
    time.sleep(0.01)
"""
NONE: Mapping[str, str] = {}
SCRIPT = {
    "sagemaker_program": '"script.py"',
    "sagemaker_submit_directory": f'"s3://{BUCKET}/sourcedir.tar.gz"',
    "sagemaker_region": '"us-west-2"',
}
SKLEARN = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds of each step between the create call and the first line."""

    acknowledge: float
    write_folder: float
    start_supervisor: float
    prepare_sandbox: float
    start_program: float

    @property
    def total(self) -> float:
        return math.fsum(getattr(self, field.name) for field in fields(self))


def run(rounds: int) -> Iterator[Reading]:
    with Server() as server:
        jobs = Jobs(server)
        bare, ours, script, completed = [], [], [], []
        jobs.first_line("warm-up", SKLEARN, SCRIPT)  # may build the image's environment
        for number in range(rounds):
            bare.append(sandboxed_python())
            ours.append(jobs.first_line(f"first-line-{number}", "first-line"))
            completed.append(jobs.completed(f"noop-{number}"))
            script.append(jobs.first_line(f"script-{number}", SKLEARN, SCRIPT))
        after = server.memory()
    yield Reading("peer: sandboxed `python -c print`, launch → first line", tuple(bare))
    yield from readings("create → first line of user code", ours, "≤ 0.7, ≤ peer + 0.4")
    yield from readings("create → first line of a script, scikit-learn image", script)
    yield Reading("create → Completed, no-op", tuple(completed), target="≤ 1.5")
    yield Reading("server after these jobs, RSS", (after["rss"],), "MB")


def readings(what: str, runs: Sequence[Phases], target: str = "") -> Iterator[Reading]:
    yield Reading(what, tuple(one.total for one in runs), target=target)
    for field in fields(Phases):
        samples = tuple(getattr(one, field.name) for one in runs)
        yield Reading(f"… {field.name.replace('_', ' ')}", samples)


def sandboxed_python() -> float:
    """Run the program in a bare sandbox; return the seconds until its first line."""
    sandbox = choose()
    reader, writer = os.pipe()
    with tempfile.TemporaryDirectory() as root, os.fdopen(reader) as output:
        began = time.time()
        container = Container(
            argv=(sys.executable, "-c", PRINT),
            environment=image_environment(),
            root=Path(root),
            mounts=tuple(Mount(*pair) for pair in mounts_of(host_python_folders())),
        )
        process = sandbox.launch(container, writer, writer)
        os.close(writer)
        first = float(output.readline())
        process.wait()
        process.release()
    return first - began


class Jobs:
    """Training jobs on one server."""

    def __init__(self, server: Server) -> None:
        self._runs = server.data_dir / "runs"
        self._role = server.role()
        self._sagemaker = server.client("sagemaker")
        self._describe = self._sagemaker.describe_training_job
        server.make_bucket().put_object(Bucket=BUCKET, Key="sourcedir.tar.gz", Body=script_archive())
        server.add_image("first-line", shlex.join([sys.executable, "-c", PROGRAM]))
        server.add_image("noop", str(CONTAINERS / "noop"))

    def first_line(self, name: str, image: str, hyperparameters: Mapping[str, str] = NONE) -> Phases:
        """Run a job whose program prints the time; return where the time until then went."""
        known = set(self._runs.iterdir())
        began = time.time()
        acknowledged = self._create(name, image, hyperparameters)
        folder, printed = self._first_print(name, known)
        at = {event.kind: event.at for event in folder.events()}
        written = (folder.path / JOB_FILE).stat().st_mtime
        (folder.ml / "go").touch()
        self._end_of(name)
        return Phases(
            acknowledged - began,
            written - acknowledged,
            at["started"] - written,
            at["launched"] - at["started"],
            printed - at["launched"],
        )

    def _first_print(self, name: str, known: set[Path]) -> tuple[RunFolder, float]:
        """Wait for the one new run and for the time that its program prints."""
        while self._describe(TrainingJobName=name)["TrainingJobStatus"] == "InProgress":
            time.sleep(0.05)
            for path in set(self._runs.iterdir()) - known:
                folder = RunFolder(path)
                printed = printed_time(folder)
                if printed is not None:
                    return folder, printed
        raise RuntimeError(f"{name}: {self._describe(TrainingJobName=name)['FailureReason']}")

    def completed(self, name: str) -> float:
        """Run a job that does nothing; return the seconds from its creation until Describe says Completed."""
        began = time.time()
        self._create(name, "noop", NONE)
        job = self._end_of(name)
        if job["TrainingJobStatus"] != "Completed":
            raise RuntimeError(job["FailureReason"])
        return time.time() - began

    def _create(self, name: str, image: str, hyperparameters: Mapping[str, str]) -> float:
        job = training_job(name, image, self._role, HyperParameters=dict(hyperparameters))
        self._sagemaker.create_training_job(**job)
        return time.time()

    def _end_of(self, name: str) -> dict[str, Any]:
        return wait(self._describe, "TrainingJobStatus", ("InProgress",), TrainingJobName=name)


def printed_time(folder: RunFolder) -> float | None:
    """Return the first line of a run's log that is a time."""
    try:
        with Path(folder.job().log_path).open("rb") as log:
            lines = [frame.message for frame in read_frames(log, 0)]
    except FileNotFoundError:
        return None
    return next((float(line) for line in lines if re.fullmatch(r"\d+\.\d+", line)), None)


def script_archive(**files: str) -> bytes:
    """Return a source directory with the program as its script, or with other files by name."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in (files or {"script.py": PROGRAM}).items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return content.getvalue()
