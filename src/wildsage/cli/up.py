"""``wildsage up``: start the server, in the foreground or with ``-d`` in the background."""

import argparse

from wildsage.cli.console import CommandError, announce, what_keeps_running
from wildsage.cli.registry import load, load_for_good
from wildsage.observe.server_log import FORMATS, LEVELS, log_to
from wildsage.store.layout import Layout
from wildsage.supervisor.liveness import living

_LARGEST_PORT = 65_535
_LARGEST_RATE = 36_000


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("up")
    parser.add_argument("-d", "--detach", action="store_true", help="run in the background")
    parser.add_argument(
        "--port", type=_port, help="port on 127.0.0.1 (default: the last one; at first 8172, or a free one)"
    )
    parser.add_argument("--account", help="12-digit account id (decided at the first start)")
    parser.add_argument("--region", help="region that clients get where they name none")
    parser.add_argument(
        "--create-roles", action="store_true", help="create an unknown role of the own account on sight"
    )
    parser.add_argument("--log-format", choices=FORMATS, default="text", help="of the server's log")
    parser.add_argument(
        "--log-level",
        choices=LEVELS,
        default="info",
        help="info (the default): what changes something, and errors; debug: every request",
    )
    parser.add_argument(
        "--ephemeral",
        action="store_true",
        help="keep state in a temporary folder, at a free port; all of it ends with the process that started it",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="with --ephemeral: say in one line of JSON where it is, and the variables of `wildsage env`",
    )
    parser.add_argument(
        "--keep-failed",
        type=int,
        metavar="N",
        help="keep the folders of the newest N failed runs for `wildsage replay` (default: 20; 0: none)",
    )
    parser.add_argument(
        "--spot-interruptions",
        type=_rate,
        metavar="PER_HOUR",
        default=0.0,
        help="take the capacity of each spot job back about so many times an hour (default: 0, never)",
    )
    parser.add_argument(
        "--spot-seed",
        type=int,
        metavar="N",
        default=0,
        help="another number interrupts the same jobs at other moments (default: 0)",
    )
    parser.set_defaults(execute=execute)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= _LARGEST_RATE:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no rate: give 0 to {_LARGEST_RATE} interruptions an hour"
        )
    return rate


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LARGEST_PORT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no port: give 1 to {_LARGEST_PORT}, or 0 for a free one"
        )
    return int(text)


def execute(arguments: argparse.Namespace) -> int:
    """Start the server; return when it ends, or with ``-d`` when it answers."""
    if arguments.ephemeral:
        return _ephemeral(arguments)
    if arguments.json:
        raise CommandError(
            "--json belongs to --ephemeral; of any other server, `wildsage env --format json` says it"
        )
    if arguments.detach:
        return _background(arguments)
    # By name, as below: each way needs its own alone, and would only be late with the others'.
    server = load_for_good("wildsage.cli.server")
    wishes = server.Wishes(
        data_dir=arguments.data_dir,
        port=arguments.port,
        account=arguments.account,
        region=arguments.region,
        create_roles=arguments.create_roles,
        keep_failed=arguments.keep_failed,
        spot_interruptions=arguments.spot_interruptions,
        spot_seed=arguments.spot_seed,
    )
    log_to(Layout(arguments.data_dir).server_log, arguments.log_format, arguments.log_level)
    server.serve(wishes, on_ready=announce)
    running = living(Layout(arguments.data_dir).runs)
    if running:
        print(what_keeps_running(len(running)), flush=True)
    return 0


def _ephemeral(arguments: argparse.Namespace) -> int:
    if arguments.detach:
        raise CommandError("an ephemeral server ends with the process that started it: leave out --detach")
    code: int = load_for_good("wildsage.cli.ephemeral").serve_ephemeral(arguments)
    return code


def _background(arguments: argparse.Namespace) -> int:
    code: int = load("background").start(arguments)
    return code
