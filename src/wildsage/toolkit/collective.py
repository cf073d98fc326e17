"""Arrays that the hosts of a job put together: sums and collections, over TCP through the first host.

Every host calls the same methods in the same order. Sums are made in the order of the hosts, so that equal input
gives equal bits however fast each host is. With one host nothing is sent.
"""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast

import numpy as np
from numpy.typing import NDArray

from wildsage.toolkit.errors import PlatformError
from wildsage.toolkit.logs import LOGGER

PORT: Final = 9000
"""On the first host; the port that the scheduler of AWS's own containers has."""

_PATIENCE_SECONDS = 300.0
"""How long hosts wait for each other at the start: one may have to bring in far more data."""
_LAST_WORDS_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Collective:
    """The hosts of a job, seen from one of them.

    Attributes
    ----------
    rank
        Number of this host, from 0.
    links
        The first host: a stream to each of the others, in their order. The others: one to the first.
    """

    rank: int = 0
    links: tuple[BinaryIO, ...] = ()

    @property
    def is_first(self) -> bool:
        """Whether this host writes the model."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether the job has one host."""
        return not self.links

    def sum(self, array: NDArray[Any]) -> NDArray[Any]:
        """Add up an array over all hosts, element by element; every host gets the sum.

        Raises
        ------
        PlatformError
            If another host is gone.
        """
        if self.is_alone:
            return array
        with _watched():
            if not self.is_first:
                _send(self.links[0], array)
                return _receive(self.links[0])
            total = array.copy()
            for link in self.links:
                total += _receive(link)
            for link in self.links:
                _send(link, total)
        return total

    def gather(self, array: NDArray[Any]) -> list[NDArray[Any]]:
        """Bring each host's array, of any shape, to the first host, in their order; the others get nothing.

        Raises
        ------
        PlatformError
            If another host is gone.
        """
        with _watched():
            if self.is_first:
                return [array, *(_receive(link) for link in self.links)]
            _send(self.links[0], array)
        return []

    def share(self, array: NDArray[Any]) -> NDArray[Any]:
        """Give the first host's array to all; what the others pass is not looked at.

        Raises
        ------
        PlatformError
            If another host is gone.
        """
        with _watched():
            if not self.is_first:
                return _receive(self.links[0])
            for link in self.links:
                _send(link, array)
        return array


@contextmanager
def join(hosts: Sequence[str], current: str, port: int = PORT) -> Iterator[Collective]:
    """Meet the other hosts; they part at the end of the block.

    Parameters
    ----------
    hosts
        Names or addresses of all, the same at each.

    Raises
    ------
    PlatformError
        If not all come within five minutes.
    """
    rank = hosts.index(current)
    with ExitStack() as stack:
        if len(hosts) == 1:
            yield Collective()
            return
        sockets = _listen(hosts, port) if rank == 0 else [_connect(hosts[0], port, rank)]
        links = []
        for connection in sockets:
            stack.enter_context(connection)
            # Hosts take turns: to wait for more to send would be to wait for the other's next turn.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            links.append(cast("BinaryIO", stack.enter_context(connection.makefile("rwb"))))
        yield Collective(rank, tuple(links))


def _listen(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Wait for all others; returns their connections in the order of the hosts."""
    found: dict[int, socket.socket] = {}
    with socket.create_server((hosts[0], port), backlog=len(hosts)) as server:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len(found) < len(hosts) - 1:
            server.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                connection, _ = server.accept()
            except TimeoutError as error:
                missing = [host for rank, host in enumerate(hosts) if rank and rank not in found]
                raise PlatformError(f"{', '.join(missing)} did not come to {hosts[0]}") from error
            connection.settimeout(None)
            found[int.from_bytes(connection.recv(4, socket.MSG_WAITALL))] = connection
    return [found[rank] for rank in sorted(found)]


def _connect(first: str, port: int, rank: int) -> socket.socket:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            connection = socket.create_connection((first, port), timeout=10)
        except OSError as error:  # not there yet
            if time.monotonic() > deadline:
                raise PlatformError(f"{first}:{port} does not answer") from error
            time.sleep(0.02)
        else:
            connection.settimeout(None)
            connection.sendall(rank.to_bytes(4))
            return connection


@contextmanager
def _watched() -> Iterator[None]:
    """Say what a broken connection means.

    A host that ends because of its data has the better reason: it is given the time to end first.
    """
    try:
        yield
    except (OSError, EOFError, ValueError) as error:
        LOGGER.error("another host of the job is gone")
        time.sleep(_LAST_WORDS_SECONDS)
        raise PlatformError("another host of the job is gone") from error


def _send(link: BinaryIO, array: NDArray[Any]) -> None:
    np.lib.format.write_array(link, np.ascontiguousarray(array), allow_pickle=False)
    link.flush()


def _receive(link: BinaryIO) -> NDArray[Any]:
    return np.lib.format.read_array(link, allow_pickle=False)
