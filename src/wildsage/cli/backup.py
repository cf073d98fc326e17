"""``wildsage backup FILE|DIR``: a consistent copy of the whole data directory, also while the server runs."""

import argparse
from pathlib import Path

from wildsage.cli.console import CommandError, human_size
from wildsage.core.clock import SystemClock
from wildsage.store.backup import back_up
from wildsage.store.bundles import BundleError
from wildsage.store.layout import Layout

_COMPRESSED = frozenset({".gz", ".tgz", ".zip", ".zst", ".xz", ".bz2"})


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "backup",
        description="Copy everything durable as of one moment, read it back and compare. The server may run. The"
        " copy holds access keys: only you can read it.",
    )
    parser.add_argument("target", type=Path, metavar="FILE|DIR", help="NAME.tar, or a folder; must not exist")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Write the backup. The exit code is 1 if an object was damaged before."""
    target = arguments.target.expanduser().absolute()
    if target.suffix in _COMPRESSED:
        raise CommandError(
            f"a backup is not compressed: name it {target.name.partition('.')[0]}.tar, or a folder"
        )
    try:
        summary = back_up(Layout(arguments.data_dir), target, SystemClock())
    except BundleError as error:
        raise CommandError(str(error)) from None
    print(
        f"Backed up {summary.objects} content files ({human_size(summary.size)}) and all state to {target}."
    )
    print(f"Bring it back with:  wildsage restore {target} --data-dir NEW")
    for line in summary.damaged:
        print(f"damaged before: {line}")
    return 1 if summary.damaged else 0
