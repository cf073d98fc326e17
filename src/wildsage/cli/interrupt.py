"""``wildsage interrupt NAME``: take the capacity of a spot job back."""

import argparse

from wildsage.cli.arguments import add_name, add_region
from wildsage.cli.owner import ask_owner


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "interrupt",
        description="Do what the spot market does to a training job with EnableManagedSpotTraining: its container gets"
        " SIGTERM, 120 s later SIGKILL; its checkpoints are stored, and it starts again from them.",
    )
    add_name(parser, "spot training job")
    add_region(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Interrupt the job that has this name."""
    reply = ask_owner(arguments, "interrupt", name=arguments.name)
    where = (
        "It goes on from its last checkpoint."
        if reply["has_checkpoints"]
        else "It has no CheckpointConfig: it begins from the start."
    )
    print(f"Interrupting attempt {reply['attempt']} of training job {arguments.name}. {where}")
    return 0
