"""Start the outermost process of a container: within its limits, reporting on a pipe."""

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wildsage.compute.base import Container, LaunchError
from wildsage.compute.limits import Confinement, confine


@dataclass(frozen=True, slots=True)
class Started:
    """What was started; the parts that a `ContainerProcess` is made of."""

    process: subprocess.Popen[bytes]
    status: int
    confinement: Confinement


def spawn(
    command: Callable[[int], Sequence[str]],
    orders: Callable[[int], bytes],
    container: Container,
    stdout: int,
    stderr: int,
) -> Started:
    """Start a process: within the container's limits, with its input, in the network that it shares.

    Parameters
    ----------
    command
        The program and its arguments, given the descriptor from which it reads its orders.
    orders
        What it is told, given the descriptor on which it is to report. In a file of its own, because any
        user's process listing shows arguments, and these hold the container's environment.

    Raises
    ------
    LaunchError
        If the program does not start.
    """
    confinement, stdin = confine(container.limits), container.stdin

    def enter() -> None:
        for number in signal.valid_signals():  # what we were started to ignore (nohup), a container does not
            if signal.getsignal(number) == signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        confinement.enter()
        if container.network is not None:
            container.network.join()

    status, report = os.pipe()
    told = os.memfd_create("orders")
    argv = command(told)
    try:
        with open(os.dup(told), "wb") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(orders(report))
        os.lseek(told, 0, os.SEEK_SET)
        process = subprocess.Popen(
            argv,
            # Not the container's: what a user sets (LD_PRELOAD) must not act outside the sandbox.
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(told, report),
            preexec_fn=enter,  # noqa: PLW1509 - launched while one thread runs
        )
    except (OSError, subprocess.SubprocessError) as error:
        os.close(status)
        confinement.release()
        raise LaunchError(f"{argv[0]}: {error}") from error
    finally:
        os.close(told)
        os.close(report)
    return Started(process, status, confinement)
