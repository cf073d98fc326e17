"""Running the proxy: inside of `wildsage run`, or as a process of its own that `wildsage env` starts.

There is one such process for a data directory. It holds a lock for as long as it lives and says in a JSON
file where it listens; it takes the same port again after a restart, so that shells which were set up
before stay so. It ends with `stop_proxy`, or when its data directory is gone.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from wildsage.clients.authority import Authority
from wildsage.clients.discovery import read_server, start_command
from wildsage.clients.outbound import Outbound
from wildsage.clients.proxy import Proxy
from wildsage.clients.server_link import ServerLink
from wildsage.clients.trust import write_bundle
from wildsage.core.clock import SystemClock
from wildsage.store import file_lock
from wildsage.store.layout import Layout

_START_SECONDS = 15.0
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.05
_LOOK_SECONDS = 30.0
_LOCK_PATIENCE_SECONDS = 0.02


class ProxyNotStartedError(Exception):
    """The proxy's process did not come up. The text says where its log is."""


def new_proxy(layout: Layout, authority: Authority, environ: Mapping[str, str]) -> Proxy:
    """Make the proxy of a data directory for a user with this environment (see `environment.original`)."""
    clock = SystemClock()
    bundle = write_bundle(environ, authority.certificate, layout.clients)
    link = ServerLink(lambda: read_server(layout), start_command(layout), clock)
    return Proxy(link, authority, Outbound.from_environment(environ, bundle))


@contextlib.contextmanager
def proxy_in_thread(proxy: Proxy) -> Iterator[str]:
    """Run a proxy beside the calling thread until the block ends; yields its URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxy", daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(proxy.start(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(proxy.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextlib.contextmanager
def proxy_beside(layout: Layout, environ: Mapping[str, str]) -> Iterator[str]:
    """Be the proxy of a data directory until the block ends, beside the calling thread; yields its URL.

    Whoever asks for the data directory's proxy process is told this one.

    Raises
    ------
    ProxyNotStartedError
        If the data directory has a proxy.
    """
    if not _take_lock(layout):
        raise ProxyNotStartedError(f"{layout.root} has a proxy already")
    authority = Authority(layout.authority, SystemClock())
    with proxy_in_thread(new_proxy(layout, authority, environ)) as url:
        _say(layout, url)
        yield url


# The process of its own


def running_proxy(layout: Layout) -> str | None:
    """Return the URL of the data directory's proxy process; None where none runs."""
    said = _said(layout)
    return said.url if said and not _lock_is_free(layout) else None


def ensure_proxy(layout: Layout, environ: Mapping[str, str]) -> str:
    """Return the URL of the data directory's proxy process, started if none runs.

    Parameters
    ----------
    environ
        The user's environment, whose proxies a new process will chain.

    Raises
    ------
    ProxyNotStartedError
        If it does not come up.
    """
    layout.clients.mkdir(mode=0o700, parents=True, exist_ok=True)
    deadline = time.monotonic() + _START_SECONDS
    process: subprocess.Popen[bytes] | None = None
    while (url := running_proxy(layout)) is None:
        # One that ends with 0 found that another one had been faster.
        code = 0 if process is None else process.poll()
        if code or time.monotonic() > deadline:
            raise ProxyNotStartedError(f"the proxy did not start: see {_log_path(layout)}")
        if code == 0:
            process = _launch(layout, environ)
        time.sleep(_POLL_SECONDS)
    return url


def stop_proxy(layout: Layout) -> bool:
    """End the data directory's proxy process, if one runs. Returns whether one did."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        said = _said(layout)
        if said is None or _lock_is_free(layout):
            return number == signal.SIGKILL
        with contextlib.suppress(ProcessLookupError):
            os.kill(said.pid, number)
        deadline = time.monotonic() + _STOP_SECONDS
        while not _lock_is_free(layout) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
    return True


def main(root: str) -> int:
    """Be the proxy process of a data directory."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    layout = Layout(Path(root))
    if not _take_lock(layout):
        return 0
    before = _said(layout)
    _said_path(layout).unlink(missing_ok=True)
    asyncio.run(_run(layout, before.port if before else 0))
    return 0


async def _run(layout: Layout, port: int) -> None:
    proxy = new_proxy(layout, Authority(layout.authority, SystemClock()), os.environ)
    try:
        url = await proxy.start(port)
    except OSError:
        url = await proxy.start()
    _say(layout, url)
    logging.getLogger(__name__).info("listening on %s", url)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    while not stop.is_set() and layout.clients.exists():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _LOOK_SECONDS)
    await proxy.close()


def _log_path(layout: Layout) -> Path:
    return layout.clients / "proxy.log"


def _launch(layout: Layout, environ: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    with _log_path(layout).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "wildsage.clients.service", str(layout.root)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env=dict(environ),
        )


@dataclass(frozen=True, slots=True)
class _Said:
    """What a proxy process says of itself. True only while it holds the lock."""

    url: str
    pid: int

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0


def _said_path(layout: Layout) -> Path:
    return layout.clients / "proxy.json"


def _say(layout: Layout, url: str) -> None:
    temporary = _said_path(layout).with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(asdict(_Said(url, os.getpid()))))
    temporary.replace(_said_path(layout))


def _said(layout: Layout) -> _Said | None:
    try:
        return _Said(**json.loads(_said_path(layout).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _lock_path(layout: Layout) -> Path:
    return layout.clients / "proxy.lock"


def _take_lock(layout: Layout) -> bool:
    """Take the lock for the rest of this process's life; False where another one has it."""
    descriptor = os.open(_lock_path(layout), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return file_lock.take(descriptor, _LOCK_PATIENCE_SECONDS)


def _lock_is_free(layout: Layout) -> bool:
    return file_lock.is_free(_lock_path(layout))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
