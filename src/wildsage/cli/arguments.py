"""The words that subcommands share, so that each means and says the same everywhere."""

import argparse
import re

from wildsage.cli.things import THINGS

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def add_name(parser: argparse.ArgumentParser, whose: str) -> None:
    """Let a subcommand be told which resource is meant: ``name``."""
    parser.add_argument("name", metavar="NAME", help=f"of the {whose}")


def add_kind(parser: argparse.ArgumentParser) -> None:
    """Let a subcommand be told which of several things of one name is meant: ``kind``, None for any."""
    which = parser.add_mutually_exclusive_group()
    for thing in THINGS:
        which.add_argument(
            f"--{thing.option}",
            dest="kind",
            action="store_const",
            const=thing.option,
            help=f"where several have the name: the {thing.noun}",
        )


def add_region(parser: argparse.ArgumentParser) -> None:
    """Let a subcommand look at another region: ``region``, None for the server's."""
    parser.add_argument("--region", help="the region to look at (default: the server's)")


def add_yes(parser: argparse.ArgumentParser) -> None:
    """Let a subcommand that removes things do so unasked: ``yes``, see `console.confirm`."""
    parser.add_argument("--yes", action="store_true", help="do not ask")


def seconds(text: str) -> float:
    """Read how long: ``30s``, ``10m``, ``12h``, ``7d``, ``2w``.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none of these.
    """
    found = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: give a number and s, m, h, d or w, such as 7d"
        )
    return float(int(found[1]) * _UNITS[found[2]])
