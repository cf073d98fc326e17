"""``wildsage jupyter``: a notebook kernel whose AWS calls come here."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from wildsage.cli.background import ensure_server
from wildsage.cli.console import CommandError, running_server, table
from wildsage.clients.authority import Authority, AuthorityError
from wildsage.clients.environment import Bringing, applied, original, shortening_waits
from wildsage.clients.kernels import (
    Kernel,
    KernelError,
    install,
    installed,
    prefix_folder,
    remove,
    user_folder,
)
from wildsage.clients.service import ProxyNotStartedError, ensure_proxy
from wildsage.core.clock import SystemClock
from wildsage.store.layout import Layout

_ASK = "import sys; print(sys.prefix); import ipykernel"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("jupyter")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser(
        "install", help="register a kernel; it starts the server when a notebook needs it"
    )
    add.add_argument("--name", default="wildsage", help="default: %(default)s")
    add.add_argument(
        "--display-name", metavar="TEXT", default="Python (Wildsage)", help="default: %(default)s"
    )
    add.add_argument(
        "--python", default=sys.executable, help="the interpreter of notebooks (default: this one)"
    )
    add.add_argument("--fast-waits", action="store_true", help="as `wildsage run --fast-waits`")
    where = add.add_mutually_exclusive_group()
    where.add_argument("--user", action="store_true", help="for this user (default)")
    where.add_argument(
        "--sys-prefix", action="store_true", help="for the environment of the interpreter of notebooks alone"
    )
    where.add_argument("--prefix", type=Path, metavar="DIR", help="for the environment in this folder")
    actions.add_parser("ls", help="list the kernels that were installed")
    take = actions.add_parser("uninstall", help="remove them")
    take.add_argument("--name", help="only the one of this name")
    kernel = actions.add_parser(
        "kernel", help="what Jupyter runs: start the server if need be, then a program"
    )
    kernel.add_argument("--fast-waits", action="store_true")
    kernel.add_argument("program", nargs=argparse.REMAINDER, metavar="COMMAND")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Do what the action says.

    Raises
    ------
    CommandError
        If the kernel cannot be installed, removed or started.
    """
    layout = Layout(arguments.data_dir)
    if arguments.action == "install":
        _install(layout, arguments)
    elif arguments.action == "uninstall":
        _uninstall(layout, arguments.name)
    elif arguments.action == "kernel":
        _become(layout, arguments)
    else:
        print(table(("NAME", "FOLDER"), [(place.name, str(place)) for place in installed(layout)]))
    return 0


def _install(layout: Layout, arguments: argparse.Namespace) -> None:
    prefix = _prefix_of(arguments.python)
    folder = user_folder()
    if arguments.sys_prefix or arguments.prefix:
        folder = prefix_folder(arguments.prefix or prefix)
    kernel = Kernel(
        layout, arguments.name, arguments.display_name, arguments.python, fast_waits=arguments.fast_waits
    )
    try:
        place = install(kernel, folder)
    except (KernelError, OSError) as error:
        raise CommandError(str(error)) from None
    print(f"Installed {place}. Choose the kernel “{kernel.display_name}” in a notebook.")


def _prefix_of(python: str) -> Path:
    """Return the environment of an interpreter, which has to have ipykernel."""
    try:
        asked = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, check=False)
    except OSError as error:
        raise CommandError(f"{python} does not run: {error.strerror}") from None
    if asked.returncode != 0:
        raise CommandError(
            f"{python} has no package ipykernel: `{python} -m pip install ipykernel`, or name the interpreter of"
            " your notebooks with --python"
        )
    return Path(asked.stdout.splitlines()[0])


def _uninstall(layout: Layout, name: str | None) -> None:
    removed = remove(layout, name)
    for place in removed:
        print(f"Removed {place}.")
    if not removed:
        raise CommandError(f"no kernel{f' {name}' if name else ''} of {layout.root} is installed")


def _become(layout: Layout, arguments: argparse.Namespace) -> None:
    """Replace this process by the kernel: Jupyter's signals and its watch over the kernel's parent stay true."""
    program = arguments.program[1:] if arguments.program[:1] == ["--"] else arguments.program
    if not program:
        raise CommandError("this is for Jupyter: `wildsage jupyter install` makes a kernel that uses it")
    ensure_server(layout.root)
    environ = original(os.environ)
    try:
        authority = Authority(layout.authority, SystemClock())
        url = ensure_proxy(layout, environ)
    except (AuthorityError, ProxyNotStartedError) as error:
        raise CommandError(str(error)) from None
    changes = Bringing(layout, running_server(arguments), url, authority.certificate).changes(environ)
    if arguments.fast_waits:
        changes |= shortening_waits(environ)
    sys.stdout.flush()
    try:
        os.execvpe(program[0], program, applied(environ, changes))  # noqa: S606 - the kernel, as it was installed
    except OSError as error:
        raise CommandError(f"{program[0]}: {error.strerror}") from None
