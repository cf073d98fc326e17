"""``wildsage reset``: empty the state, keep the installation."""

import argparse

from wildsage.cli.arguments import add_yes
from wildsage.cli.console import CommandError, confirm
from wildsage.clients.discovery import start_command
from wildsage.store.layout import Layout
from wildsage.upkeep.ending import StillRunningError, running
from wildsage.upkeep.machine import reset


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "reset",
        description="End the server, jobs and endpoints, and remove all jobs, models, endpoints, buckets, objects and"
        " logs. Access keys, account, port, authority and registered images stay: clients that were set up go on.",
    )
    add_yes(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Empty the state."""
    layout = Layout(arguments.data_dir)
    if not layout.root.is_dir():
        raise CommandError(f"there is no {layout.root}: say with --data-dir which directory is meant")
    if not layout.state_database.exists():
        print(
            f"{layout.root} holds no state: there was nothing to remove. --data-dir names another directory"
        )
        return 0
    if not arguments.yes:
        processes = len(running(layout))
        confirm(f"Remove everything stored in {layout.root}, and end {processes} processes?")
    try:
        reset(layout)
    except StillRunningError as error:
        raise CommandError(f"{error}; nothing was removed") from None
    print(f"{layout.root} is empty. Start again with:  {start_command(layout)}")
    return 0
