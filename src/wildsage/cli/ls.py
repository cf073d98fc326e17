"""``wildsage ls``: jobs and endpoints, newest first."""

import argparse
from collections.abc import Sequence

from wildsage.cli.arguments import add_region
from wildsage.cli.client import asking, client
from wildsage.cli.console import table
from wildsage.cli.owner import ask_owner
from wildsage.cli.things import THINGS


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("ls")
    add_region(parser)
    parser.add_argument("-n", type=_count, default=20, metavar="COUNT", help="how many of each (default: 20)")
    parser.set_defaults(execute=execute)


@asking
def execute(arguments: argparse.Namespace) -> int:
    """Print one line for each resource."""
    sagemaker = client(arguments, "sagemaker")
    rows = []
    for thing in THINGS:
        pages = sagemaker.get_paginator(f"list_{thing.method}s").paginate(
            SortBy="CreationTime", SortOrder="Descending", PaginationConfig={"MaxItems": arguments.n}
        )
        for item in pages.search(f"{thing.summaries}[]"):
            created = f"{item['CreationTime']:%F %T}"
            rows.append((thing.kind, item[f"{thing.word}Name"], item[f"{thing.word}Status"], created))
    if rows:
        print(table(("KIND", "NAME", "STATUS", "CREATED"), rows))
    else:
        print(_nothing(sagemaker.meta.region_name, ask_owner(arguments, "regions")["regions"]))
    return 0


def _nothing(region: str, regions: Sequence[str]) -> str:
    said = f"There are no jobs and endpoints in {region}"
    return f"{said}. There are some in {', '.join(regions)}: say which with --region" if regions else said


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 upwards")
    return int(text)
