"""A whole server on a thread of the test's own process, for real boto3 clients."""

import asyncio
import contextlib
import json
import socket
import threading
from concurrent.futures import Future

import boto3
import uvloop
from botocore.config import Config

from wildsage.app import Application, Settings
from wildsage.aws.server import Server
from wildsage.compute.select import choose
from wildsage.core.clock import SystemClock
from wildsage.observe.health import Health
from wildsage.store.layout import Layout
from wildsage.store.opened import OpenStore
from wildsage.supervisor.folder import RunFolder

REGION = "us-west-2"


@contextlib.contextmanager
def composed(settings, sandbox="auto", clock=None):
    """Yield an application that has not started; its store is closed behind the block."""
    with OpenStore(settings.layout, settings.account) as store:
        health = Health(settings.layout.root, (store.state, store.telemetry))
        yield Application(settings, store, health, clock or SystemClock(), choose(sandbox))


class ServedApplication:
    """An application on the data directory ``FOLDER/data``, until the block ends."""

    def __init__(self, folder, clock=None):
        self.layout = Layout(folder / "data")
        self.layout.make()
        self._clock = clock
        self._cache = folder / "cache"
        self._ready: Future = Future()

    def __enter__(self):
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.url = self._ready.result(20)
        keys = json.loads(self.layout.credentials.read_text())
        self.session = boto3.Session(
            aws_access_key_id=keys["access_key_id"],
            aws_secret_access_key=keys["secret_access_key"],
            region_name=REGION,
        )
        return self

    def __exit__(self, *_error):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(20)
        for path in self.layout.runs.iterdir():
            RunFolder(path).request_stop()

    def client(self, service):
        config = Config(retries={"total_max_attempts": 1})
        return self.session.client(service, endpoint_url=self.url, config=config)

    def _serve(self):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        async def run(application):
            server = Server(application.gateway.answer)
            self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
            await application.start()
            await server.start(listener)
            self._ready.set_result(url)
            await self._end.wait()
            await server.stop(5)
            await application.stop()

        try:
            settings = Settings(self.layout, self._cache, "123456789012", url)
            with composed(settings, clock=self._clock) as application:
                uvloop.run(run(application))
        except Exception as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)
