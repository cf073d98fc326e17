"""Pipe mode: a channel streams through one FIFO for each pass over it: ``NAME_0``, then ``NAME_1``.

A thread waits until the container opens the FIFO of the next epoch, and streams until the end or until the container
closes it. Nobody reads: the stream waits. The container goes on with the next number; FIFOs that were read are
removed, so that nobody waits at them for ever.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from wildsage.supervisor.contract import Channel
from wildsage.supervisor.download import InputError, ObjectReader
from wildsage.supervisor.fifo import Fifo, ReaderGoneError
from wildsage.supervisor.pipe_content import PipeContent

_JOIN_SECONDS = 5.0
_AGAIN_SECONDS = 0.05

Pause = Callable[[float], None]


class Feeder:
    """Streams one channel.

    Parameters
    ----------
    folder
        Descriptor of the folder in which its FIFOs are; stays the caller's.
    open_reader
        Makes what fetches objects, given what it is to do between attempts.
    """

    def __init__(self, channel: Channel, folder: int, open_reader: Callable[[Pause], ObjectReader]) -> None:
        self._name = channel.name
        self._base = channel.place.rpartition("/")[2]
        self._content = PipeContent(channel, lambda: open_reader(self._pause))
        self._folder = folder
        self._fifo = Fifo(folder, f"{self._base}_0")
        self._over = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, name=f"pipe-{channel.name}", daemon=True)

    @property
    def failure(self) -> Exception | None:
        """Why the channel cannot go on; None while it can."""
        return self._failure

    def start(self) -> None:
        """Begin to wait for the first reader."""
        self._thread.start()

    def close(self) -> None:
        """End, and remove the FIFOs. Call after the container's end."""
        self._over.set()
        deadline = time.monotonic() + _JOIN_SECONDS
        while self._thread.is_alive() and time.monotonic() < deadline:
            self._fifo.release_writer()
            self._thread.join(_AGAIN_SECONDS)
        self._fifo.remove()
        self._content.close()

    def _pause(self, seconds: float) -> None:
        if self._over.is_set() or (seconds and self._over.wait(seconds)):
            raise InterruptedError("the container has ended")

    def _work(self) -> None:
        try:
            epoch = 0
            while self._waited():
                following = Fifo(self._folder, f"{self._base}_{epoch + 1}")
                with suppress(ReaderGoneError):
                    self._content.send(epoch, self._fifo)
                self._fifo.remove()
                self._fifo = following
                epoch += 1
        except InputError as error:
            self._failure = error.of_channel(self._name)
        except FileExistsError as error:
            self._failure = InputError(f"ClientError: {error}: the job's code must not make it").of_channel(
                self._name
            )
        except Exception as error:  # noqa: BLE001 - a thread's boundary: the run's thread sees it
            if not self._over.is_set():
                self._failure = error
        # After a failure the FIFO stays open: what came is no whole epoch, and must not look like one.

    def _waited(self) -> bool:
        """Wait for a reader. False: the container has ended."""
        if not self._over.is_set():
            self._fifo.open()
        return not self._over.is_set()
