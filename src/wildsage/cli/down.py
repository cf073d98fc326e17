"""``wildsage down``: end the server; jobs and endpoint workers go on unless ``--all``."""

import argparse

from wildsage.cli.console import CommandError, running_server, what_keeps_running
from wildsage.clients.service import stop_proxy
from wildsage.store.layout import Layout
from wildsage.supervisor.folder import living_runs
from wildsage.upkeep.ending import SERVER_PATIENCE_SECONDS, StillRunningError, end_server


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("down")
    parser.add_argument(
        "--all",
        action="store_true",
        help="end running jobs and endpoint workers too, and kill a server that hangs: one that has not"
        f" ended {SERVER_PATIENCE_SECONDS:.0f} s after SIGTERM",
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """End the server and say what keeps running."""
    layout = Layout(arguments.data_dir)
    try:
        was_up = end_server(layout, kill=arguments.all)
    except StillRunningError as error:
        raise CommandError(str(error)) from None
    if not was_up and not arguments.all:
        running_server(arguments)  # says that none runs, and how to start it
    if was_up:
        print("Wildsage is down.")
    stop_proxy(layout)
    runs = living_runs(layout.runs)
    if arguments.all:
        for folder in runs:
            folder.request_stop()
        if runs:
            print(f"Asked {len(runs)} running container{'s' * (len(runs) > 1)} to end.")
        elif not was_up:
            print(f"Nothing of {layout.root} is running.")
    elif runs:
        print(what_keeps_running(len(runs)))
    return 0
