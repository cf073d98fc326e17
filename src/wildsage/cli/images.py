"""``wildsage images``: register a directory or a command as an image, list, remove, prepare; the table of framework images."""

import argparse
import asyncio
import os
import shlex
from pathlib import Path

from wildsage.app import framework_environments, image_catalogue
from wildsage.cli.console import CommandError, generated, make_data_dir, table
from wildsage.cli.server import default_cache_dir
from wildsage.compute.engine import ENGINES
from wildsage.images.catalogue import UnknownImageError
from wildsage.images.environments import EnvironmentBuildError
from wildsage.images.registered import RegisteredImages
from wildsage.images.table import render_table
from wildsage.store.layout import Layout


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("images")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="register a directory with executables `train`, `process`, `serve`")
    add.add_argument(
        "name",
        metavar="NAME",
        help="what a request says as its TrainingImage, ImageUri or Image: NAME or NAME:TAG",
    )
    add.add_argument(
        "source",
        metavar="DIR|COMMAND",
        help="or a command of this machine; it gets `train` or `serve` as its last argument, to process none",
    )
    actions.add_parser("ls", help="list registered images, and those that podman and docker have")
    remove = actions.add_parser("rm", help="forget a registered image")
    remove.add_argument("name", metavar="NAME", help="as `wildsage images ls` shows it")
    prepare = actions.add_parser("prepare", help="make the environment of a framework image now")
    prepare.add_argument("uri", metavar="URI", help="e.g. sagemaker-scikit-learn:1.2-1-cpu-py3")
    prepare.add_argument(
        "--sdk",
        default="",
        metavar="VERSION",
        help="as remote functions of this version of the SageMaker Python SDK need it",
    )
    page = actions.add_parser(
        "table", help="show which versions the tags of framework images promise, and which run"
    )
    page.add_argument("--write", type=Path, metavar="FILE", help="write docs/environments.md")
    page.add_argument("--check", type=Path, metavar="FILE", help="fail if FILE is not up to date")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Do what the action says.

    Raises
    ------
    CommandError
        If the image is unknown, cannot be registered, or its environment cannot be made.
    """
    try:
        return _execute(arguments)
    except (ValueError, LookupError, UnknownImageError, EnvironmentBuildError) as error:
        raise CommandError(str(error)) from None


def _execute(arguments: argparse.Namespace) -> int:
    if arguments.action == "table":
        generated(render_table(), arguments)
        return 0
    layout = Layout(arguments.data_dir)
    make_data_dir(layout)
    registered = RegisteredImages(layout.images)
    if arguments.action == "add":
        image = (
            registered.add_directory(arguments.name, Path(arguments.source))
            if os.path.isdir(arguments.source)  # noqa: PTH112 - pathlib fails on what is too long for a path
            else registered.add_command(arguments.name, shlex.split(arguments.source))
        )
        print(f"Registered {image.name}. Use it as the TrainingImage or Image: {arguments.name}")
    elif arguments.action == "rm":
        registered.remove(arguments.name)
    elif arguments.action == "prepare":
        _prepare(layout, arguments.uri, arguments.sdk)
    else:
        rows = [(image.name, " ".join(image.executables or image.command)) for image in registered.list()]
        rows += [(name, f"a container of {engine.name}") for engine in ENGINES for name in engine.names()]
        print(table(("NAME", "RUNS"), rows))
    return 0


def _prepare(layout: Layout, uri: str, sdk: str) -> None:
    environments = framework_environments(default_cache_dir())
    catalogue = image_catalogue(layout, "", environments)
    image = catalogue.resolve(uri, script=True, sdk=sdk)
    if image.environment is None:
        raise CommandError(f"{uri} needs no environment")
    asyncio.run(environments.prepare(image.environment, print))
    print(image.notice)
