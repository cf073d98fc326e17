"""The command ``wildsage``: one subcommand, one module."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from wildsage import __version__
from wildsage.cli.console import CommandError
from wildsage.cli.registry import COMMANDS, load
from wildsage.clients.discovery import default_data_dir


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parsed = _parser(words[:1]).parse_args(words)
    execute: Callable[[argparse.Namespace], int] = parsed.execute
    try:
        code = execute(parsed)
        sys.stdout.flush()
    except CommandError as error:
        print(f"wildsage: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever reads (head, less) has seen enough; what is still buffered must not fail at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return code


class _Help(argparse.HelpFormatter):
    """argparse measures its column one indent too short for the longest command."""

    def add_argument(self, action: argparse.Action) -> None:
        """Note an option or a group of commands, and how wide it is."""
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as below
            self._action_max_length += self._indent_increment


def _parser(first: Sequence[str]) -> argparse.ArgumentParser:
    """Declare the command line; whole for the command that is its first word, names only for the others."""
    parser = argparse.ArgumentParser(
        prog="wildsage",
        description="SageMaker in the wild: the platform its users own."
        " Compatible with the Amazon SageMaker API; not affiliated with Amazon.",
        formatter_class=partial(_Help, indent_increment=1),
    )
    parser.add_argument("--version", action="version", version=f"wildsage {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        if name in first:
            load(name).add_parser(subparsers)
            _complete(subparsers.choices[name], summary)
        else:
            subparsers.add_parser(name, help=summary)
    return parser


def _complete(parser: argparse.ArgumentParser, summary: str) -> None:
    """Add to a subcommand what all of them have: a description, and ``--data-dir``, also behind its actions."""
    parser.description = parser.description or f"{summary[0].upper()}{summary[1:]}."
    default = default_data_dir()
    shown = str(default).replace("%", "%%")
    says = f"where state lives (default: $WILDSAGE_DATA_DIR or {shown})"
    parser.add_argument("--data-dir", type=_absolute, metavar="DIR", default=default, help=says)
    for group in parser._actions:  # noqa: SLF001 - argparse has no other way to the actions of a subcommand
        if isinstance(group, argparse._SubParsersAction):  # noqa: SLF001 - as above
            for one in group.choices.values():
                one.add_argument(
                    "--data-dir", type=_absolute, metavar="DIR", default=argparse.SUPPRESS, help=says
                )


def _absolute(text: str) -> Path:
    """Read a path from where the user stands: a server in the background stands elsewhere."""
    return Path(text).expanduser().absolute()


if __name__ == "__main__":
    sys.exit(main())
