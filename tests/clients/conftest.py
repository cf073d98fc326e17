"""A server to be brought to, and a proxy before it."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.support import Echo, Running, echo_server, say_server

from wildsage.clients.authority import Authority
from wildsage.clients.discovery import read_server
from wildsage.clients.outbound import Outbound
from wildsage.clients.proxy import Proxy
from wildsage.clients.server_link import ServerLink
from wildsage.clients.service import proxy_in_thread
from wildsage.clients.trust import write_bundle
from wildsage.core.clock import SystemClock
from wildsage.store.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "data")
    layout.make()
    keys = {"access_key_id": "WAKIDEXAMPLE", "secret_access_key": "wsecret"}
    layout.credentials.write_text(json.dumps(keys))
    return layout


@pytest.fixture
def server(layout: Layout) -> Iterator[Echo]:
    with echo_server() as echo:
        say_server(layout, echo.port)
        yield echo


@pytest.fixture
def authority(layout: Layout) -> Authority:
    return Authority(layout.authority, SystemClock())


@pytest.fixture
def start_proxy(layout: Layout, authority: Authority):
    """Return a function that starts a proxy for a user's environment."""
    with contextlib.ExitStack() as stack:

        def start(environ: dict[str, str] | None = None, patience: float = 15.0) -> Running:
            link = ServerLink(lambda: read_server(layout), "wildsage up -d", SystemClock(), patience)
            bundle = write_bundle({}, authority.certificate, layout.clients)
            outbound = Outbound.from_environment(environ or {}, bundle)
            url = stack.enter_context(proxy_in_thread(Proxy(link, authority, outbound)))
            return Running(url, bundle)

        yield start


@pytest.fixture
def proxy(start_proxy, server: Echo) -> Running:
    return start_proxy()
