"""CloudWatch Logs behind a live gateway, and boto3 in front."""

from dataclasses import dataclass
from typing import Any

import pytest
from tests.live import client, serve

from wildsage.aws.authentication import Authenticator
from wildsage.aws.gateway import Gateway
from wildsage.core.clock import SystemClock
from wildsage.core.credentials import AccessKey
from wildsage.services.logs.handlers import logs_handlers
from wildsage.store.logs import LogStreams

KEY = AccessKey("AKIDEXAMPLE", "secret", None, "123456789012", "arn:aws:sts::123456789012:assumed-role/R/s")


@dataclass
class Cloud:
    """The service, and the store behind it for what supervisors do."""

    url: str
    store: LogStreams

    def client(self, region: str = "us-west-2") -> Any:
        return client("logs", self.url, region=region)


@pytest.fixture
def cloud(telemetry, tmp_path):
    folder = tmp_path / "segments"
    folder.mkdir()
    store, clock = LogStreams(telemetry, folder), SystemClock()
    gateway = Gateway(
        handlers={"logs": logs_handlers(store)},
        authenticate=Authenticator({KEY.access_key_id: KEY}.get, clock),
        authorize=lambda *_: None,
        internal={},
        clock=clock,
    )
    with serve(gateway) as url:
        yield Cloud(url, store)


@pytest.fixture
def logs(cloud):
    return cloud.client()
