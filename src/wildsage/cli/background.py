"""A server in the background: started as a process of its own, and waited for until it answers."""

import argparse
import http.client
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from wildsage.cli.console import CommandError, announce, make_data_dir
from wildsage.clients.discovery import HEALTH_PATH, ServerInfo, ServerNotRunningError, find_server
from wildsage.store.layout import Layout

_START_PATIENCE_SECONDS = 30.0


def ensure_server(data_dir: Path) -> bool:
    """Start a server in the background unless one runs on a data directory. Returns whether it was started here.

    Raises
    ------
    CommandError
        If it does not start.
    """
    try:
        find_server(Layout(data_dir))
    except ServerNotRunningError:
        start(argparse.Namespace(data_dir=data_dir, port=None, account=None, region=None, create_roles=False))
        return True
    return False


def start(arguments: argparse.Namespace) -> int:
    """Start a server as ``wildsage up`` was asked to, and return when it answers."""
    layout = Layout(arguments.data_dir)
    make_data_dir(layout)
    command = [sys.executable, "-m", "wildsage", "up", "--data-dir", str(arguments.data_dir)]
    for name in (
        "port",
        "account",
        "region",
        "log_format",
        "log_level",
        "keep_failed",
        "spot_interruptions",
        "spot_seed",
    ):
        value = getattr(arguments, name, None)
        if value is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]
    if arguments.create_roles:
        command.append("--create-roles")
    layout.server_log.touch(mode=0o600)
    with layout.server_log.open("ab") as log:
        begun = log.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    deadline = time.monotonic() + _START_PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CommandError(_reason(layout.server_log, begun))
        server = _answering(layout)
        if server is not None and server.pid == process.pid:
            announce(server)
            return 0
        time.sleep(0.02)
    raise CommandError(
        f"the server did not answer within {_START_PATIENCE_SECONDS:.0f} s; its log is {layout.server_log}"
    )


def _answering(layout: Layout) -> ServerInfo | None:
    """Return the server if it answers requests; a disk that is nearly full it reports itself."""
    try:
        server = find_server(layout)
        with closing(http.client.HTTPConnection(*server.address, timeout=2)) as connection:
            connection.request("GET", HEALTH_PATH)
            connection.getresponse()
            return server
    except (ServerNotRunningError, http.client.HTTPException, OSError):
        return None


def _reason(log: Path, begun: int) -> str:
    """Return what a server that ended at once said."""
    with log.open("rb") as file:
        file.seek(begun)
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("wildsage: ") if lines else f"the server ended; its log is {log}"
