"""``wildsage down``: end the server; jobs and endpoint workers go on unless ``--all``."""

import argparse
import contextlib
import os
import signal
import time

from wildsage.cli.console import CommandError, running_server, what_keeps_running
from wildsage.clients.discovery import ServerNotRunningError, find_server, read_server
from wildsage.clients.service import stop_proxy
from wildsage.store.directory_lock import directory_owner, is_free
from wildsage.store.layout import Layout
from wildsage.supervisor.folder import living_runs

_PATIENCE_SECONDS = 15.0


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("down")
    parser.add_argument(
        "--all",
        action="store_true",
        help="end running jobs and endpoint workers too, and kill a server that hangs: one that has not"
        f" ended {_PATIENCE_SECONDS:.0f} s after SIGTERM",
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """End the server and say what keeps running."""
    layout = Layout(arguments.data_dir)
    was_up = end_server(layout, kill=arguments.all)
    if not was_up and not arguments.all:
        running_server(arguments)  # says that none runs, and how to start it
    if was_up:
        print("Wildsage is down.")
    stop_proxy(layout)
    runs = living_runs(layout.runs)
    if arguments.all:
        for folder in runs:
            folder.request_stop()
        if runs:
            print(f"Asked {len(runs)} running container{'s' * (len(runs) > 1)} to end.")
        elif not was_up:
            print(f"Nothing of {layout.root} is running.")
    elif runs:
        print(what_keeps_running(len(runs)))
    return 0


def end_server(layout: Layout, *, kill: bool = False) -> bool:
    """End the server of a data directory and wait until the next one can have it.

    Parameters
    ----------
    kill
        One that does not end in time, because it hangs, is killed: nothing that it acknowledged is lost.

    Returns
    -------
    bool
        Whether one ran.

    Raises
    ------
    CommandError
        If it does not end.
    """
    pid = _server_process(layout)
    if pid is None:
        return False
    for number in (signal.SIGTERM, signal.SIGKILL) if kill else (signal.SIGTERM,):
        with contextlib.suppress(ProcessLookupError):  # it is just ending by itself
            os.kill(pid, number)
        if _has_ended(layout):
            layout.server.unlink(missing_ok=True)  # a killed one could not
            return True
    raise CommandError(
        f"the server (process {pid}) has not ended within {_PATIENCE_SECONDS:.0f} s; its log may say why:"
        f" {layout.server_log}. `wildsage down --all` kills it"
    )


def _server_process(layout: Layout) -> int | None:
    """Return the process that owns the data directory, also where it hangs; None if there is none."""
    owner = directory_owner(layout)
    if owner is not None:
        return owner
    try:
        return find_server(layout).pid
    except ServerNotRunningError:
        said = read_server(layout)
        return said.pid if said is not None and not is_free(layout) else None


def _has_ended(layout: Layout) -> bool:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not is_free(layout):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
