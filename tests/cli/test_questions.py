"""What the subcommands that ask the server say, also where it refuses, is gone, or knows nothing."""

import asyncio
import socket
import subprocess
import sys
import threading

import pytest
from tests.clients.support import free_port, say_server
from tests.live import serve

from wildsage.aws.authentication import Authenticator
from wildsage.aws.gateway import Gateway
from wildsage.cli.main import main
from wildsage.core.clock import SystemClock
from wildsage.core.credentials import AccessKey
from wildsage.core.errors import AccessDeniedError, ValidationError
from wildsage.services.logs.handlers import logs_handlers
from wildsage.store.database import Database
from wildsage.store.logs import LogStreams

ACCOUNT = "123456789012"
KEY = AccessKey("WAK", "secret", None, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")
JOBS = "/aws/sagemaker/TrainingJobs"
PROCESSING = "/aws/sagemaker/ProcessingJobs"


class SageMaker:
    """Jobs and endpoints by name, with their statuses."""

    def __init__(self, logs):
        self.logs = logs
        self.forget()

    def forget(self):
        self.jobs, self.processing, self.endpoints, self.described = {}, {}, {}, 0
        for group in self.logs.groups(ACCOUNT, "eu-west-1"):
            asyncio.run(self.logs.delete_group(group))

    def handlers(self):
        return {
            "ListTrainingJobs": self.list_jobs,
            "ListProcessingJobs": self.list_processing,
            "ListHyperParameterTuningJobs": self.list_tuning,
            "ListEndpoints": self.list_endpoints,
            "DescribeTrainingJob": self.describe_job,
            "DescribeProcessingJob": self.describe_processing,
            "StopTrainingJob": self.describe_job,
            "StopProcessingJob": self.stop_processing,
            "DescribeEndpoint": self.describe_endpoint,
            "DeleteEndpoint": self.delete_endpoint,
        }

    async def list_jobs(self, _context, request):
        names = sorted(self.jobs)
        after, limit = int(request.get("NextToken", 0)), request.get("MaxResults", 10)
        page = [
            {"TrainingJobName": n, "TrainingJobArn": f"arn:aws:sagemaker:{n}", "TrainingJobStatus": self.jobs[n], "CreationTime": 1.0}
            for n in names[after : after + limit]
        ]  # fmt: skip
        more = after + limit < len(names)
        return {"TrainingJobSummaries": page, "NextToken": str(after + limit) if more else None}

    async def list_endpoints(self, _context, _request):
        times = {"CreationTime": 1.0, "LastModifiedTime": 1.0}
        return {
            "Endpoints": [
                {"EndpointName": n, "EndpointArn": f"arn:aws:sagemaker:{n}", "EndpointStatus": status, **times}
                for n, status in self.endpoints.items()
            ]
        }  # fmt: skip

    async def describe_job(self, _context, request):
        if request["TrainingJobName"] not in self.jobs:
            raise ValidationError("Requested resource not found.")
        return {"TrainingJobStatus": self.jobs[request["TrainingJobName"]]}

    async def list_processing(self, _context, _request):
        return {
            "ProcessingJobSummaries": [
                {"ProcessingJobName": n, "ProcessingJobArn": f"arn:aws:sagemaker:{n}", "ProcessingJobStatus": status, "CreationTime": 1.0}
                for n, status in self.processing.items()
            ]
        }  # fmt: skip

    async def list_tuning(self, _context, _request):
        return {"HyperParameterTuningJobSummaries": []}

    async def describe_processing(self, _context, request):
        if request["ProcessingJobName"] not in self.processing:
            raise ValidationError("Could not find requested job")
        return {"ProcessingJobStatus": self.processing[request["ProcessingJobName"]]}

    async def stop_processing(self, context, request):
        await self.describe_processing(context, request)
        self.processing[request["ProcessingJobName"]] = "Stopped"
        return {}

    async def describe_endpoint(self, _context, request):
        self.described += 1
        if self.described > 2:  # deleted while somebody follows its log
            self.endpoints.clear()
        if request["EndpointName"] not in self.endpoints:
            raise ValidationError("Could not find endpoint")
        return {"EndpointName": request["EndpointName"]}

    async def delete_endpoint(self, _context, _request):
        raise AccessDeniedError("no sagemaker:DeleteEndpoint")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One server for all tests: to read the services' models takes longer than most of them."""
    folder, clock = tmp_path_factory.mktemp("served"), SystemClock()
    telemetry = Database(folder / "telemetry.db", "telemetry", durable=False)
    sagemaker = SageMaker(LogStreams(telemetry, folder))
    handlers = {"sagemaker": sagemaker.handlers(), "logs": logs_handlers(sagemaker.logs)}
    authenticate = Authenticator({KEY.access_key_id: KEY}.get, clock)
    with serve(Gateway(handlers, authenticate, lambda *_: None, {}, clock)) as url:
        yield sagemaker, int(url.rpartition(":")[2])
    telemetry.close()


@pytest.fixture
def platform(served, layout):
    sagemaker, port = served
    sagemaker.forget()
    say_server(layout, port)
    return sagemaker


@pytest.fixture
def wildsage(layout, capsys):
    def run(*words):
        code = main([*words, "--data-dir", str(layout.root)])
        return code, *capsys.readouterr()

    return run


def log(platform, group, stream, *lines):
    attached = asyncio.run(platform.logs.attach(ACCOUNT, "eu-west-1", group, stream, 1.0))
    asyncio.run(platform.logs.append(attached, [(1000, line) for line in lines], 1.0))


def test_lists_are_as_long_as_was_asked(platform, wildsage):
    platform.jobs = {f"job-{number:03}": "Completed" for number in range(120)}
    platform.endpoints = {"end": "InService"}
    code, out, _ = wildsage("ls", "-n", "110")
    assert code == 0
    assert out.count("training-job") == 110
    assert "end" in out
    with pytest.raises(SystemExit):
        wildsage("ls", "-n", "0")


def test_the_status_counts(platform, wildsage):
    platform.jobs = {"a": "Completed", "b": "Failed", "c": "Failed"}
    code, out, _ = wildsage("status")
    assert (code, "1 Completed, 2 Failed" in out, "endpoints none" in " ".join(out.split())) == (
        0,
        True,
        True,
    )


def test_processing_jobs_are_listed_counted_followed_and_stopped(platform, wildsage):
    platform.jobs = {"other": "Completed"}
    platform.processing = {"job": "Completed", "long": "InProgress"}
    assert "processing-job" in wildsage("ls")[1]
    assert "processing jobs 1 Completed, 1 InProgress" in " ".join(wildsage("status")[1].split())
    log(platform, PROCESSING, "job/algo-1-1", "row 1")
    assert wildsage("logs", "-f", "job") == (0, "row 1\n", "")
    log(platform, JOBS, "job/algo-1-1", "epoch 1")
    code, _, err = wildsage("logs", "job")
    assert code == 1
    assert "--job or --processing-job or --endpoint" in err
    assert wildsage("logs", "job", "--processing-job") == (0, "row 1\n", "")
    assert wildsage("stop", "long") == (0, "Stopping processing job long.\n", "")
    assert platform.processing["long"] == "Stopped"


def test_the_log_of_an_endpoint_is_followed_until_it_is_gone(platform, wildsage):
    platform.endpoints = {"end": "InService"}
    log(platform, "/aws/sagemaker/Endpoints/end", "AllTraffic/i-1", "first", "second")
    assert wildsage("logs", "-f", "end") == (0, "first\nsecond\n", "")
    assert platform.described == 3


def test_the_log_of_a_job_ends_with_it(platform, wildsage):
    platform.jobs = {"job": "Failed"}
    log(platform, JOBS, "job/algo-1-1", "epoch 1")
    log(platform, JOBS, "job-2/algo-1-1", "of another job")
    assert wildsage("logs", "-f", "job") == (0, "epoch 1\n", "")


@pytest.mark.parametrize("words", [("logs", "typo"), ("logs", "-f", "typo"), ("stop", "typo")])
def test_an_unknown_name_is_said_at_once(platform, wildsage, words):
    code, out, err = wildsage(*words)
    assert (code, out) == (1, "")
    assert "named typo" in err


def test_what_the_server_refuses_is_one_line(platform, wildsage):
    code, _, err = wildsage("ls", "--region", "nowhere-1")
    assert code == 1
    assert err.startswith("wildsage: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("command", [("ls",), ("status",), ("logs", "x"), ("stop", "x")])
def test_a_server_that_went_away_is_one_line(layout, wildsage, command):
    listener = socket.create_server(("127.0.0.1", 0))
    say_server(layout, listener.getsockname()[1])

    def answer_the_look_for_a_server_and_go():
        listener.accept()[0].close()
        listener.close()

    thread = threading.Thread(target=answer_the_look_for_a_server_and_go)
    thread.start()
    code, _, err = wildsage(*command)
    thread.join()
    assert code == 1
    assert "start it with `wildsage up -d" in err
    assert len(err.splitlines()) == 1


def test_a_reader_that_has_seen_enough_is_no_error(layout, platform):
    log(platform, JOBS, "job/algo-1-1", *("x" * 1000 for _ in range(500)))
    platform.jobs = {"job": "Completed"}
    command = [sys.executable, "-m", "wildsage", "logs", "job", "--data-dir", str(layout.root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(20) == 141


def test_no_server_at_all_is_told_with_the_way_out(layout, wildsage):
    say_server(layout, free_port())
    code, _, err = wildsage("down")
    assert code == 1
    assert "start it with" in err
