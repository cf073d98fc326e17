"""``wildsage ls``: jobs and endpoints, newest first."""

import argparse

from wildsage.cli.client import client
from wildsage.cli.console import table


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("ls")
    parser.add_argument("--region", help="the region to look at (default: the server's)")
    parser.add_argument("-n", type=int, default=20, metavar="COUNT", help="how many of each (default: 20)")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Print one line for each resource."""
    sagemaker = client(arguments, "sagemaker")
    order = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": min(arguments.n, 100)}
    rows = [
        ("training-job", job["TrainingJobName"], job["TrainingJobStatus"], f"{job['CreationTime']:%F %T}")
        for job in sagemaker.list_training_jobs(**order)["TrainingJobSummaries"]
    ]
    rows += [
        ("endpoint", item["EndpointName"], item["EndpointStatus"], f"{item['CreationTime']:%F %T}")
        for item in sagemaker.list_endpoints(**order)["Endpoints"]
    ]
    print(table(("KIND", "NAME", "STATUS", "CREATED"), rows))
    return 0
