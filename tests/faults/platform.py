"""A real server process that a test kills, and the look behind it: runs, logs, metrics, processes."""

import contextlib
import functools
import hashlib
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from wildsage.formats.logframes import read_frames
from wildsage.images.registered import RegisteredImages
from wildsage.store.events import Events
from wildsage.store.layout import Layout
from wildsage.store.readonly import ReadOnlyDatabase
from wildsage.supervisor.folder import RunFolder

REGION = "us-west-2"
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/AmazonSageMaker-ExecutionRole"
IMAGE = "fault:1"
HALF_THE_MACHINE = "ml.m5.24xlarge"
CONTAINER = Path(__file__).with_name("container.py")
TERMINAL = frozenset({"Completed", "Failed", "Stopped"})


def until(what: Callable[[], Any], seconds: float = 20.0, pause: float = 0.02) -> Any:
    """Return the first true result of `what`."""
    deadline = time.monotonic() + seconds
    while not (result := what()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(pause)
    return result


@functools.cache
def _session() -> boto3.session.Session:
    """One for all tests: it keeps the service models, which take long to read."""
    return boto3.session.Session()


def let_pass(seconds: float) -> None:
    """Wait for a random moment: here the time that passes is the fault."""
    time.sleep(seconds)


class Platform:
    """One data directory and the server on it, through the real command line."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layout = Layout(root / "data")
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.clients: dict[str, Any] = {}
        self.output = root / "server.out"
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(root / "cache")}
        self.layout.make()
        RegisteredImages(self.layout.images).add_command(IMAGE, [sys.executable, "-S", "-u", str(CONTAINER)])

    # The server

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*arguments), env={**self.environment, **environment}, capture_output=True, text=True,
            timeout=30, check=False,
        )  # fmt: skip

    def argv(self, command: str, *arguments: str) -> list[str]:
        data = str(self.layout.root)
        return [sys.executable, "-m", "wildsage", command, "--data-dir", data, *arguments]

    def launch(self, *options: str, **environment: str) -> None:
        """Start a server: at first on a free port, later on the same."""
        port = () if self.layout.settings.exists() else ("--port", "0")
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                self.argv("up", *port, *options),
                env={**self.environment, **environment},
                stdout=output,
                stderr=output,
            )

    def start(self, *options: str, **environment: str) -> float:
        """Start a server and wait for its first answer; return when that was."""
        self.launch(*options, **environment)
        until(self.answers)
        return time.monotonic()

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output.read_text()[-2000:]
        try:
            said = json.loads(self.layout.server.read_text())
        except (FileNotFoundError, ValueError):
            return False
        self.url = said["url"]
        return said["pid"] == self.process.pid

    def kill(self) -> None:
        """``kill -9``, also of a server that is stopped or has died by itself."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def restart(self) -> float:
        self.kill()
        return self.start()

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Leave no process behind."""
        if self.process is not None:
            self.kill()
        for pid in self.supervisors():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # Clients

    @property
    def credentials(self) -> dict[str, str]:
        keys = json.loads(self.layout.credentials.read_text())
        return {
            "aws_access_key_id": keys["access_key_id"], "aws_secret_access_key": keys["secret_access_key"]
        }  # fmt: skip

    def client(self, service: str) -> Any:
        if service not in self.clients:
            settings = Config(retries={"total_max_attempts": 1}, read_timeout=20, proxies={})
            self.clients[service] = _session().client(
                service, region_name=REGION, endpoint_url=self.url, config=settings, **self.credentials
            )
        return self.clients[service]

    # Training jobs

    def job_request(
        self, name: str, *, instance: str = "ml.m5.large", count: int = 1, **environment: Any
    ) -> dict[str, Any]:
        return {
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": r"loss=([0-9.]+);"}],
            },
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": "s3://out"},
            "ResourceConfig": {"InstanceType": instance, "InstanceCount": count, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "Environment": {key: str(value) for key, value in environment.items()},
        }

    def create_job(self, name: str, *, inputs: str = "", **options: Any) -> None:
        request = self.job_request(name, **options)
        if inputs:
            source = {"S3DataType": "S3Prefix", "S3Uri": inputs}
            request["InputDataConfig"] = [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}]
        self.client("sagemaker").create_training_job(**request)

    def job(self, name: str) -> dict[str, Any]:
        described: dict[str, Any] = self.client("sagemaker").describe_training_job(TrainingJobName=name)
        return described

    def ended(self, name: str, seconds: float = 30.0) -> dict[str, Any]:
        sagemaker = self.client("sagemaker")

        def look() -> dict[str, Any] | None:
            job: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
            return job if job["TrainingJobStatus"] in TERMINAL else None

        job: dict[str, Any] = until(look, seconds)
        return job

    # Tuning jobs

    def create_tuning_job(
        self, name: str, *, jobs: int, at_once: int, seed: int = 1, **environment: Any
    ) -> None:
        request = self.job_request(name, **environment)
        del request["TrainingJobName"]
        self.client("sagemaker").create_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name,
            HyperParameterTuningJobConfig={
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
                "ResourceLimits": {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": at_once},
                "ParameterRanges": {
                    "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
                },
                "RandomSeed": seed,
            },
            TrainingJobDefinition=request,
        )

    def tuning_job(self, name: str) -> dict[str, Any]:
        described: dict[str, Any] = self.client("sagemaker").describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )
        return described

    def tuned(self, name: str, seconds: float = 40.0) -> dict[str, Any]:
        """A tuning job when it has ended."""

        def look() -> dict[str, Any] | None:
            job = self.tuning_job(name)
            return job if job["HyperParameterTuningJobStatus"] in TERMINAL else None

        job: dict[str, Any] = until(look, seconds)
        return job

    def trials(self, name: str) -> list[dict[str, Any]]:
        """What is said of the training jobs of a tuning job, in the order in which they were planned."""
        found: list[dict[str, Any]] = self.client(
            "sagemaker"
        ).list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName=name, MaxResults=100)[
            "TrainingJobSummaries"
        ]
        return found

    def assert_tried_once(self, name: str, count: int, steps: int) -> None:
        """So many trials, each one training job that ran once from begin to end; and no other training job."""
        trials = self.trials(name)
        names = [trial["TrainingJobName"] for trial in trials]
        assert [trial.split("-")[1] for trial in names] == [f"{number:03d}" for number in range(1, count + 1)]
        assert len({trial["TunedHyperParameters"]["x"] for trial in trials}) == count
        jobs = self.client("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
        assert sorted(job["TrainingJobName"] for job in jobs) == names
        for trial in trials:
            lines = self.log(trial["TrainingJobName"])
            life = lines[0].removeprefix("begin ")
            wanted = [f"step {step} loss={step}.25;" for step in range(steps)]
            assert lines == [f"begin {life}", *wanted, f"end {life}"]
            assert trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == steps - 1 + 0.25

    # Processing jobs

    def create_processing_job(self, name: str, *, mode: str = "EndOfJob", **environment: Any) -> None:
        place = {"LocalPath": "/opt/ml/processing/out", "S3UploadMode": mode}
        outputs = [{"OutputName": "out", "S3Output": {"S3Uri": f"s3://out/{name}", **place}}]
        self.client("sagemaker").create_processing_job(
            ProcessingJobName=name,
            AppSpecification={"ImageUri": IMAGE},
            RoleArn=ROLE,
            ProcessingResources={
                "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
            },
            ProcessingOutputConfig={"Outputs": outputs},
            Environment={key: str(value) for key, value in environment.items()},
        )

    def processing_job(self, name: str) -> dict[str, Any]:
        described: dict[str, Any] = self.client("sagemaker").describe_processing_job(ProcessingJobName=name)
        return described

    def processed(self, name: str, seconds: float = 30.0) -> dict[str, Any]:
        """A processing job when it has ended."""

        def look() -> dict[str, Any] | None:
            job = self.processing_job(name)
            return job if job["ProcessingJobStatus"] in TERMINAL else None

        job: dict[str, Any] = until(look, seconds)
        return job

    def outputs(self, name: str) -> dict[str, str]:
        """What a processing job has uploaded by now."""
        s3 = self.client("s3")
        found = s3.list_objects_v2(Bucket="out", Prefix=f"{name}/").get("Contents", [])
        return {
            item["Key"].rpartition("/")[2]: s3.get_object(Bucket="out", Key=item["Key"])["Body"]
            .read()
            .decode()
            for item in found
        }

    def assert_processed_once(self, name: str, steps: int = 0) -> None:
        """One container from begin to end, each of its files in its place, one end."""
        lines = self.log(name)
        life = lines[0].removeprefix("begin ")
        assert lines == [f"begin {life}", f"end {life}"]
        parts = {f"part-{step}": f"part {step}\n" for step in range(steps)}
        assert self.outputs(name) == {**parts, "last": life}
        job = self.processing_job(name)
        assert (job["ProcessingJobStatus"], job["ExitMessage"]) == ("Completed", "done")

    # Runs of jobs of both kinds

    def run_of(self, name: str, host: int = 1) -> RunFolder | None:
        """The newest run of a job on a host, as the store knows it."""
        query = "SELECT * FROM job_run WHERE job_name = ? AND host = ? ORDER BY attempt"
        rows = self.rows("state.db", query, name, host)
        return RunFolder(self.layout.runs / rows[-1]["run_id"]) if rows else None

    def journal(self, name: str) -> list[str]:
        folder = self.run_of(name)
        return [] if folder is None else [event.kind for event in folder.events()]

    def let_go(self, name: str) -> None:
        """Open the gate of a container that holds."""
        folder = self.run_of(name)
        assert folder is not None
        (folder.ml / "go").touch()

    def log(self, name: str, host: int | None = None) -> list[str]:
        """All lines that the containers of a job (on a host) wrote, in the order of the stream."""
        query = "SELECT segment FROM log_stream WHERE name LIKE ?"
        lines = []
        for row in self.rows("telemetry.db", query, f"{name}/%" if host is None else f"{name}/algo-{host}-%"):
            with (
                contextlib.suppress(FileNotFoundError),
                (self.layout.logs / row["segment"]).open("rb") as file,
            ):
                lines += [frame.message for frame in read_frames(file, 0)]
        return lines

    def metrics(self, name: str) -> list[float]:
        query = "SELECT value FROM job_metric WHERE arn LIKE ? ORDER BY id"
        return [row["value"] for row in self.rows("telemetry.db", query, f"%:training-job/{name}")]

    def model(self, name: str) -> dict[str, str]:
        """Content of the job's model by file name."""
        key = f"{name}/output/model.tar.gz"
        content = self.client("s3").get_object(Bucket="out", Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            files = [member for member in archive if member.isfile()]
            return {Path(one.name).name: archive.extractfile(one).read().decode() for one in files}  # type: ignore[union-attr] # files only

    def assert_ran_once(self, name: str, steps: int = 0, inputs: bytes = b"") -> None:
        """One container from begin to end, every line and metric once and in order, the model in its place."""
        lines = self.log(name)
        life = lines[0].removeprefix("begin ")
        wanted = [f"step {step} loss={step}.25;" for step in range(steps)]
        assert lines == [f"begin {life}", *wanted, f"end {life}"]
        assert self.metrics(name) == [step + 0.25 for step in range(steps)]
        assert self.model(name) == {"inputs.sha256": hashlib.sha256(inputs).hexdigest()}
        steps_taken = [step["Status"] for step in self.job(name)["SecondaryStatusTransitions"]]
        assert steps_taken[-1] == "Completed"
        assert steps_taken.count("Training") == 1
        assert "Restarting" not in steps_taken

    def assert_reported_once(self, name: str) -> None:
        """Each step of a job is one event of the bus, in order; numbers have no gaps."""
        with contextlib.closing(ReadOnlyDatabase(self.layout.state_database)) as database:
            events = Events(database).read(0, 10_000)
        assert [event.sequence for event in events] == [*range(1, len(events) + 1)]
        seen = [event.body["SecondaryStatus"] for event in events if event.subject["name"] == name]
        assert seen == [step["Status"] for step in self.job(name)["SecondaryStatusTransitions"]]

    # Endpoints

    def make_endpoint_parts(self, count: int = 1) -> None:
        sagemaker = self.client("sagemaker")
        sagemaker.create_model(
            ModelName="model", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE, "Environment": {}}
        )
        variant = {
            "VariantName": "AllTraffic", "ModelName": "model", "InstanceType": "ml.m5.large",
            "InitialInstanceCount": count, "InitialVariantWeight": 1.0,
        }  # fmt: skip
        sagemaker.create_endpoint_config(EndpointConfigName="config", ProductionVariants=[variant])

    def endpoint_status(self, name: str = "endpoint") -> str:
        """The status of an endpoint; empty where there is none."""
        try:
            found: str = self.client("sagemaker").describe_endpoint(EndpointName=name)["EndpointStatus"]
        except ClientError as error:
            if "Could not find" in str(error):
                return ""
            raise
        return found

    def invoke(self, name: str = "endpoint") -> str:
        reply = self.client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=b"x")
        content: bytes = reply["Body"].read()
        return content.decode()

    # Behind the scenes

    def rows(self, database: str, query: str, *parameters: Any) -> list[sqlite3.Row]:
        connection = sqlite3.connect(self.layout.root / database)
        connection.row_factory = sqlite3.Row
        with contextlib.closing(connection):
            return connection.execute(query, parameters).fetchall()

    def supervisors(self) -> list[int]:
        """Process ids of all supervisors below this data directory."""
        marker = os.fsencode(self.layout.runs)
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with contextlib.suppress(OSError):
                    command = (folder / "cmdline").read_bytes()
                    if b"wildsage.supervisor\0" + marker in command and b"\0sh\0" not in command:
                        found.append(int(folder.name))
        return found

    def assert_nothing_left(self) -> None:
        """No process, no run folder, no token, no unsettled run; both databases are sound."""
        until(lambda: not self.supervisors())
        until(lambda: not list(self.layout.runs.iterdir()))
        assert not self.rows("state.db", "SELECT * FROM run_token")
        assert not self.rows("state.db", "SELECT * FROM job_run WHERE state <> 'settled'")
        assert not self.rows("state.db", "SELECT * FROM endpoint_worker")
        for database in ("state.db", "telemetry.db"):
            assert self.rows(database, "PRAGMA integrity_check")[0][0] == "ok"


def connection_lost() -> tuple[type[Exception], ...]:
    """What boto3 raises where the server died under a request: nobody knows whether it was carried out."""
    return (HTTPClientError, BotoConnectionError)
