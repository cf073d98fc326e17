"""``wildsage du``: what takes the space."""

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path

from wildsage.app import framework_environments
from wildsage.cli.console import CommandError, human_size, table
from wildsage.cli.server import default_cache_dir
from wildsage.store.layout import Layout
from wildsage.upkeep.usage import measure


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "du", description="Show what takes the space, whether the server runs or not."
    )
    parser.add_argument("--json", action="store_true", help="for programs: sizes in bytes")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Print the table."""
    layout = Layout(arguments.data_dir)
    if not layout.root.is_dir():
        raise CommandError(f"there is no data directory {layout.root}: say which with --data-dir")
    cache = default_cache_dir()
    usages = measure(layout, framework_environments(cache))
    total = sum(usage.size for usage in usages if not usage.is_part)
    free = shutil.disk_usage(layout.root).free
    if arguments.json:
        said = {
            "data_dir": str(layout.root),
            "total": total,
            "free": free,
            "items": [asdict(one) for one in usages],
        }
        print(json.dumps(said, indent=1))
        return 0
    rows = [
        (_indented(usage.what), human_size(usage.size), f"{usage.count} {usage.detail}")
        for usage in usages
        if usage.count
    ]
    print(
        table(("WHAT", "SIZE", "OF"), [*rows, ("total", human_size(total), _where(layout.root, cache, free))])
    )
    return 0


def _indented(what: str) -> str:
    whole, slash, part = what.partition("/")
    return f"  {part}" if slash else whole


def _where(root: Path, cache: Path, free: int) -> str:
    return f"{root} and {cache}; {human_size(free)} free"
