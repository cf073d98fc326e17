"""``python -m wildsage.supervisor RUN_FOLDER [LOCK_DESCRIPTOR]``: carry one run."""

import os
import signal
import sys
from pathlib import Path

from wildsage.compute.orphans import adopt_orphans
from wildsage.supervisor.liveness import LOCK_FILE, take_lock
from wildsage.supervisor.run import Run


def _take_no_notice(_number: int, _frame: object) -> None:
    """Outlive the terminal and the server: only the stop file counts.

    A handler, because a signal that is *ignored* would stay ignored in the container.
    """


def main(arguments: list[str]) -> int:
    """Carry the run; 0 whatever becomes of it, for the exit record says so."""
    folder = Path(arguments[0])
    if len(arguments) > 1:
        os.set_inheritable(int(arguments[1]), False)  # the container must not keep the lock
    else:
        take_lock(folder / LOCK_FILE)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, _take_no_notice)
    adopt_orphans()
    Run(folder).carry()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
