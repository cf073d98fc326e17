"""The proxy as a process of its own."""

import asyncio
import json
import os
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.clients.support import Running

from wildsage.clients import service
from wildsage.clients.service import ProxyNotStartedError, ensure_proxy, running_proxy, stop_proxy

REQUEST = b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@pytest.fixture
def directory(layout):
    yield layout
    stop_proxy(layout)


def pid_of(layout):
    return json.loads((layout.clients / "proxy.json").read_text())["pid"]


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_one_process_for_a_directory_and_its_end(directory, server):
    assert running_proxy(directory) is None
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: ensure_proxy(directory, os.environ), range(2))
    assert first == second == running_proxy(directory) == ensure_proxy(directory, os.environ)
    assert b"200 OK" in Running(first, directory.root).talk(REQUEST)
    assert os.getsid(pid_of(directory)) == pid_of(directory)
    assert stop_proxy(directory)
    assert running_proxy(directory) is None
    assert not stop_proxy(directory)


def test_after_a_crash_it_comes_back_under_its_port(directory, server):
    first = ensure_proxy(directory, os.environ)
    os.kill(pid_of(directory), signal.SIGKILL)
    wait_until(lambda: running_proxy(directory) is None)
    assert ensure_proxy(directory, os.environ) == first
    assert b"200 OK" in Running(first, directory.root).talk(REQUEST)


def test_one_that_cannot_start_names_its_log(directory):
    (directory.authority / "authority.pem").write_text("damaged")
    (directory.authority / "authority.pem").chmod(0o600)
    with pytest.raises(ProxyNotStartedError, match=r"proxy\.log"):
        ensure_proxy(directory, os.environ)
    assert "is damaged" in (directory.clients / "proxy.log").read_text()


def test_it_ends_when_its_directory_is_gone(layout, monkeypatch):
    monkeypatch.setattr(service, "_LOOK_SECONDS", 0.02)

    async def run():
        task = asyncio.ensure_future(service._run(layout, 0))
        while not (layout.clients / "proxy.json").exists():
            await asyncio.sleep(0.01)
        shutil.rmtree(layout.root)
        await asyncio.wait_for(task, 10)

    asyncio.run(run())
