"""``wildsage algorithms``: list the built-in algorithms, show one, run one on a folder, write their pages."""

import argparse
import importlib
import os
from importlib.util import find_spec
from pathlib import Path

from wildsage.algorithms.registry import MODULES
from wildsage.algorithms.registry import load_spec as load_builtin
from wildsage.cli.console import CommandError, table
from wildsage.toolkit.__main__ import run
from wildsage.toolkit.reference import fill, new_page, reference
from wildsage.toolkit.resolve import load_spec
from wildsage.toolkit.spec import AlgorithmSpec

_INDEX = "README.md"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("algorithms")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("ls", help="list them")
    show = actions.add_parser("show", help="show hyperparameters, channels, formats and metrics of one")
    _add_name(show)
    one = actions.add_parser("run", help="train or serve on a folder that is laid out as /opt/ml")
    _add_name(one)
    one.add_argument(
        "--base", type=Path, metavar="DIR", help="the folder (default: $SAGEMAKER_BASE_DIR or /opt/ml)"
    )
    one.add_argument("mode", choices=("train", "serve"), help="what to do")
    pages = actions.add_parser("pages", help="fill the generated parts of docs/algorithms")
    which = pages.add_mutually_exclusive_group(required=True)
    which.add_argument("--write", type=Path, metavar="DIR", help="write them")
    which.add_argument("--check", type=Path, metavar="DIR", help="fail if a page is not up to date")
    parser.set_defaults(execute=execute)


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME", help="as `ls` shows it, or the package of an algorithm of your own"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Do what the action says; of ``run`` the exit code is the container's.

    Raises
    ------
    CommandError
        If there is no such algorithm, or a page is not up to date.
    """
    if arguments.action == "run":
        base = {"SAGEMAKER_BASE_DIR": str(arguments.base.absolute())} if arguments.base else {}
        return run(arguments.mode, _spec(arguments.name), {**os.environ, **base})
    if arguments.action == "show":
        spec = _spec(arguments.name)
        print(f"# {spec.title}\n{reference(spec)}".rstrip())
    elif arguments.action == "ls":
        print(table(("NAME", "IMAGES", "WHAT IT IS"), [_listed(load_builtin(name)) for name in MODULES]))
    else:
        _pages(arguments)
    return 0


def _spec(name: str) -> AlgorithmSpec:
    module = MODULES.get(name, name)
    try:
        return load_spec(module)
    except (ModuleNotFoundError, TypeError, ValueError) as error:
        raise CommandError(
            f"there is no algorithm {name!r} ({error}). There are {', '.join(MODULES)};"
            " one of your own is named by its package, which has to be installed"
        ) from None


def _listed(spec: AlgorithmSpec) -> tuple[str, str, str]:
    missing = [install for module, install in spec.requires.items() if find_spec(module) is None]
    hint = f" (first: {'; '.join(missing)})" if missing else ""
    return spec.name, " ".join(image.repository for image in spec.images), _summary(spec) + hint


def _summary(spec: AlgorithmSpec) -> str:
    """The first line of the package's docstring, without its full stop."""
    return (importlib.import_module(spec.module).__doc__ or spec.title).partition("\n")[0].rstrip(".")


def _pages(arguments: argparse.Namespace) -> None:
    folder: Path = arguments.write or arguments.check
    stale = [path for path, page in _wanted(folder).items() if not path.exists() or path.read_text() != page]
    if arguments.check and stale:
        raise CommandError(f"{', '.join(map(str, stale))} not up to date: run `make docs`")
    for path in stale:
        path.write_text(_wanted(folder)[path])


def _wanted(folder: Path) -> dict[Path, str]:
    """Return the pages as they have to be, with what is written by hand in them."""
    specs = [load_builtin(name) for name in MODULES]
    pages = {folder / _page(spec): (new_page(spec), reference(spec)) for spec in specs}
    pages[folder / _INDEX] = ("# Built-in algorithms\n", _index(specs))
    return {
        path: fill(path.read_text() if path.exists() else new, block) for path, (new, block) in pages.items()
    }


def _page(spec: AlgorithmSpec) -> str:
    """The page's file, called as the package is."""
    return f"{spec.module.rpartition('.')[2]}.md"


def _index(specs: list[AlgorithmSpec]) -> str:
    rows = [
        f"| [{spec.title}]({_page(spec)}) | {', '.join(f'`{image.repository}`' for image in spec.images)} "
        f"| {_summary(spec).partition(': ')[2]} |"
        for spec in specs
    ]
    return "\n".join(["| algorithm | image | what it is |", "|---|---|---|", *rows]) + "\n"
