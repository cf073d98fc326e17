"""MPI by scripts that a client sends along, which need paramiko and an sshd at port 22 of each host.

The driver of SDK v3's ``MPI()``: the runtime does its work in its place (`mpi.run_driver`), whenever the job's
interpreter is told to run it. A remote function with ``use_mpirun`` is refused by name.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from wildsage.toolkit.script_mode.errors import DistributionError
from wildsage.toolkit.script_mode.overlay import Overlay
from wildsage.toolkit.script_mode.paths import DRIVERS_FOLDER, located

COMMAND: Final = "mpi-driver"
_SCRIPT: Final = f"{DRIVERS_FOLDER}sm_train.sh"
"""What the entrypoint runs."""

_DRIVER: Final = "distributed_drivers/mpi_driver.py"

_REFUSED: Final = (
    "use_mpirun of a remote function needs an sshd in its container, which this image does not have: say use_torchrun=True,"
    " or let an estimator with distribution={'mpi': {'enabled': True}}, or ModelTrainer with distributed=MPI(), run a script"
)


def asks_for_mpirun(command: Sequence[str]) -> bool:
    """Tell whether an entrypoint is that of a remote function with ``use_mpirun``."""
    return ("--distribution", "mpirun") in pairwise(command)


def refuse_mpirun(command: Sequence[str]) -> None:
    """Raise `DistributionError` for a remote function that cannot begin."""
    if asks_for_mpirun(command):
        raise DistributionError(_REFUSED)


def stand_in(command: Sequence[str], overlay: Overlay) -> None:
    """Take the driver's place, if the entrypoint is going to run it."""
    script = located(_SCRIPT)
    if not any(_SCRIPT in word for word in command) or not script.is_file():
        return
    if _DRIVER in script.read_text(encoding="utf-8", errors="replace"):
        program = str(overlay.program(COMMAND))
        # Interpreters run such lines as they start, before the script that they were given.
        (overlay.packages / "_mpi_driver.pth").write_text(
            f"import os, sys; sys.orig_argv[-1].endswith({_DRIVER!r}) and os.execv({program!r}, [{program!r}])\n"
        )
