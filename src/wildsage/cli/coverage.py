"""``wildsage coverage``: which operations exist, and what happens to each request member."""

import argparse
from pathlib import Path

from wildsage.app import all_operations
from wildsage.aws.coverage import render_coverage
from wildsage.cli.console import CommandError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("coverage", help="show which operations and members are implemented")
    parser.add_argument("--members", action="store_true", help="list every request member too")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write docs/operations.md")
    parser.add_argument("--check", type=Path, metavar="FILE", help="fail if FILE is not up to date")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Print the table, or write or check the generated document."""
    document = render_coverage(
        all_operations(), members=arguments.members or bool(arguments.write or arguments.check)
    )
    if arguments.write:
        arguments.write.write_text(document)
    elif arguments.check:
        if not arguments.check.is_file() or arguments.check.read_text() != document:
            raise CommandError(f"{arguments.check} is not up to date: run `make docs`")
    else:
        print(document)
    return 0
