"""``wildsage status``: where the server is and what it holds."""

import argparse

from wildsage.cli.arguments import add_region
from wildsage.cli.client import asking, client
from wildsage.cli.console import running_server, table
from wildsage.cli.things import THINGS


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("status")
    add_region(parser)
    parser.set_defaults(execute=execute)


@asking
def execute(arguments: argparse.Namespace) -> int:
    """Print address, process, data directory, and counts by status."""
    server = running_server(arguments)
    region = arguments.region or server.region
    print(f"server     {server.url} (process {server.pid})")
    print(f"account    {server.account}, region {region}")
    print(f"state      {arguments.data_dir}")
    sagemaker = client(arguments, "sagemaker")
    rows = []
    for thing in THINGS:
        counts: dict[str, int] = {}
        for page in sagemaker.get_paginator(f"list_{thing.method}s").paginate():
            for item in page[thing.summaries]:
                status = item[f"{thing.word}Status"]
                counts[status] = counts.get(status, 0) + 1
        said = ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
        rows.append((f"{thing.noun}s", said))
    print(table(("", ""), rows).strip("\n"))
    return 0
