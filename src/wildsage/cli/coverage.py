"""``wildsage coverage``: which operations exist, and what happens to each request member."""

import argparse
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from wildsage.app import Application, Settings
from wildsage.aws.coverage import render_coverage
from wildsage.cli.console import generated
from wildsage.compute.plain import Plain
from wildsage.core.clock import SystemClock
from wildsage.observe.health import Health
from wildsage.store.layout import Layout
from wildsage.store.opened import OpenStore

_ACCOUNT = "123456789012"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("coverage")
    parser.add_argument("--members", action="store_true", help="list every request member too")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write docs/operations.md")
    parser.add_argument("--check", type=Path, metavar="FILE", help="fail if FILE is not up to date")
    parser.set_defaults(execute=execute)


def all_operations() -> Mapping[str, Collection[str]]:
    """Return the operations that a server has, by service: of one that is composed and thrown away."""
    with TemporaryDirectory() as folder:
        layout = Layout(Path(folder))
        layout.make()
        settings = Settings(layout, Path(folder), _ACCOUNT, endpoint_url="")
        with OpenStore(layout, _ACCOUNT) as store:
            health = Health(layout.root, (store.state, store.telemetry))
            application = Application(settings, store, health, SystemClock(), Plain())
            return {service: list(handlers) for service, handlers in application.handlers.items()}


def execute(arguments: argparse.Namespace) -> int:
    """Print the table, or write or check the generated document."""
    document = render_coverage(
        all_operations(), members=arguments.members or bool(arguments.write or arguments.check)
    )
    generated(document, arguments)
    return 0
