"""What a scrape of a whole server shows, and to whom."""

import asyncio
import json
import urllib.error
import urllib.request

import pytest
from tests.aws.support import request
from tests.served import ServedApplication

from wildsage.core.instruments import Instruments
from wildsage.observe.metrics import Metrics


@pytest.mark.parametrize(
    ("peer", "host", "status"),
    [
        ("127.0.0.1", "127.0.0.1:8172", 200),
        ("127.0.0.1", "localhost", 200),
        ("::1", "[::1]:8172", 200),
        ("127.0.0.1", "evil.example.com:8172", 403),  # a name that was made to lead here
        ("10.0.0.7", "127.0.0.1:8172", 403),
        ("10.0.0.7", "10.0.0.1:8172", 403),
        ("", "127.0.0.1", 403),
    ],
)
def test_it_is_told_on_this_machine_only(peer, host, status):
    instruments = Instruments()
    instruments.counter("told_total", "x").add()
    sent = request("GET", "/metrics", headers={"host": host})
    sent.peer = peer
    response = asyncio.run(Metrics(instruments)(sent))
    assert response.status == status
    assert (b"told_total 1" in response.body) is (status == 200)


def scrape(url):
    with urllib.request.urlopen(f"{url}/metrics") as response:
        assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        lines = response.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServedApplication(tmp_path_factory.mktemp("server")) as made:
        yield made


def test_a_servers_numbers(server):
    before = scrape(server.url)
    server.client("s3").create_bucket(
        Bucket="metrics", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    server.client("s3").list_objects_v2(Bucket="metrics")
    role = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
    image = "174872318107.dkr.ecr.us-west-2.amazonaws.com/kmeans:1"
    server.client("sagemaker").create_model(
        ModelName="m", ExecutionRoleArn=role, PrimaryContainer={"Image": image, "Mode": "SingleModel"}
    )
    found = scrape(server.url)
    assert found['wildsage_requests_total{service="s3",operation="CreateBucket",status="200",code=""}'] == 1
    assert found['wildsage_request_duration_seconds_count{service="s3",operation="CreateBucket"}'] == 1
    assert found['wildsage_resources{kind="model",status=""}'] == 1
    commits = 'wildsage_store_commits_total{database="state"}'
    assert found[commits] >= before[commits] + 2
    for name in (
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "wildsage_capacity_cores",
        'wildsage_store_bytes{database="state"}',
        'wildsage_store_wal_bytes{database="state"}',
        "wildsage_disk_free_bytes",
    ):
        assert found[name] > 0, name
    for name in ("wildsage_jobs_waiting", "wildsage_capacity_cores_used", "wildsage_log_bytes"):
        assert found[name] == 0, name


def test_health_is_told_to_whoever_asks(server):
    for path in ("/health", "/_wildsage/health"):
        with urllib.request.urlopen(server.url + path) as response:
            assert json.load(response)["ready"] is True
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(f"{server.url}/health?x=1"))
    assert refused.value.code == 403  # an unsigned question about a bucket
