"""End what runs on a data directory: the server, the clients' proxy, jobs and endpoint workers."""

import contextlib
import os
import signal
import time
from collections.abc import Callable

from wildsage.clients.discovery import ServerNotRunningError, find_server, read_server
from wildsage.clients.service import stop_proxy
from wildsage.store.directory_lock import directory_owner, is_free
from wildsage.store.layout import Layout
from wildsage.supervisor.folder import living_runs
from wildsage.upkeep.processes import ProcessInfo, command_of, descendants, is_running, processes_about

SERVER_PATIENCE_SECONDS = 15.0
RUN_PATIENCE_SECONDS = 10.0
_KILL_PATIENCE_SECONDS = 5.0
_POLL_SECONDS = 0.05


class StillRunningError(Exception):
    """Something did not end. The text says what."""


def end_server(layout: Layout, *, kill: bool = False, patience: float = SERVER_PATIENCE_SECONDS) -> bool:
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
    StillRunningError
        If it does not end.
    """
    pid = _server_process(layout)
    if pid is None:
        return False
    for number in (signal.SIGTERM, signal.SIGKILL) if kill else (signal.SIGTERM,):
        with contextlib.suppress(ProcessLookupError):  # it is just ending by itself
            os.kill(pid, number)
        if _happens(lambda: is_free(layout), patience):
            layout.server.unlink(missing_ok=True)  # a killed one could not
            return True
    raise StillRunningError(
        f"the server (process {pid}) has not ended within {patience:.0f} s; its log may say why:"
        f" {layout.server_log}. `wildsage down --all` kills it"
    )


def end_runs(layout: Layout, patience: float = RUN_PATIENCE_SECONDS) -> int:
    """End jobs and endpoint workers: asked first, killed where they take longer; returns how many there were.

    Raises
    ------
    StillRunningError
        If one cannot be killed.
    """
    runs = living_runs(layout.runs)
    for folder in runs:
        with contextlib.suppress(OSError):  # a full disk takes no stop request
            folder.request_stop()
    # A supervisor lets go of its run a moment before its process is gone.
    if not _happens(lambda: not living_runs(layout.runs) and not _run_processes(layout), patience):
        processes = _run_processes(layout)
        everybody = [one.pid for one in processes] + [
            pid for one in processes for pid in descendants(one.pid)
        ]
        for pid in everybody:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not _happens(lambda: not any(map(is_running, everybody)), _KILL_PATIENCE_SECONDS):
            left = ", ".join(str(pid) for pid in everybody if is_running(pid))
            raise StillRunningError(f"the processes {left} cannot be killed")
    return len(runs)


def end_everything(layout: Layout, patience: float = RUN_PATIENCE_SECONDS) -> None:
    """End the server, the proxy and all runs.

    Raises
    ------
    StillRunningError
        If something does not end.
    """
    end_server(layout, kill=True)
    stop_proxy(layout)
    end_runs(layout, patience)


def running(layout: Layout) -> list[tuple[ProcessInfo, str]]:
    """Return the processes that belong to a data directory, and what each is."""
    found: list[tuple[ProcessInfo, str]] = []
    server = _server_process(layout)
    for process in processes_about(str(layout.root)):
        if process.pid == server or process.command.startswith("/bin/sh"):
            continue
        if "wildsage.supervisor" in process.command:
            found.append((process, "supervisor of a job or endpoint worker"))
            found += [
                (ProcessInfo(pid, command_of(pid)), "its container") for pid in descendants(process.pid)
            ]
        elif "wildsage.clients.service" in process.command:
            found.append((process, "the proxy that brings clients here"))
    if server is not None:
        found.insert(0, (ProcessInfo(server, command_of(server)), "the server"))
    return found


def _run_processes(layout: Layout) -> list[ProcessInfo]:
    return [one for one in processes_about(str(layout.runs)) if "wildsage.supervisor" in one.command]


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


def _happens(what: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
