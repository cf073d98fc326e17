"""CloudWatch behind a live gateway, and boto3 in front."""

import asyncio
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.live import serve

from wildsage.aws.authentication import Authenticator
from wildsage.aws.gateway import Gateway
from wildsage.core.clock import SystemClock
from wildsage.core.credentials import AccessKey
from wildsage.services.cloudwatch.handlers import cloudwatch_handlers
from wildsage.store.alarms import Alarms
from wildsage.store.database import Database
from wildsage.store.metrics import MetricStore
from wildsage.store.resources import Resources
from wildsage.store.tags import Tags
from wildsage.telemetry.evaluator import AlarmEvaluator

KEY = AccessKey("AKIDEXAMPLE", "secret", None, "123456789012", "arn:aws:sts::123456789012:assumed-role/R/s")


@dataclass
class Cloud:
    """The service, and what stands behind it."""

    url: str
    metrics: MetricStore
    alarms: Alarms

    def client(self, protocol: str | None = None, region: str = "us-west-2") -> Any:
        """Return a client; it speaks what boto3 prefers unless a protocol is given."""
        session = boto3.session.Session()
        if protocol is not None:
            loader = session._session.get_component("data_loader")
            model = loader.load_service_model("cloudwatch", "service-2")
            model["metadata"]["protocols"] = [protocol]
            model["metadata"]["protocol"] = protocol
        return session.client(
            "cloudwatch",
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def evaluate(self) -> None:
        """Let a fresh evaluator look at all alarms once."""
        asyncio.run(self._evaluate())

    async def _evaluate(self) -> None:
        await AlarmEvaluator(self.alarms, self.metrics, SystemClock()).evaluate()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """One server for all tests of a module; each test uses a namespace and alarm names of its own."""
    folder, clock = tmp_path_factory.mktemp("cloudwatch"), SystemClock()
    telemetry = Database(folder / "telemetry.db", "telemetry", durable=False)
    state = Database(folder / "state.db", "state")
    metrics, alarms = MetricStore(telemetry), Alarms(Resources(state))
    gateway = Gateway(
        handlers={"cloudwatch": cloudwatch_handlers(metrics, alarms, Tags(state))},
        authenticate=Authenticator({KEY.access_key_id: KEY}.get, clock),
        authorize=lambda *_: None,
        internal={},
        clock=clock,
    )
    with serve(gateway) as url:
        yield Cloud(url, metrics, alarms)
    telemetry.close()
    state.close()


@pytest.fixture(scope="module")
def cloudwatch(cloud):
    return cloud.client()
