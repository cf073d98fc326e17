"""``wildsage status``: where the server is and what it holds."""

import argparse

from wildsage.cli.arguments import add_region
from wildsage.cli.client import asking, client
from wildsage.cli.console import running_server, table

_LISTS = (
    ("training jobs", "list_training_jobs", "TrainingJobSummaries", "TrainingJobStatus"),
    ("endpoints", "list_endpoints", "Endpoints", "EndpointStatus"),
)


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
    for label, method, member, status in _LISTS:
        counts: dict[str, int] = {}
        for page in sagemaker.get_paginator(method).paginate():
            for item in page[member]:
                counts[item[status]] = counts.get(item[status], 0) + 1
        rows.append((label, ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"))
    print(table(("", ""), rows).strip("\n"))
    return 0
