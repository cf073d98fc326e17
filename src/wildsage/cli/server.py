"""The server's process: the data directory's lock, the port, its end, and what it says of itself."""

import asyncio
import contextlib
import errno
import json
import os
import re
import resource
import shlex
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from wildsage import __version__
from wildsage.aws.entrance import Entrance
from wildsage.aws.server import Server
from wildsage.cli.console import CommandError, make_data_dir
from wildsage.cli.registry import load_for_good
from wildsage.clients.discovery import HEALTH_PATH, ServerInfo
from wildsage.core.clock import SystemClock
from wildsage.observe.health import Health
from wildsage.store.directory_lock import DirectoryInUseError, owned
from wildsage.store.layout import Layout
from wildsage.store.migrate import NewerSchemaError, check_schema, schema_of
from wildsage.store.opened import OpenStore
from wildsage.supervisor.durable import write_durably
from wildsage.supervisor.liveness import living
from wildsage.upkeep.processes import listening_on

if TYPE_CHECKING:
    from wildsage.app import Application

_DEFAULT_ACCOUNT = "123456789012"
_DEFAULT_REGION = "us-east-1"
_DEFAULT_PORT = 8172
_HOST = "127.0.0.1"
_OPEN_FILES = 65_536
_GRACE_SECONDS = 5.0
"""For requests under way when the server is to end."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a server was asked to be. None: what the data directory remembers, else the default.

    Attributes
    ----------
    port
        On 127.0.0.1. 0 takes a free one.
    region
        Given to clients that name none.
    ephemeral_token
        See `wildsage.app.Settings`.
    keep_failed
        How many folders of failed runs are kept.
    spot_interruptions, spot_seed
        See `wildsage.jobs.spot.SpotMarket`.
    """

    data_dir: Path
    port: int | None = None
    account: str | None = None
    region: str | None = None
    create_roles: bool = False
    ephemeral_token: str = ""
    keep_failed: int | None = None
    spot_interruptions: float = 0.0
    spot_seed: int = 0


def default_cache_dir() -> Path:
    """Return ``wildsage`` below the user's cache home."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path("~/.cache").expanduser()) / "wildsage"


@contextlib.contextmanager
def data_directory(layout: Layout) -> Iterator[None]:
    """Own a data directory.

    Raises
    ------
    CommandError
        If another server does, or it cannot be one.
    """
    make_data_dir(layout)
    try:
        with owned(layout):
            yield
    except DirectoryInUseError as error:
        raise CommandError(
            f"another Wildsage server (process {error.owner or 'unknown'}) owns {layout.root}."
            f" Stop it with `wildsage down --data-dir {layout.root}`, or give this one its own --data-dir"
        ) from None


def remembered(layout: Layout, wishes: Wishes) -> tuple[str, str, int | None]:
    """Return account, region and port: as given, else as the data directory remembers them.

    The port is None where neither says one.

    Raises
    ------
    CommandError
        If the account is no account id, or another one than at the first start.
    """
    stored = _stored_settings(layout)
    account = wishes.account or stored.get("account", _DEFAULT_ACCOUNT)
    if not re.fullmatch(r"\d{12}", account):
        raise CommandError(f"the account {account!r} is not 12 digits, e.g. --account {_DEFAULT_ACCOUNT}")
    if stored and account != stored["account"]:
        raise CommandError(
            f"{layout.root} belongs to account {stored['account']}, not {account}."
            " Give another account its own --data-dir"
        )
    region = wishes.region or stored.get("region", _DEFAULT_REGION)
    port = stored.get("port") if wishes.port is None else wishes.port
    if stored and port != stored["port"]:
        _check_nobody_uses(layout, stored["port"])
    return account, region, port


def _check_nobody_uses(layout: Layout, port: int) -> None:
    """Refuse to move while containers run: they fetch their inputs and credentials at the old address."""
    running = len(living(layout.runs))
    if running:
        raise CommandError(
            f"{running} containers (jobs, endpoint workers) run and know this server at port {port}: start it without"
            " --port, or end them first with `wildsage down --all`"
        )


def _stored_settings(layout: Layout) -> dict[str, Any]:
    """Return what an earlier start decided; nothing at the first one."""
    try:
        stored = json.loads(layout.settings.read_text())
        return {"account": stored["account"], "region": stored["region"], "port": int(stored["port"])}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(
            f"{layout.settings} is damaged ({error!r}): remove it, and start with the account that"
            f" {layout.credentials.name} names (--account)"
        ) from None


def _remember(path: Path, text: str) -> None:
    """Write what later starts go by; most find it as it is, and need not wait for the disk."""
    with contextlib.suppress(OSError, ValueError):
        if path.read_text() == text:
            return
    write_durably(path, text)


def _publish(path: Path, text: str) -> None:
    """Put a whole file in place that is true only while this process lives: it need not survive a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.rename(path)


def _listen_anywhere() -> socket.socket:
    """Listen at the default port; where another data directory's server has it, at a free one.

    Clients find the server through its data directory. Only later starts need the same port: containers
    that outlived the server know it.
    """
    try:
        return _listen(_DEFAULT_PORT)
    except CommandError:
        return _listen(0)


def _listen(port: int) -> socket.socket:
    # With the protocol named, asyncio turns Nagle's algorithm off: 44 ms a request otherwise.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise CommandError(f"port {port} of {_HOST} is in use by {_port_owner(port)}") from None
    listener.listen(2048)
    return listener


def _port_owner(port: int) -> str:
    """Say who listens on a port, and what to do about it."""
    owner = listening_on(port)
    other = "or choose another with --port"
    if owner is None:
        return f"another user's process. Find it with `sudo ss -ltnp 'sport = :{port}'`, {other}"
    if owner.data_dir is None:
        return f"process {owner.pid} ({owner.command[:200]}). End it, {other}"
    return (
        f"the Wildsage server of {owner.data_dir} (process {owner.pid}: {owner.command[:200]})."
        f" Stop it with `wildsage down --data-dir {shlex.quote(str(owner.data_dir))}`, {other}"
    )


def _check_versions(layout: Layout) -> None:
    """Refuse a data directory that a newer Wildsage has changed, before anything in it is written."""
    for path, folder in ((layout.state_database, "state"), (layout.telemetry_database, "telemetry")):
        try:
            check_schema(schema_of(path), folder)
        except NewerSchemaError as error:
            raise CommandError(f"cannot serve {layout.root}: {error}. {_way_back(layout)}") from None
        except sqlite3.Error as error:
            raise CommandError(f"cannot serve {layout.root}: {error}") from None


def _way_back(layout: Layout) -> str:
    try:
        version = json.loads(layout.settings.read_text()).get("version", "unknown")
    except (OSError, ValueError):
        version = "unknown"
    copies = sorted(str(path) for path in layout.upgrades.glob("*.db"))
    return (
        f"It was last used by Wildsage {version}; this is {__version__}. Install that one or a newer one, or"
        " restore a backup of before into a new directory (`wildsage restore`)"
        + (f". Copies from before upgrades: {', '.join(copies)}" if copies else "")
    )


def _allow_many_files() -> None:
    """Raise the limit of open files: often it is 1024, and each client's connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve(wishes: Wishes, on_ready: Callable[[ServerInfo], None]) -> None:
    """Run a server until SIGTERM or SIGINT.

    It answers as soon as the data directory is open. What carries out requests is loaded and started behind that:
    nobody who starts a server waits for it, and a request that comes before waits no longer than it would have.

    Parameters
    ----------
    on_ready
        Called once when requests are answered.

    Raises
    ------
    CommandError
        If it cannot start.
    """
    layout = Layout(wishes.data_dir)
    _allow_many_files()
    with data_directory(layout):
        _check_versions(layout)
        account, region, wanted_port = remembered(layout, wishes)
        listener = _listen_anywhere() if wanted_port is None else _listen(wanted_port)
        port = listener.getsockname()[1]
        decided = json.dumps({"account": account, "region": region, "port": port, "version": __version__})
        _remember(layout.settings, decided)
        info = ServerInfo(f"http://{_HOST}:{port}", os.getpid(), account, region)
        with _refusing(layout):
            store = OpenStore(layout, account)
        with store, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(wishes, store, listener, info, on_ready))


async def _run(
    wishes: Wishes,
    store: OpenStore,
    listener: socket.socket,
    info: ServerInfo,
    on_ready: Callable[[ServerInfo], None],
) -> None:
    layout = Layout(wishes.data_dir)
    health = Health(layout.root, (store.state, store.telemetry))
    entrance = Entrance({HEALTH_PATH: health})
    server = Server(entrance.answer)
    stopping = asyncio.Event()

    def end() -> None:
        if stopping.is_set():  # asked twice: it is in a hurry
            server.hurry()
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    said = {"url": info.url, "pid": info.pid, "account": info.account, "region": info.region}
    try:
        await server.start(listener)
        _publish(layout.server, json.dumps(said))
        on_ready(info)
        async with _application(wishes, store, info, health) as application:
            entrance.open(application.gateway.answer)
            await stopping.wait()
            await server.stop(_GRACE_SECONDS)
    finally:
        layout.server.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def _application(
    wishes: Wishes, store: OpenStore, info: ServerInfo, health: Health
) -> AsyncIterator["Application"]:
    """Load what carries out requests, and let it work until the block ends."""
    layout = Layout(wishes.data_dir)
    with _refusing(layout):
        compute = await asyncio.to_thread(load_for_good, "wildsage.compute.select")
        # To try the sandboxes is mostly waiting for others.
        choosing = asyncio.to_thread(compute.choose)
        sandbox, app = await asyncio.gather(choosing, asyncio.to_thread(load_for_good, "wildsage.app"))
    settings = app.Settings(
        layout,
        default_cache_dir(),
        info.account,
        info.url,
        create_roles=wishes.create_roles,
        ephemeral_token=wishes.ephemeral_token,
        keep_failed=wishes.keep_failed,
        market=app.SpotMarket(wishes.spot_interruptions, wishes.spot_seed),
    )
    with _refusing(layout):
        application: Application = app.Application(settings, store, health, SystemClock(), sandbox)
    await application.start()
    try:
        yield application
    finally:
        await application.stop()


@contextlib.contextmanager
def _refusing(layout: Layout) -> Iterator[None]:
    """Say in one line why a data directory cannot be served."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, sqlite3.Error) as error:
        # Damaged, of a newer version, unreadable: the text says what.
        raise CommandError(f"cannot serve {layout.root}: {error}") from error
