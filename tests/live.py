"""Serve an ASGI application on a free port for real clients, inside the test's own process."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn


@contextlib.contextmanager
def serve(application: Any) -> Iterator[str]:
    """Yield the URL of `application`, served by uvicorn in a thread until the block ends."""
    # With the protocol named, asyncio turns Nagle's algorithm off.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    config = uvicorn.Config(application, log_config=None, server_header=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    # The socket listens already: a client that comes before the loop turns waits in its backlog.
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


def client(service: str, url: str, *, region: str = "us-west-2", **options: Any) -> Any:
    """Return a boto3 client of `service` that talks to `url`, without retries."""
    import boto3
    from botocore.config import Config

    config = Config(retries={"total_max_attempts": 1}, **options.pop("config", {}))
    keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret", **options}
    return boto3.session.Session().client(
        service, region_name=region, endpoint_url=url, config=config, **keys
    )
