"""Serve a gateway on a free port for real clients, inside the test's own process."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import uvloop

from wildsage.aws.connection import Answer, Limits
from wildsage.aws.server import Server

_GRACE_SECONDS = 5.0


@contextlib.contextmanager
def listening() -> Iterator[socket.socket]:
    """Yield a socket that listens: a client that comes before the server waits in its backlog."""
    with socket.create_server(("127.0.0.1", 0), backlog=600) as listener:
        yield listener


@contextlib.contextmanager
def serving(answer: Answer, limits: Limits | None = None) -> Iterator[tuple[str, int]]:
    """Yield the address at which `answer` is served in a thread, until the block ends."""
    ending: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run(listener: socket.socket) -> None:
        server, end = Server(answer, limits), asyncio.Event()
        await server.start(listener)
        ending.set_result((asyncio.get_running_loop(), end))
        await end.wait()
        await server.stop(_GRACE_SECONDS)

    with listening() as listener:
        thread = threading.Thread(target=lambda: uvloop.run(run(listener)), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            loop, end = ending.result(10)
            loop.call_soon_threadsafe(end.set)
            thread.join(timeout=10)


@contextlib.contextmanager
def serve(gateway: Any) -> Iterator[str]:
    """Yield the URL of `gateway`, served in a thread until the block ends."""
    with serving(gateway.answer) as (host, port):
        yield f"http://{host}:{port}"


def client(service: str, url: str, *, region: str = "us-west-2", **options: Any) -> Any:
    """Return a boto3 client of `service` that talks to `url`, without retries."""
    import boto3
    from botocore.config import Config

    config = Config(retries={"total_max_attempts": 1}, **options.pop("config", {}))
    keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret", **options}
    return boto3.session.Session().client(
        service, region_name=region, endpoint_url=url, config=config, **keys
    )
