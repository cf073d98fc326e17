"""``wildsage stop NAME``: stop a job, or delete an endpoint."""

import argparse

from botocore.exceptions import ClientError

from wildsage.cli.arguments import add_name, add_region
from wildsage.cli.client import asking, client
from wildsage.cli.console import CommandError
from wildsage.cli.things import THINGS


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("stop")
    add_name(parser, "job or endpoint")
    add_region(parser)
    parser.set_defaults(execute=execute)


@asking
def execute(arguments: argparse.Namespace) -> int:
    """Stop what has this name."""
    sagemaker = client(arguments, "sagemaker")
    reasons = []
    for thing in THINGS:
        try:
            thing.end(sagemaker, arguments.name)
        except ClientError as error:
            reasons.append(f"{thing.noun}: {error.response['Error']['Message']}")
        else:
            print(f"Stopping {thing.noun} {arguments.name}.")
            return 0
    raise CommandError(f"nothing named {arguments.name} can be stopped. " + " ".join(reasons))
