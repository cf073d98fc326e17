"""Which subcommands there are. A command's module is imported when it is given: nobody waits for the others'."""

import gc
import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Final

COMMANDS: Final[Mapping[str, str]] = {
    "up": "start the server",
    "run": "run a program whose AWS calls come here",
    "env": "print the variables that bring a shell's AWS calls here",
    "jupyter": "install a notebook kernel whose AWS calls come here",
    "seed": "fill the public sample buckets that notebooks read",
    "status": "show the server and what it holds",
    "ls": "list jobs and endpoints",
    "logs": "print the log of a job or an endpoint",
    "events": "show what happened to jobs, models and endpoints",
    "tune": "show a tuning job while it runs, and the best so far",
    "explain": "say what became of a job or an endpoint, and what to do next",
    "replay": "run a job again on a terminal, or open a shell in its place",
    "interrupt": "take the capacity of a spot job back, as the spot market would",
    "stop": "stop a job, or delete an endpoint",
    "down": "end the server",
    "doctor": "show what this machine offers",
    "du": "show what takes the space",
    "gc": "remove what nobody needs any more",
    "backup": "copy everything durable, also while the server runs",
    "restore": "make a data directory of a backup",
    "reset": "empty the state and keep the installation",
    "uninstall": "list and remove everything Wildsage put on this machine",
    "algorithms": "list, show and run the built-in algorithms",
    "images": "register, list and prepare images",
    "filesystems": "let folders stand for EFS and FSx file systems",
    "demo": "train, deploy and predict on a real data set",
    "coverage": "show which operations and members are implemented",
}
"""What each does, in the order of ``wildsage --help``. Its module has the same name."""


def load(name: str) -> ModuleType:
    """Import a module of the command line."""
    return importlib.import_module(f"wildsage.cli.{name}")


def load_for_good(module: str) -> ModuleType:
    """Import a large module that the process keeps to its end."""
    gc.disable()  # what modules make stays: to look for garbage in it took a tenth of the time
    try:
        return importlib.import_module(module)
    finally:
        gc.freeze()
        gc.enable()
