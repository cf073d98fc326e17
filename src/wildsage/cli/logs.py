"""``wildsage logs [-f] NAME``: the log of a job or an endpoint."""

import argparse
import contextlib
import time
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from wildsage.cli.arguments import add_kind, add_name, add_region
from wildsage.cli.client import asking, client
from wildsage.cli.console import CommandError
from wildsage.cli.things import THINGS, Thing, choices

_POLL_SECONDS = 0.5
_ENDED = ("Completed", "Failed", "Stopped")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("logs")
    add_name(parser, "job or endpoint")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="wait for more until the job or endpoint ends"
    )
    add_kind(parser)
    add_region(parser)
    parser.set_defaults(execute=execute)


@asking
def execute(arguments: argparse.Namespace) -> int:
    """Print the log, and with ``-f`` what is added to it.

    Raises
    ------
    CommandError
        If there is no such log, or several and no word which is meant.
    """
    logs = client(arguments, "logs")
    sagemaker = client(arguments, "sagemaker")
    tokens: dict[tuple[str, str], str] = {}
    while True:
        ended = not arguments.follow or not _may_say_more(sagemaker, arguments.name, arguments.kind)
        found = list(_streams(logs, arguments.name, arguments.kind))
        if len({group for group, _ in found}) > 1:
            raise CommandError(
                f"there are logs of several things named {arguments.name}:"
                f" say which with {choices(_meant(None))}"
            )
        for group, stream in found:
            _print_new(logs, group, stream, tokens)
        if ended and not found:
            raise CommandError(f"there is no log of a job or an endpoint named {arguments.name}")
        if ended:
            return 0
        time.sleep(_POLL_SECONDS)


def _meant(kind: str | None) -> list[Thing]:
    return [thing for thing in THINGS if thing.group and kind in (None, thing.option)]


def _streams(logs: Any, name: str, kind: str | None) -> Iterator[tuple[str, str]]:
    for thing in _meant(kind):
        group = thing.group.format(name=name)
        prefix = {"logStreamNamePrefix": thing.prefix.format(name=name)} if thing.prefix else {}
        try:
            for page in logs.get_paginator("describe_log_streams").paginate(logGroupName=group, **prefix):
                for stream in page["logStreams"]:
                    yield group, stream["logStreamName"]
        except logs.exceptions.ResourceNotFoundException:
            continue


def _print_new(logs: Any, group: str, stream: str, tokens: dict[tuple[str, str], str]) -> None:
    while True:
        token = tokens.get((group, stream))
        request = {"nextToken": token} if token else {}
        page = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **request)
        for event in page["events"]:
            print(event["message"], flush=True)
        tokens[group, stream] = page["nextForwardToken"]
        if page["nextForwardToken"] == token or not page["events"]:
            return


def _may_say_more(sagemaker: Any, name: str, kind: str | None) -> bool:
    """Tell whether there is such a job, and it has not ended, or such an endpoint."""
    for thing in _meant(kind):
        with contextlib.suppress(ClientError):
            if thing.describe(sagemaker, name).get(f"{thing.word}Status") not in _ENDED:
                return True
    return False
