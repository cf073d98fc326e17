"""``wildsage gc``: remove what nobody needs any more, also while the server runs."""

import argparse
import asyncio
from collections.abc import Sequence

from wildsage.app import framework_environments
from wildsage.cli.arguments import seconds
from wildsage.cli.console import CommandError, human_size, table
from wildsage.cli.owner import ask_owner
from wildsage.cli.server import default_cache_dir
from wildsage.clients.discovery import ServerNotRunningError, find_server
from wildsage.core.clock import SystemClock
from wildsage.store.buckets import Buckets
from wildsage.store.database import Database
from wildsage.store.directory_lock import DirectoryInUseError, owned
from wildsage.store.layout import Layout
from wildsage.store.logs import LogStreams
from wildsage.store.migrate import NewerSchemaError
from wildsage.store.objects import Objects
from wildsage.upkeep.garbage import Collected, Garbage


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "gc",
        description="Remove abandoned uploads, folders of ended runs, logs past their retention, copies from before"
        " upgrades, environments nobody used, and content that nothing leads to. Never what a job, model, endpoint or"
        " object refers to.",
    )
    parser.add_argument(
        "--older",
        type=seconds,
        default="7d",
        metavar="TIME",
        help="what nobody used for so long: 30m, 12h, 7d (default), 2w",
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would go, remove nothing")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Collect, and print how much of what went."""
    layout = Layout(arguments.data_dir)
    if not layout.state_database.exists():
        raise CommandError(f"{layout.root} holds no state: say which with --data-dir")
    try:
        find_server(layout)
    except ServerNotRunningError:
        collected = _collect_here(layout, arguments)
    else:
        reply = ask_owner(arguments, "gc", older=arguments.older, dry_run=arguments.dry_run)
        collected = [Collected(**one) for one in reply["collected"]]
    rows = [(one.what, str(one.count), human_size(one.size)) for one in collected if one.count]
    total = sum(one.size for one in collected)
    verb = "Would remove" if arguments.dry_run else "Removed"
    if rows:
        print(table(("WHAT", "COUNT", "SIZE"), rows))
    print(f"{verb} {human_size(total)}." if rows else "There is nothing to remove.")
    return 0


def _collect_here(layout: Layout, arguments: argparse.Namespace) -> Sequence[Collected]:
    try:
        with owned(layout):
            return asyncio.run(_collect(layout, arguments.older, dry_run=arguments.dry_run))
    except DirectoryInUseError:
        raise CommandError("the server is just starting or stopping: try again") from None
    except NewerSchemaError as error:
        raise CommandError(str(error)) from None


async def _collect(layout: Layout, older: float, *, dry_run: bool) -> Sequence[Collected]:
    clock = SystemClock()
    state = Database(layout.state_database, "state")
    telemetry = Database(layout.telemetry_database, "telemetry", durable=False)
    objects = Objects(layout.objects)
    try:
        environments = framework_environments(default_cache_dir())
        buckets, logs = Buckets(state, objects, clock), LogStreams(telemetry, layout.logs)
        return await Garbage(layout, buckets, logs, environments, clock).collect(older, dry_run=dry_run)
    finally:
        objects.close()
        state.close()
        telemetry.close()
