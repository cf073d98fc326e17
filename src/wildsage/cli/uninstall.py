"""``wildsage uninstall``: list everything Wildsage put on this machine; with ``--yes``, remove it."""

import argparse
import sys

from wildsage.cli.arguments import add_yes
from wildsage.cli.console import CommandError, confirm, table
from wildsage.cli.server import default_cache_dir
from wildsage.store.layout import Layout
from wildsage.upkeep.ending import StillRunningError
from wildsage.upkeep.machine import inventory, uninstall
from wildsage.upkeep.processes import servers


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "uninstall",
        description="List every process and path of this installation, and what each is; then ask, end and remove"
        " all of it, stored objects and models included. `wildsage backup` first keeps them.",
    )
    add_yes(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Print the list; remove what is on it."""
    layout, cache = Layout(arguments.data_dir), default_cache_dir()
    things = inventory(layout, cache)
    for server in servers():
        if server.data_dir is not None and server.data_dir != layout.root.resolve():
            print(
                f"left alone, because it is another data directory's: the server of {server.data_dir} (process"
                f" {server.pid}); `wildsage uninstall --data-dir {server.data_dir}` is for that one",
                file=sys.stderr,
            )
    if not things:
        print(f"Nothing of Wildsage is here: neither {layout.root} nor {cache} exists.")
        return 0
    print(table(("KIND", "NAME", "WHAT"), [(thing.kind, thing.name[:120], thing.what) for thing in things]))
    package = f"{sys.executable} -m pip uninstall wildsage"
    if not arguments.yes:
        if not sys.stdin.isatty():
            print("\nNothing was changed. `wildsage uninstall --yes` ends and removes all of it.")
            return 0
        confirm("\nEnd and remove all of it?")
    try:
        left = uninstall(layout, cache)
    except StillRunningError as error:
        raise CommandError(f"{error}; nothing was removed") from None
    for path in left:
        print(f"left in place, because Wildsage did not put it there: {path}")
    print(f"\nAll of it is gone. The package itself goes with:  {package}")
    return 0
