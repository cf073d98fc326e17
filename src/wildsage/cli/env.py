"""``wildsage env``: print the variables that bring the AWS clients of a shell here, and the way back."""

import argparse
import json
import os
import re
import shlex
import sys
from collections.abc import Callable

from wildsage.cli.console import CommandError, running_server
from wildsage.clients.authority import Authority, AuthorityError
from wildsage.clients.environment import SAVED, Bringing, Changes, original, remembering, restoring
from wildsage.clients.service import ProxyNotStartedError, ensure_proxy
from wildsage.core.clock import SystemClock
from wildsage.store.layout import Layout

_HOW_TO_USE = {
    "sh": 'eval "$(wildsage env{options})"',
    "fish": "wildsage env{options} | source",
    "powershell": "wildsage env{options} | Out-String | Invoke-Expression",
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "env",
        description='Print the variables that bring AWS clients here. Use: eval "$(wildsage env)", and'
        ' eval "$(wildsage env --unset)" to go back.',
    )
    parser.add_argument("--unset", action="store_true", help="print what restores the shell's own variables")
    parser.add_argument(
        "--format", choices=sorted(_RENDERERS), default="sh", help="whose syntax (default: %(default)s)"
    )
    parser.set_defaults(execute=main)


def main(arguments: argparse.Namespace) -> int:
    """Print the commands.

    Raises
    ------
    CommandError
        If no server runs, the proxy does not start, or the format cannot say what is asked.
    """
    if arguments.unset and arguments.format == "dotenv":
        raise CommandError("a dotenv file cannot unset variables: delete it, or use --format json")
    changes = restoring(os.environ) if arguments.unset else _bringing(arguments)
    print(_RENDERERS[arguments.format](changes))
    if sys.stdout.isatty() and arguments.format in _HOW_TO_USE:
        options = " --unset" * arguments.unset + f" --format {arguments.format}" * (arguments.format != "sh")
        command = _HOW_TO_USE[arguments.format].format(options=options)
        print(f"# These lines change nothing yet. Run:  {command}", file=sys.stderr)
    return 0


def _bringing(arguments: argparse.Namespace) -> Changes:
    server = running_server(arguments)
    layout = Layout(arguments.data_dir)
    environ = original(os.environ)
    try:
        authority = Authority(layout.authority, SystemClock())
        url = ensure_proxy(layout, environ)
    except (AuthorityError, ProxyNotStartedError) as error:
        raise CommandError(str(error)) from None
    changes = Bringing(layout, server, url, authority.certificate).changes(environ)
    # A shell that was set up before goes back first: a variable may have changed then and not now.
    return {**restoring(os.environ), **remembering(environ, changes)}


def _sh(changes: Changes) -> str:
    return "\n".join(
        f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}"
        for name, value in changes.items()
    )


def _fish(changes: Changes) -> str:
    def quoted(value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    return "\n".join(
        f"set -e {name};" if value is None else f"set -gx {name} {quoted(value)};"
        for name, value in changes.items()
    )


def _powershell(changes: Changes) -> str:
    def quoted(value: str) -> str:
        return "'" + re.sub("['\u2018\u2019\u201a\u201b]", r"\g<0>\g<0>", value) + "'"

    return "\n".join(
        f"Remove-Item -ErrorAction SilentlyContinue Env:{name}"
        if value is None
        else f"$Env:{name} = {quoted(value)}"
        for name, value in changes.items()
    )


def _dotenv(changes: Changes) -> str:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

    # The note for `--unset` belongs to shells; a file is taken back by deleting it.
    return "\n".join(
        f"# unset {name}" if value is None else f"{name}={quoted(value)}"
        for name, value in changes.items()
        if name != SAVED
    )


def _json(changes: Changes) -> str:
    return json.dumps(changes, indent=2)


_RENDERERS: dict[str, Callable[[Changes], str]] = {
    "dotenv": _dotenv,
    "fish": _fish,
    "json": _json,
    "powershell": _powershell,
    "sh": _sh,
}
