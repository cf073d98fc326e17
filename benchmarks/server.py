"""A real server in a process of its own, on a data directory of its own, and boto3 clients of it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config

from benchmarks import cores

WILDSAGE = (sys.executable, "-m", "wildsage")
REGION = "us-west-2"
BUCKET = "benchmarks"
CONTAINERS = Path(__file__).parent.parent / "tests" / "containers"


class Server:
    """A server that starts, stops and starts again. Its data directory goes with the block.

    Parameters
    ----------
    pinned
        Keep it, and all that it starts, on the server's core.
    """

    def __init__(self, *, pinned: bool = False) -> None:
        self._pin = cores.on_server_core() if pinned else None
        self._folder = tempfile.TemporaryDirectory(prefix="wildsage-benchmark-", ignore_cleanup_errors=True)
        self.data_dir = Path(self._folder.name)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        with suppress(subprocess.SubprocessError):
            self.run("down", "--all")
        self.stop()
        self._folder.cleanup()

    def start(self) -> float:
        """Start it; return the seconds until it says that it is up."""
        began = time.perf_counter()
        command = [*WILDSAGE, "up", "--port", "0", "--data-dir", str(self.data_dir)]
        log = self.data_dir / "server.log"
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=stderr,
                preexec_fn=self._pin,  # noqa: PLW1509 - this process has no threads
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server did not start: {log.read_text()}")
        return time.perf_counter() - began

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return str(json.loads((self.data_dir / "server.json").read_text())["url"])

    @property
    def keys(self) -> tuple[str, str]:
        raw = json.loads((self.data_dir / "credentials.json").read_text())
        return raw["access_key_id"], raw["secret_access_key"]

    def run(self, *arguments: str) -> str:
        """Run a subcommand on this server's data directory and return what it printed."""
        command = [*WILDSAGE, arguments[0], "--data-dir", str(self.data_dir), *arguments[1:]]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def add_image(self, name: str, source: str) -> None:
        self.run("images", "add", name, source)

    def client(self, service: str) -> Any:
        key, secret = self.keys
        session: Any = boto3.Session()
        return session.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    def role(self) -> str:
        """Return the ARN of the role that every installation has."""
        answer = self.client("iam").get_role(RoleName="AmazonSageMaker-ExecutionRole")
        return str(answer["Role"]["Arn"])

    def make_bucket(self) -> Any:
        """Make the bucket that jobs read from and write to; return a client of S3."""
        s3 = self.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        return s3

    def memory(self) -> dict[str, float]:
        """Return the resident and the proportional memory of the server's process, in MB."""
        lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()[1:]
        found = {
            name: int(value.split()[0]) * 1024 / 1e6 for name, _, value in (x.partition(":") for x in lines)
        }
        return {"rss": found["Rss"], "pss": found["Pss"]}

    def processor_seconds(self) -> float:
        """Return the processor time that the server's process has used."""
        return processor_seconds(self.pid)


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def training_job(name: str, image: str, role: str, **members: Any) -> dict[str, Any]:
    """Return the smallest create request there is."""
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "RoleArn": role,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        **members,
    }


def wait(describe: Any, member: str, busy: tuple[str, ...], **name: str) -> dict[str, Any]:
    """Describe until the status is another; at 50 times a second it costs the server next to nothing."""
    while True:
        answer: dict[str, Any] = describe(**name)
        if answer[member] not in busy:
            return answer
        time.sleep(0.02)
