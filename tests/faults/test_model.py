"""Random days of a platform against a simple model: in one process, and with a server that is killed."""

import asyncio
import contextlib
import shutil
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from tests.faults.model import NAMES, LostError, PlatformMachine, refused
from tests.faults.platform import CONTAINER, REGION, Platform, connection_lost
from tests.served import composed

from wildsage.app import Settings
from wildsage.core.clock import SystemClock
from wildsage.core.context import RequestContext
from wildsage.core.errors import ServiceError
from wildsage.images.registered import RegisteredImages
from wildsage.store.layout import Layout
from wildsage.supervisor.folder import living_runs

ACCOUNT = "123456789012"


class InProcess(PlatformMachine):
    """The application itself, without the wire; a restart closes it and opens another one."""

    def __init__(self):
        super().__init__()
        self._root = Path(tempfile.mkdtemp(prefix="model-"))
        self._layout = Layout(self._root / "data")
        self._layout.make()
        RegisteredImages(self._layout.images).add_command(
            self.image, [sys.executable, "-S", "-u", str(CONTAINER)]
        )
        self._loop = asyncio.Runner()
        self._composed = contextlib.ExitStack()
        self._begin()

    def _begin(self):
        made = Settings(self._layout, self._root / "cache", ACCOUNT, "http://127.0.0.1:9")
        self._clock = SystemClock()

        async def begin():
            self._application = self._composed.enter_context(composed(made))
            await self._application.start()

        self._loop.run(begin())

    def _end(self):
        self._loop.run(self._application.stop())
        self._composed.close()

    def call(self, operation, **members):
        owner = f"arn:aws:iam::{ACCOUNT}:root"
        context = RequestContext(ACCOUNT, REGION, "aws", owner, str(uuid.uuid4()), self._clock)
        handler = self._application.handlers["sagemaker"][operation]
        try:
            return self._loop.run(handler(context, members))
        except ServiceError as error:
            raise refused(error) from None

    def restart(self):
        self._end()
        self._begin()

    def teardown(self):
        self._end()
        self._loop.close()
        deadline = time.monotonic() + 20
        while living := living_runs(self._layout.runs):
            for folder in living:
                folder.request_stop()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        shutil.rmtree(self._root, ignore_errors=True)


class Killed(PlatformMachine):
    """A server process; a restart is ``kill -9``, also under a request."""

    def __init__(self):
        super().__init__()
        self._root = Path(tempfile.mkdtemp(prefix="model-"))
        self._platform = Platform(self._root)
        self._platform.start()

    def call(self, operation, **members):
        try:
            return self._platform.client("sagemaker")._make_api_call(operation, members)
        except ClientError as error:
            raise refused(error) from None
        except connection_lost():
            raise LostError from None

    def restart(self):
        self._platform.restart()

    @rule(name=NAMES, milliseconds=st.integers(0, 20))
    def dies_under_a_create(self, name, milliseconds):
        killer = threading.Timer(milliseconds / 1000, self._platform.kill)
        killer.start()
        try:
            self.create("training-job", name, "ResourceInUse", **self.job_members(hold=False))
        finally:
            killer.join()
            self._platform.start()

    def teardown(self):
        self._platform.end()
        shutil.rmtree(self._root, ignore_errors=True)


def drive(machine, **bounds):
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        machine, settings=settings(deadline=None, suppress_health_check=checks, **bounds)
    )


def test_a_platform_is_what_its_model_says():
    drive(InProcess, max_examples=4, stateful_step_count=12, derandomize=True)


@pytest.mark.faults
def test_a_platform_is_what_its_model_says_through_many_days():
    drive(InProcess, max_examples=20, stateful_step_count=40)


@pytest.mark.faults
def test_a_platform_whose_server_is_killed_is_what_its_model_says():
    drive(Killed, max_examples=6, stateful_step_count=30)
