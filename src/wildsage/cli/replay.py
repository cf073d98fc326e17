"""``wildsage replay JOB [--shell]``: a job's container once more, on this terminal."""

import argparse
import contextlib
import sys
from pathlib import Path

from wildsage.cli.arguments import add_name, add_region
from wildsage.cli.console import CommandError
from wildsage.cli.owner import ask_owner
from wildsage.compute.base import LaunchError, UnavailableError
from wildsage.store.layout import Layout
from wildsage.supervisor.contract import JobFile
from wildsage.supervisor.download import InputError
from wildsage.supervisor.folder import RunFolder
from wildsage.supervisor.kept import KeptRun
from wildsage.supervisor.liveness import RunInUseError
from wildsage.supervisor.replay import held, rerun, shell, what_is_missing
from wildsage.supervisor.run import StoppedEarlyError
from wildsage.supervisor.terminal import Terminal


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "replay",
        description="Run the container of a job again: same image, parameters, sandbox and limits, the"
        " inputs that were kept or the same ones staged again. Its log goes to the terminal, its output nowhere.",
    )
    add_name(parser, "job")
    parser.add_argument(
        "--shell",
        action="store_true",
        help="do not run it: open a shell in its sandbox, with the /opt/ml it left behind",
    )
    add_region(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Carry the replay; the exit code is the container's, or the shell's.

    Raises
    ------
    CommandError
        If there is no such job, or its container cannot start.
    """
    begun = ask_owner(arguments, "replay", name=arguments.name)
    job = JobFile.from_json(begun["job"])
    kept = (
        None if begun["kept"] is None else KeptRun(**{**begun["kept"], "path": Path(begun["kept"]["path"])})
    )
    folder = RunFolder(Layout(arguments.data_dir).runs / begun["run_id"])
    try:
        folder.write_job(job, begun["token"])
        return _carry(arguments, folder, kept)
    except (InputError, LaunchError, UnavailableError, RunInUseError, StoppedEarlyError, OSError) as error:
        raise CommandError(f"{arguments.name} cannot be replayed: {error or type(error).__name__}") from None
    finally:
        folder.delete()
        with contextlib.suppress(CommandError):  # a server that is gone sweeps at its next start
            ask_owner(arguments, "replay-end", run_id=begun["run_id"])


def _carry(arguments: argparse.Namespace, folder: RunFolder, kept: KeptRun | None) -> int:
    with contextlib.ExitStack() as locks:
        locks.enter_context(held(folder))
        if kept is not None:
            locks.enter_context(held(kept.folder))
        if not arguments.shell:
            inputs = "kept inputs" if kept is not None and kept.has_inputs else "inputs staged again"
            _say(f"replaying {arguments.name} on {inputs}; nothing of it is stored")
            code = rerun(folder, kept)
            _say(f"the container ended with exit code {code}")
            return code
        missing = what_is_missing(folder.job(), folder.ml if kept is None else kept.folder.ml)
        if missing:
            _say(missing)
        what = "/opt/ml as the failed run left it" if kept is not None else "/opt/ml as the run would find it"
        _say(f"{what}; leave with `exit`")
        return shell(folder, kept, Terminal())


def _say(text: str) -> None:
    print(f"wildsage: {text}", file=sys.stderr, flush=True)
