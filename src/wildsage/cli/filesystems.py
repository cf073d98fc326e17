"""``wildsage filesystems``: say which folders of this machine stand for EFS and FSx file systems."""

import argparse
from pathlib import Path

from wildsage.cli.console import CommandError, make_data_dir, table
from wildsage.store.file_systems import FileSystems
from wildsage.store.layout import Layout


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("filesystems")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="let a folder stand for a file system")
    add.add_argument(
        "id", metavar="ID", help="what a request says as its FileSystemId, e.g. fs-0123456789abcdef0"
    )
    add.add_argument("path", metavar="PATH", type=Path, help="the folder that is the root of the file system")
    actions.add_parser("ls", help="list what is registered")
    remove = actions.add_parser("rm", help="forget a file system; the folder stays")
    remove.add_argument("id", metavar="ID", help="as `wildsage filesystems ls` shows it")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Do what the action says.

    Raises
    ------
    CommandError
        If the id or the folder cannot be one, or the id is not registered.
    """
    layout = Layout(arguments.data_dir)
    make_data_dir(layout)
    file_systems = FileSystems(layout.file_systems)
    try:
        if arguments.action == "add":
            added = file_systems.add(arguments.id, arguments.path)
            print(f"{added.id} is {added.path} from now on, for jobs that are created or started")
        elif arguments.action == "rm":
            file_systems.remove(arguments.id)
        else:
            print(table(("ID", "PATH"), [(item.id, item.path) for item in file_systems.list()]))
    except (ValueError, LookupError) as error:
        raise CommandError(str(error)) from None
    return 0
