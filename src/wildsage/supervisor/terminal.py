"""A pseudo-terminal between the user's terminal and a shell in a container."""

import contextlib
import errno
import fcntl
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator

_CHUNK_BYTES = 65_536
_POLL_SECONDS = 0.1
_END_OF_INPUT = b"\x04"


class Terminal:
    """The outer end. `open` makes the inner one, for the shell.

    Parameters
    ----------
    source, sink
        Where keys come from and output goes to: descriptors, a terminal or not.
    """

    def __init__(self, source: int | None = None, sink: int | None = None) -> None:
        self._source = sys.stdin.fileno() if source is None else source
        self._sink = sys.stdout.fileno() if sink is None else sink
        self._outer = -1

    def open(self) -> int:
        """Make the pseudo-terminal and return its inner end; the caller closes it."""
        self._outer, inner = os.openpty()
        self._copy_size()
        return inner

    def relay(self, has_ended: Callable[[], bool]) -> None:
        """Carry bytes in both directions until the shell has ended; closes the outer end."""
        try:
            with self._raw():
                sources = [self._outer, self._source]
                while not has_ended():
                    found = select.select(sources, [], [], _POLL_SECONDS)[0]
                    if not found and self._source not in sources:
                        # Again, because a shell that is just changing the terminal's mode misses it.
                        os.write(self._outer, _END_OF_INPUT)
                    for ready in found:
                        if ready == self._outer:
                            self._show()
                        elif not self._type():
                            sources.remove(self._source)
                while select.select([self._outer], [], [], 0)[0] and self._show():
                    continue
        finally:
            os.close(self._outer)

    def _show(self) -> bool:
        """Pass on output; False where nobody can write any more."""
        try:
            chunk = os.read(self._outer, _CHUNK_BYTES)
        except OSError as error:
            if error.errno != errno.EIO:  # the inner end is closed
                raise
            chunk = b""
        while chunk:
            written = os.write(self._sink, chunk)
            chunk = chunk[written:]
            if not chunk:
                return True
        return False

    def _type(self) -> bool:
        """Pass on keys; False at their end."""
        chunk = os.read(self._source, _CHUNK_BYTES)
        if chunk:
            os.write(self._outer, chunk)
        return bool(chunk)

    @contextlib.contextmanager
    def _raw(self) -> Iterator[None]:
        """Hand every key on as it is typed, where the source is a terminal."""
        if not os.isatty(self._source):
            yield
            return
        before = termios.tcgetattr(self._source)
        handler = signal.signal(signal.SIGWINCH, lambda *_: self._copy_size())
        try:
            tty.setraw(self._source)
            yield
        finally:
            termios.tcsetattr(self._source, termios.TCSAFLUSH, before)
            signal.signal(signal.SIGWINCH, handler)

    def _copy_size(self) -> None:
        if os.isatty(self._source):
            size = fcntl.ioctl(self._source, termios.TIOCGWINSZ, bytes(8))
            fcntl.ioctl(self._outer, termios.TIOCSWINSZ, size)
