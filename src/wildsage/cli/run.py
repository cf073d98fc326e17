"""``wildsage run -- COMMAND``: run an unmodified client so that all it asks of AWS comes here."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Mapping

from wildsage.cli.console import CommandError, running_server
from wildsage.clients.authority import Authority, AuthorityError
from wildsage.clients.environment import Bringing, applied, original, shortening_waits
from wildsage.clients.service import new_proxy, proxy_in_thread
from wildsage.core.clock import SystemClock
from wildsage.store.layout import Layout

# The exit codes of env(1), nohup(1) and timeout(1).
_CANNOT_EXECUTE = 126
_NOT_FOUND = 127

_FORWARDED = (
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
_SENT_BY_A_PROCESS = 0  # SI_USER of sigaction(2); SI_QUEUE is negative


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "run",
        description="Run a program, unmodified, so that everything it asks of AWS comes to the server of"
        " this machine. The program's exit code is passed through.",
        usage="wildsage run [--data-dir DIR] [--fast-waits] -- COMMAND [ARGUMENT ...]",
    )
    parser.add_argument(
        "--fast-waits",
        action="store_true",
        help="let the SageMaker SDKs and boto3's waiters of a Python program look for an end every quarter of"
        " a second, not every 5 to 30 seconds",
    )
    parser.add_argument("program", nargs=argparse.REMAINDER, metavar="COMMAND")
    parser.set_defaults(execute=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the program and return its exit code; 128 plus the signal that ended it.

    Raises
    ------
    CommandError
        If no program is given, no server runs, or the proxy's authority cannot be used.
    """
    program = arguments.program[1:] if arguments.program[:1] == ["--"] else arguments.program
    if not program:
        raise CommandError("say what to run: wildsage run -- python script.py")
    server = running_server(arguments)
    layout = Layout(arguments.data_dir)
    environ = original(os.environ)
    _show_warnings()
    # Blocked before the proxy's thread exists: they wait for `_follow`, whichever thread they meet.
    signal.pthread_sigmask(signal.SIG_BLOCK, (*_FORWARDED, signal.SIGCHLD))
    try:
        authority = Authority(layout.authority, SystemClock())
        with proxy_in_thread(new_proxy(layout, authority, environ)) as url:
            changes = Bringing(layout, server, url, authority.certificate).changes(environ)
            if arguments.fast_waits:
                changes |= shortening_waits(environ)
            return _run(program, applied(environ, changes))
    except AuthorityError as error:
        raise CommandError(str(error)) from None
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_FORWARDED, signal.SIGCHLD))


def _run(program: list[str], environ: Mapping[str, str]) -> int:
    try:
        child = os.posix_spawnp(
            program[0], program, environ, setsigmask=(), setsigdef=(signal.SIGPIPE, signal.SIGXFSZ)
        )
    except FileNotFoundError:
        print(f"wildsage: {program[0]}: not found", file=sys.stderr)
        return _NOT_FOUND
    except OSError as error:
        print(f"wildsage: {program[0]}: {error.strerror}", file=sys.stderr)
        return _CANNOT_EXECUTE
    return _follow(child)


def _follow(child: int) -> int:
    """Pass signals on until the child ends."""
    while True:
        received = signal.sigwaitinfo((*_FORWARDED, signal.SIGCHLD))
        if received.si_signo == signal.SIGCHLD:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
        elif received.si_code <= _SENT_BY_A_PROCESS:
            # What the terminal sends, Ctrl-C above all, the child gets from it directly.
            os.kill(child, received.si_signo)


def _show_warnings() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("wildsage: %(message)s"))
    logger = logging.getLogger("wildsage.clients")
    logger.addHandler(handler)
    logger.propagate = False
