"""A server for one program's life: state in a temporary folder, and nothing left when that program ends."""

import argparse
import contextlib
import json
import os
import secrets
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wildsage.cli.console import CommandError
from wildsage.cli.server import Wishes, serve
from wildsage.clients.authority import Authority
from wildsage.clients.discovery import ServerInfo, default_data_dir
from wildsage.clients.environment import Bringing, original, restoring
from wildsage.clients.service import proxy_beside
from wildsage.core.clock import SystemClock
from wildsage.observe.server_log import log_to
from wildsage.services.iam.execution_roles import SERVICE_ROLE_PATH
from wildsage.store.access_keys import DEFAULT_EXECUTION_ROLE
from wildsage.store.layout import Layout
from wildsage.supervisor.folder import remove_tree
from wildsage.upkeep.ending import StillRunningError, end_runs
from wildsage.upkeep.machine import EPHEMERAL_PREFIX

_ANNOUNCEMENT = """\
Wildsage is up at {url} (account {account}, {region}); nothing of it stays when it ends.
Run your code with:  wildsage run --data-dir {data_dir} -- python your_script.py"""
_LOOK_SECONDS = 0.5
_GRACE_SECONDS = 1.0


def serve_ephemeral(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM, SIGINT or the end of the process that started this one; then remove everything.

    Raises
    ------
    CommandError
        If the data directory holds something: it would be removed.
    """
    starter = os.getppid()
    layout = Layout(_empty_directory(arguments.data_dir))
    layout.make()
    log_to(layout.server_log, arguments.log_format, arguments.log_level)
    wishes = Wishes(
        data_dir=layout.root,
        port=arguments.port or 0,
        account=arguments.account,
        region=arguments.region,
        create_roles=arguments.create_roles,
        ephemeral_token=secrets.token_urlsafe(24),
    )
    # Until the server listens for it: what was made so far is removed then too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with _ending_with(starter), proxy_beside(layout, original(os.environ)) as proxy:

            def say(server: ServerInfo) -> None:
                said = _said(layout, server, proxy, wishes.ephemeral_token)
                print(json.dumps(said) if arguments.json else _ANNOUNCEMENT.format(**said), flush=True)

            serve(wishes, on_ready=say)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # it ends already
        with contextlib.suppress(StillRunningError):
            end_runs(layout, _GRACE_SECONDS)
        remove_tree(layout.root)
    return 0


def _empty_directory(given: Path) -> Path:
    if given == default_data_dir():
        return Path(tempfile.mkdtemp(prefix=EPHEMERAL_PREFIX))
    if given.exists() and any(given.iterdir()):
        raise CommandError(
            f"{given} is not empty, and an ephemeral server removes its data directory: name one that does not exist"
        )
    return given


@contextlib.contextmanager
def _ending_with(starter: int) -> Iterator[None]:
    """Send SIGTERM to this process when the process that started it is gone, however it ended."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            if os.getppid() != starter:
                os.kill(os.getpid(), signal.SIGTERM)
                return

    thread = threading.Thread(target=look, name="starter", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _said(layout: Layout, server: ServerInfo, proxy: str, token: str) -> dict[str, Any]:
    authority = Authority(layout.authority, SystemClock()).certificate
    changes = Bringing(layout, server, proxy, authority).changes(original(os.environ))
    # This server does not come back after its end: clients need not wait for it in the proxy.
    changes["AWS_ENDPOINT_URL"] = server.url
    return {
        "url": server.url,
        "pid": server.pid,
        "account": server.account,
        "role": f"arn:aws:iam::{server.account}:role{SERVICE_ROLE_PATH}{DEFAULT_EXECUTION_ROLE}",
        "region": server.region,
        "data_dir": str(layout.root),
        "token": token,
        "environment": {**restoring(os.environ), **changes},
    }
