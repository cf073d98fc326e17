"""``wildsage restore FILE|DIR --data-dir NEW``: make a data directory of a backup."""

import argparse
from pathlib import Path

from wildsage.cli.console import CommandError, human_size
from wildsage.clients.discovery import start_command
from wildsage.store.backup import restore
from wildsage.store.bundles import BundleError
from wildsage.store.layout import Layout


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "restore",
        description="Make a data directory of a backup, each file checked. It must be empty. Jobs that ran at the"
        " time of the backup run again, endpoints get new workers.",
    )
    parser.add_argument("source", type=Path, metavar="FILE|DIR", help="what `wildsage backup` wrote")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Restore."""
    layout = Layout(arguments.data_dir)
    try:
        summary = restore(arguments.source.expanduser().absolute(), layout.root)
    except BundleError as error:
        raise CommandError(str(error)) from None
    print(
        f"Restored {layout.root}: {summary.objects} content files, {human_size(summary.size)} in all, of Wildsage"
        f" {summary.version}."
    )
    print(f"Start its server with:  {start_command(layout)}")
    return 0
