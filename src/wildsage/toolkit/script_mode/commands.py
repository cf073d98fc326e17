"""Run a command of the user: its output goes on, its last error lines are kept, signals reach it once."""

import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO

from wildsage.toolkit.script_mode.errors import CommandError

KEPT_LINES = 200
_LONGEST_KEPT = 10_000


def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], error: type[CommandError]
) -> None:
    """Run `command` to its end.

    Raises
    ------
    CommandError
        Of the type `error`, if it ends with another exit code than 0, or cannot be started.
    """
    last: deque[str] = deque(maxlen=KEPT_LINES)
    try:
        # A process group of its own: SIGTERM is passed on to it once, instead of arriving twice.
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stderr=subprocess.PIPE, process_group=0
        )
    except OSError as failure:
        raise error(command, 127, [str(failure)]) from failure
    with signals_passed_on(process.pid):
        assert process.stderr is not None
        for line in passed_on(process.stderr, sys.stderr.buffer):
            last.append(line.decode(errors="replace").rstrip())
        code = process.wait()
    if code:
        raise error(command, code, list(last))


def passed_on(stream: IO[bytes], target: IO[bytes]) -> Iterator[bytes]:
    r"""Write to an output of our own what comes, as it comes, and yield its lines.

    A progress bar has none for hours, but a ``\r`` at each step.
    """
    rest = b""
    while chunk := os.read(stream.fileno(), 1 << 16):
        target.write(chunk)
        target.flush()
        *lines, rest = re.split(rb"[\r\n]+", rest + chunk)
        yield from lines
        rest = rest[-_LONGEST_KEPT:]
    if rest:
        yield rest


@contextmanager
def signals_passed_on(group: int) -> Iterator[None]:
    """Send SIGTERM and SIGINT on to the process group, and live on to report how it ended."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.killpg(group, number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
