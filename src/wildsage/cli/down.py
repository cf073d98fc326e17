"""``wildsage down``: end the server; jobs and endpoint workers go on unless ``--all``."""

import argparse
import contextlib
import fcntl
import os
import signal
import time

from wildsage.cli.console import CommandError, running_server, what_keeps_running
from wildsage.clients.service import stop_proxy
from wildsage.store.layout import Layout
from wildsage.supervisor.folder import living_runs

_PATIENCE_SECONDS = 15.0


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("down")
    parser.add_argument("--all", action="store_true", help="end running jobs and endpoint workers too")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """End the server and say what keeps running."""
    layout = Layout(arguments.data_dir)
    server = None
    try:
        server = running_server(arguments)
    except CommandError:
        if not arguments.all:
            raise
    else:
        with contextlib.suppress(ProcessLookupError):  # it is just ending by itself
            os.kill(server.pid, signal.SIGTERM)
        _wait_for_end(layout)
        print("Wildsage is down.")
    stop_proxy(layout)
    runs = living_runs(layout.runs)
    if arguments.all:
        for folder in runs:
            folder.request_stop()
        if runs:
            print(f"Asked {len(runs)} running container{'s' * (len(runs) > 1)} to end.")
        elif server is None:
            print(f"Nothing of {layout.root} is running.")
    elif runs:
        print(what_keeps_running(len(runs)))
    return 0


def _wait_for_end(layout: Layout) -> None:
    """Wait until the server has let go of the data directory: the next one can have it then."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with layout.lock.open("rb") as lock:
        while time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return
            time.sleep(0.05)
    raise CommandError(
        f"the server has not ended within {_PATIENCE_SECONDS:.0f} s; its log may say why: {layout.server_log}"
    )
