"""Carry a run on the user's terminal: the same container once more, or a shell in its place.

Nothing is packed and nothing is registered. The caller is the process's main thread and removes the folder.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from wildsage.compute.base import Container, Mount, Process, Sandbox
from wildsage.compute.select import choose
from wildsage.images.program import base_python_folders, mounts_of
from wildsage.supervisor.contract import JobFile
from wildsage.supervisor.environment import ML_TARGET
from wildsage.supervisor.folder import RunFolder
from wildsage.supervisor.kept import KeptRun, copy_inputs
from wildsage.supervisor.liveness import LOCK_FILE, take_lock
from wildsage.supervisor.run import Run
from wildsage.supervisor.terminal import Terminal

_SHELLS = ("/bin/bash", "/bin/sh")
# A shell wants a controlling terminal of its own: only the leader of a new session can take one.
_LEADER = """
import fcntl, os, sys, termios
child = os.fork()
if not child:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.execv(sys.argv[1], sys.argv[1:])
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
"""


@contextmanager
def held(folder: RunFolder) -> Iterator[None]:
    """Hold the lock of a run's folder: others see that somebody works in it, and leave it alone."""
    lock = take_lock(folder.path / LOCK_FILE)
    try:
        yield
    finally:
        os.close(lock)


def rerun(folder: RunFolder, kept: KeptRun | None) -> int:
    """Run the container of a written job again, its output on ours; return its exit code.

    Parameters
    ----------
    kept
        Its inputs are copied; None, or a run without them: they are staged again.

    Raises
    ------
    wildsage.supervisor.download.InputError, OSError
        If an input cannot be brought in.
    LaunchError, UnavailableError
        If the sandbox cannot carry it.
    """
    run = Run(folder.path)
    if kept is not None and kept.has_inputs:
        copy_inputs(kept, run.ml)
    run.stage()
    process = choose(run.job.backend).launch(run.container(), sys.stdout.fileno(), sys.stderr.fileno())
    run.inputs.start()
    try:
        exit_code, _ = run.watch(process, time.monotonic())
        if run.inputs.failure is not None:
            raise run.inputs.failure
        return exit_code
    finally:
        process.kill()
        process.release()
        run.host_proxy.close()
        run.inputs.close()


def shell(folder: RunFolder, kept: KeptRun | None, terminal: Terminal) -> int:
    """Open a shell in the place of the container; return its exit code.

    Parameters
    ----------
    kept
        Its ``/opt/ml`` itself is opened; None: inputs are staged again, and nothing of the run is there.

    Raises
    ------
    As `rerun`.
    """
    run = Run(folder.path)
    if kept is not None:
        run.ml = kept.folder.ml
    run.stage()
    sandbox = choose(run.job.backend)
    inner = terminal.open()
    try:
        container = _with_shell(run.container(), sandbox, inner)
        process = sandbox.launch(container, inner, inner)
    finally:
        os.close(inner)
    run.inputs.start()
    try:
        terminal.relay(lambda: _has_ended(run, process))
        return process.wait() or 0
    finally:
        process.kill()
        process.release()
        run.host_proxy.close()
        run.inputs.close()


def _has_ended(run: Run, process: Process) -> bool:
    run.host_proxy.look()
    return process.wait(0) is not None


def _with_shell(container: Container, sandbox: Sandbox, stdin: int) -> Container:
    if container.image is not None:
        return _with_own_shell(container, stdin)
    python = str(Path(sys.executable).resolve())
    program = next(path for path in _SHELLS if Path(path).exists())
    present = {mount.target for mount in container.mounts}
    added = [Mount(*pair) for pair in mounts_of(base_python_folders()) if pair[1] not in present]
    return replace(
        container,
        argv=(python, "-I", "-S", "-c", _LEADER, program, *(("--norc",) if "bash" in program else ()), "-i"),
        environment=_shell_environment(container),
        mounts=(*container.mounts, *added),
        working_directory=ML_TARGET,
        needs_opt_ml=container.needs_opt_ml and sandbox.private,
        stdin=stdin,
    )


def _with_own_shell(container: Container, stdin: int) -> Container:
    """Start the image's own shell; the engine makes its terminal. An image without one says so."""
    return replace(
        container,
        argv=("/bin/sh", "-i"),
        environment=_shell_environment(container),
        working_directory=ML_TARGET,
        stdin=stdin,
        door=None,
    )


def _shell_environment(container: Container) -> Mapping[str, str]:
    shown = {"TERM": os.environ.get("TERM", "dumb"), "PS1": r"[replay \w]\$ ", "HISTFILE": ""}
    return {**container.environment, **shown}


def what_is_missing(job: JobFile, ml: Path) -> str:
    """Say what a shell here does not have of a sandbox; empty where it has everything."""
    if choose(job.backend).private:
        return ""
    return (
        "This machine has no sandbox (see `wildsage doctor`): the shell sees the whole machine, and /opt/ml is"
        f" {ml}, which $SAGEMAKER_BASE_DIR names."
    )
