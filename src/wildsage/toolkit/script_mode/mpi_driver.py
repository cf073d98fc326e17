"""SDK v3's ``MPI()``: its driver, a script that the client sends along, needs paramiko and an sshd at port 22 of each host.

Here the runtime does the driver's work in its place (`mpi.run_driver`), whenever the job's interpreter is told to run it.
"""

from collections.abc import Sequence
from typing import Final

from wildsage.toolkit.script_mode.overlay import Overlay
from wildsage.toolkit.script_mode.paths import DRIVERS_FOLDER, located

COMMAND: Final = "mpi-driver"
_SCRIPT: Final = f"{DRIVERS_FOLDER}sm_train.sh"
"""What the entrypoint runs."""

_DRIVER: Final = "distributed_drivers/mpi_driver.py"


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
