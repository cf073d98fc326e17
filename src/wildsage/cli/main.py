"""The command ``wildsage``: one subcommand, one module."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from wildsage import __version__
from wildsage.cli import coverage, demo, doctor, down, env, images, logs, ls, run, status, stop, up
from wildsage.cli.console import CommandError
from wildsage.clients.discovery import default_data_dir

_COMMANDS = (up, run, env, status, ls, logs, stop, down, doctor, images, demo, coverage)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="wildsage",
        description="SageMaker in the wild: the platform its users own."
        " Compatible with the Amazon SageMaker API; not affiliated with Amazon.",
    )
    parser.add_argument("--version", action="version", version=f"wildsage {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(subparsers)
    for subparser in subparsers.choices.values():
        subparser.add_argument(
            "--data-dir",
            type=Path,
            default=default_data_dir(),
            help="where state lives (default: $WILDSAGE_DATA_DIR or %(default)s)",
        )
    parsed = parser.parse_args(arguments)
    execute: Callable[[argparse.Namespace], int] = parsed.execute
    try:
        return execute(parsed)
    except CommandError as error:
        print(f"wildsage: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
