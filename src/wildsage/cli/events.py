"""``wildsage events``: what happened to jobs, models and endpoints, and what clients put on the bus."""

import argparse
import contextlib
import json
import sqlite3
import time
from datetime import UTC, datetime

from wildsage.cli.arguments import seconds
from wildsage.cli.console import CommandError
from wildsage.clients.discovery import start_command
from wildsage.core.clock import Clock, SystemClock
from wildsage.services.events.envelope import envelope
from wildsage.store.events import Event, Events
from wildsage.store.layout import Layout
from wildsage.store.readonly import ReadOnlyDatabase

_POLL_SECONDS = 0.5
_BATCH = 500


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("events")
    parser.add_argument("-f", "--follow", action="store_true", help="wait for more until interrupted")
    parser.add_argument(
        "--since", type=_since, metavar="WHEN", default="1h",
        help="how long ago (30s, 10m, 2h, 7d), or a time (2026-01-31T12:00:00Z); default: 1h",
    )  # fmt: skip
    parser.add_argument("--region", help="only events of this region (default: of all)")
    parser.add_argument("--json", action="store_true", help="print whole events, one JSON object a line")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Print the events of the data directory; a server need not run."""
    layout = Layout(arguments.data_dir)
    try:
        database = ReadOnlyDatabase(layout.state_database)
    except FileNotFoundError:
        raise CommandError(
            f"there is no state in {layout.root}: start a server with `{start_command(layout)}`"
        ) from None
    with contextlib.closing(database), contextlib.suppress(KeyboardInterrupt):
        try:
            _print_events(Events(database), arguments, SystemClock())
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            raise CommandError(
                f"the state in {layout.root} was written by an older Wildsage, which kept no events:"
                f" start the server once with `{start_command(layout)}`"
            ) from None
    return 0


def _print_events(events: Events, arguments: argparse.Namespace, clock: Clock) -> None:
    since = (
        clock.now() - arguments.since if isinstance(arguments.since, float) else arguments.since.timestamp()
    )
    position = events.before(since)
    while True:
        found = events.read(position, _BATCH)
        for event in found:
            position = event.sequence
            if arguments.region in (None, event.region):
                print(_line(event, as_json=arguments.json), flush=True)
        if not found and not arguments.follow:
            return
        if not found:
            time.sleep(_POLL_SECONDS)


def _line(event: Event, *, as_json: bool) -> str:
    whole = envelope(event)
    if as_json:
        return json.dumps(whole)
    status = event.subject.get("status", "") or ("Created" if "arn" in event.subject else "")
    secondary = event.body.get("SecondaryStatus") if "arn" in event.subject else None
    if secondary not in (None, status):
        status = f"{status}/{secondary}"
    subject = whole["resources"][0].rpartition(":")[2] if whole["resources"] else whole["source"]
    parts = (whole["time"], whole["region"], whole["detail-type"], subject, status)
    return "  ".join(part for part in parts if part)


def _since(text: str) -> float | datetime:
    """Read ``--since``: seconds before now, or a moment."""
    with contextlib.suppress(argparse.ArgumentTypeError):
        return seconds(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a time such as 2026-01-31T12:00:00Z nor how long ago, such as 10m"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
