"""A server answers before it has loaded what carries out requests: who comes early waits, and is served."""

import json
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from wildsage.store.layout import Layout

ANSWERING_ROOMS = {"aws", "cli", "clients", "core", "observe", "store", "supervisor", "upkeep"}
"""Rooms of which something is loaded when a server answers: the wire, the open store, and locks."""

HELD_BACK = """
import sys
from wildsage.cli import server, up
from wildsage.cli.main import main

def load(module, own=server.load_for_good):
    if module != "wildsage.app":
        return own(module)
    refusal = sys.stdin.readline().strip()  # until the test goes on
    app = own(module)
    if refusal:
        def refuse(*_):
            raise OSError(refusal)
        app.Application = refuse
    return app

def say(info, announce=up.announce):
    announce(info)
    print(*sys.modules, flush=True)

server.load_for_good, up.announce = load, say
sys.exit(main(["up", "--port", "0", "--data-dir", sys.argv[1]]))
"""


@pytest.fixture
def starting(tmp_path):
    """A server that answers; it goes on with its start at the next line that it gets."""
    layout = Layout(tmp_path / "data")
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", HELD_BACK, str(layout.root)], text=True, **pipes) as process:
        url = process.stdout.readline().split()[4]
        process.stdout.readline()  # how to use it
        modules = process.stdout.readline().split()
        yield SimpleNamespace(layout=layout, process=process, url=url, modules=modules)
        process.kill()


def go_on(starting, refusal=""):
    starting.process.stdin.write(f"{refusal}\n")
    starting.process.stdin.flush()


def health(starting):
    with urllib.request.urlopen(f"{starting.url}/_wildsage/health") as response:
        return json.load(response)["status"]


def early(starting, service):
    keys = json.loads(starting.layout.credentials.read_text())
    return boto3.client(
        service,
        region_name="us-west-2",
        endpoint_url=starting.url,
        aws_access_key_id=keys["access_key_id"],
        aws_secret_access_key=keys["secret_access_key"],
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_nobody_waits_for_what_an_answer_does_not_need(starting):
    own = [name.split(".") for name in starting.modules if name.startswith("wildsage.")]
    assert {name[1] for name in own} <= ANSWERING_ROOMS
    for name in ("wildsage.aws.gateway", "wildsage.supervisor.contract", "botocore", "http.client", "uuid"):
        assert name not in starting.modules


def test_who_comes_early_is_served_in_its_turn(starting):
    clients = {service: early(starting, service) for service in ("sts", "s3", "sagemaker")}
    asks = (
        clients["sts"].get_caller_identity,
        clients["s3"].list_buckets,
        clients["sagemaker"].list_training_jobs,
    )
    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(ask) for ask in asks]
        scraped = threads.submit(urllib.request.urlopen, f"{starting.url}/health")
        assert health(starting) == health(starting) == "ok"
        assert not any(answer.done() for answer in (*answers, scraped))
        go_on(starting)
        identity, buckets, jobs = (answer.result(20) for answer in answers)
        with scraped.result(20) as response:
            assert response.status == 200
    assert identity["Account"] == "123456789012"
    assert (buckets["Buckets"], jobs["TrainingJobSummaries"]) == ([], [])


def test_a_server_that_is_ended_while_it_starts_closes_its_store(starting):
    starting.process.terminate()
    go_on(starting)
    assert starting.process.wait(20) == 0
    assert not starting.layout.server.exists()
    assert not list(starting.layout.root.glob("*-wal"))


def test_what_cannot_be_started_is_told_and_ends_the_server(starting):
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(early(starting, "sts").get_caller_identity)
        assert health(starting) == "ok"
        go_on(starting, "no such luck")
        with pytest.raises(ConnectionClosedError):
            answer.result(20)
    assert starting.process.wait(20) == 1
    said = f"wildsage: cannot serve {starting.layout.root}: no such luck\n"
    assert starting.process.stderr.read() == said
    assert not starting.layout.server.exists()
    assert not list(starting.layout.root.glob("*-wal"))
