"""CloudWatch Logs behind a live gateway, and boto3 in front."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from tests.live import client, serve

from wildsage.aws.authentication import Authenticator
from wildsage.aws.gateway import Gateway
from wildsage.core.clock import SystemClock
from wildsage.core.credentials import AccessKey
from wildsage.services.logs.handlers import logs_handlers
from wildsage.services.logs.metric_counting import MetricCounting
from wildsage.store.database import Database
from wildsage.store.logs import LogStreams

KEY = AccessKey("AKIDEXAMPLE", "secret", None, "123456789012", "arn:aws:sts::123456789012:assumed-role/R/s")


@dataclass
class Cloud:
    """The service, and the store behind it for what supervisors do."""

    url: str
    store: LogStreams

    def client(self, region: str = "us-west-2") -> Any:
        return client("logs", self.url, region=region)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One server for all tests: to read the service's model takes longer than most of them."""
    folder = tmp_path_factory.mktemp("logs")
    database, clock = Database(folder / "telemetry.db", "telemetry", durable=False), SystemClock()
    store = LogStreams(database, folder)
    store.on_events(MetricCounting(clock))
    gateway = Gateway(
        handlers={"logs": logs_handlers(store)},
        authenticate=Authenticator({KEY.access_key_id: KEY}.get, clock),
        authorize=lambda *_: None,
        internal={},
        clock=clock,
    )
    with serve(gateway) as url:
        cloud = Cloud(url, store)
        yield cloud, cloud.client()
    database.close()


@pytest.fixture
def cloud(served):
    """A service without groups."""
    cloud, _ = served
    for region in ("us-west-2", "eu-west-1", "eu-central-1"):
        for group in cloud.store.groups(KEY.account, region):
            asyncio.run(cloud.store.delete_group(group))
    return cloud


@pytest.fixture
def logs(cloud, served):
    return served[1]
