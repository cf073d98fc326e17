"""``wildsage doctor``: what this machine offers, found by trying."""

import argparse
import importlib.util
import os
import platform
import shutil
import sys

from wildsage import __version__
from wildsage.cli.console import table
from wildsage.cli.server import default_cache_dir
from wildsage.clients.discovery import ServerNotRunningError, find_server
from wildsage.compute.engine import ENGINES, Engine
from wildsage.compute.select import probe_all
from wildsage.store.layout import Layout
from wildsage.supervisor.lazy_view import obstacle

_EXTRAS = {"xgboost": ("xgboost", "the XGBoost algorithm")}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("doctor")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Print what was found. The exit code is 1 if no sandbox works."""
    rows = [
        ("wildsage", "ok", f"{__version__}, Python {platform.python_version()} at {sys.executable}"),
        ("machine", "ok", f"{os.cpu_count()} cores, {platform.system()} {platform.release()}"),
        _server_row(arguments),
        _disk_row(arguments),
    ]
    probes = probe_all()
    best = next((name for name, probe in probes.items() if probe.available), None)
    for level, (name, probe) in enumerate(probes.items(), 1):
        state = ("used" if name == best else "ok") if probe.available else "no"
        rows.append((f"sandbox {level}: {name}", state, probe.reason))
    rows += map(_engine_row, ENGINES)
    rows.append(_fast_file_row())
    for module, (extra, what) in _EXTRAS.items():
        present = importlib.util.find_spec(module) is not None
        hint = what if present else f"{what} needs: pip install 'wildsage[{extra}]'"
        rows.append((f"extra {extra}", "ok" if present else "absent", hint))
    print(table(("WHAT", "STATE", "DETAIL"), rows))
    return 0 if best else 1


def _server_row(arguments: argparse.Namespace) -> tuple[str, str, str]:
    try:
        server = find_server(Layout(arguments.data_dir))
    except ServerNotRunningError as error:
        return "server", "down", str(error)
    return "server", "ok", f"{server.url}, process {server.pid}, account {server.account}"


def _engine_row(engine: Engine) -> tuple[str, str, str]:
    what = f"containers: {engine.name}"
    if not engine.is_installed:
        return what, "absent", engine.probe().reason
    probe = engine.probe()
    if not probe.available:
        return what, "no", probe.reason
    limits = engine.calling().limits
    loose = [
        f"{limit} {mechanism}" for limit, mechanism in limits.items() if mechanism.startswith("not held")
    ]
    ways = " ".join(engine.calling().engine)
    return what, "ok", "; ".join(filter(None, (f"called with {ways}" if ways else "", *loose)))


def _fast_file_row() -> tuple[str, str, str]:
    missing = obstacle()
    if missing:
        return (
            "FastFile",
            "partly",
            f"{missing}: objects that were uploaded in parts are copied before the start",
        )
    return "FastFile", "ok", "objects are read when the job reads them"


def _disk_row(arguments: argparse.Namespace) -> tuple[str, str, str]:
    folder = arguments.data_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    return (
        "state",
        "ok" if free > 1 else "low",
        f"{arguments.data_dir}, {free:.1f} GiB free; cache {default_cache_dir()}",
    )
