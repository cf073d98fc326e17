"""``wildsage up``: start the server, in the foreground or with ``-d`` in the background."""

import argparse
import gc
import http.client
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import ModuleType

from wildsage.cli.console import CommandError, make_data_dir, what_keeps_running
from wildsage.cli.registry import load
from wildsage.clients.discovery import HEALTH_PATH, ServerInfo, ServerNotRunningError, find_server
from wildsage.compute.base import Sandbox
from wildsage.compute.select import choose
from wildsage.observe.server_log import FORMATS, LEVELS, log_to
from wildsage.store.layout import Layout
from wildsage.supervisor.folder import living_runs

_START_PATIENCE_SECONDS = 30.0
_LARGEST_PORT = 65_535


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("up")
    parser.add_argument("-d", "--detach", action="store_true", help="run in the background")
    parser.add_argument(
        "--port", type=_port, help="port on 127.0.0.1 (default: the last one; at first 8172, or a free one)"
    )
    parser.add_argument("--account", help="12-digit account id (decided at the first start)")
    parser.add_argument("--region", help="region that clients get where they name none")
    parser.add_argument(
        "--create-roles", action="store_true", help="create an unknown role of the own account on sight"
    )
    parser.add_argument("--log-format", choices=FORMATS, default="text", help="of the server's log")
    parser.add_argument(
        "--log-level",
        choices=LEVELS,
        default="info",
        help="info (the default): what changes something, and errors; debug: every request",
    )
    parser.add_argument(
        "--ephemeral",
        action="store_true",
        help="keep state in a temporary folder, at a free port; all of it ends with the process that started it",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="with --ephemeral: say in one line of JSON where it is, and the variables of `wildsage env`",
    )
    parser.add_argument(
        "--keep-failed",
        type=int,
        metavar="N",
        help="keep the folders of the newest N failed runs for `wildsage replay` (default: 20; 0: none)",
    )
    parser.set_defaults(execute=execute)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LARGEST_PORT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no port: give 1 to {_LARGEST_PORT}, or 0 for a free one"
        )
    return int(text)


def execute(arguments: argparse.Namespace) -> int:
    """Start the server; return when it ends, or with ``-d`` when it answers."""
    if arguments.ephemeral:
        return _ephemeral(arguments)
    if arguments.json:
        raise CommandError(
            "--json belongs to --ephemeral; of any other server, `wildsage env --format json` says it"
        )
    if arguments.detach:
        return _detach(arguments)
    sandbox = _choosing()
    server = _loaded("server")
    wishes = server.Wishes(
        data_dir=arguments.data_dir,
        port=arguments.port,
        account=arguments.account,
        region=arguments.region,
        create_roles=arguments.create_roles,
        keep_failed=arguments.keep_failed,
    )
    log_to(Layout(arguments.data_dir).server_log, arguments.log_format, arguments.log_level)
    server.serve(wishes, on_ready=_announce, sandbox=sandbox.result)
    running = living_runs(Layout(arguments.data_dir).runs)
    if running:
        print(what_keeps_running(len(running)), flush=True)
    return 0


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
        _detach(
            argparse.Namespace(data_dir=data_dir, port=None, account=None, region=None, create_roles=False)
        )
        return True
    return False


def _ephemeral(arguments: argparse.Namespace) -> int:
    if arguments.detach:
        raise CommandError("an ephemeral server ends with the process that started it: leave out --detach")
    code: int = _loaded("ephemeral").serve_ephemeral(arguments)
    return code


def _choosing() -> Future[Sandbox]:
    """Begin to try the sandboxes: that is mostly waiting for others, and meanwhile this process loads its modules."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="sandbox")
    try:
        return executor.submit(choose)
    finally:
        executor.shutdown(wait=False)


def _loaded(name: str) -> ModuleType:
    """Import a module that serves. By name: with -d the child alone needs it, and its parent would only be late."""
    gc.disable()  # what modules make stays: to look for garbage in it took a tenth of the time
    try:
        return load(name)
    finally:
        gc.freeze()
        gc.enable()


def _announce(server: ServerInfo) -> None:
    print(f"Wildsage is up at {server.url} (account {server.account}, {server.region}).")
    print("Run your code with:  wildsage run -- python your_script.py")
    sys.stdout.flush()


def _detach(arguments: argparse.Namespace) -> int:
    layout = Layout(arguments.data_dir)
    make_data_dir(layout)
    command = [sys.executable, "-m", "wildsage", "up", "--data-dir", str(arguments.data_dir)]
    for name in ("port", "account", "region", "log_format", "log_level", "keep_failed"):
        value = getattr(arguments, name, None)
        if value is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]
    if arguments.create_roles:
        command.append("--create-roles")
    layout.server_log.touch(mode=0o600)
    with layout.server_log.open("ab") as log:
        start = log.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    deadline = time.monotonic() + _START_PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CommandError(_reason(layout.server_log, start))
        server = _answering(layout)
        if server is not None and server.pid == process.pid:
            _announce(server)
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


def _reason(log: Path, start: int) -> str:
    """Return what a server that ended at once said."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("wildsage: ") if lines else f"the server ended; its log is {log}"
