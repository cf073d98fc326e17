"""The machine's capacity: who runs now, who waits, and how many are ahead."""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass

from wildsage.core.instance_types import capacity_of


@dataclass(frozen=True, slots=True)
class Slot:
    """A share of the machine.

    Attributes
    ----------
    cores
        Threads a run may use.
    memory_bytes
        What it may take of the machine's memory; None: all.
    """

    cores: int
    memory_bytes: int | None = None


class Capacity:
    """Grants slots in the order of arrival. For one event loop.

    A job never takes more than half of the machine, so that two can run side by side.

    Parameters
    ----------
    cores
        What there is to give.
    memory_bytes
        The machine's memory. A run may take nine tenths of it: one that wants all of it ends, not the machine.
    """

    def __init__(self, cores: int, memory_bytes: int | None = None) -> None:
        self._memory = None if memory_bytes is None else memory_bytes // 10 * 9
        self._cores = max(2, cores)
        self._free = self._cores
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def slot_for(self, virtual_cpus: int) -> Slot:
        """Return the slot that an instance with so many vCPUs gets here."""
        return Slot(max(1, min(virtual_cpus, self._cores // 2)), self._memory)

    @property
    def cores(self) -> int:
        """What there is to give in all."""
        return self._cores

    @property
    def used(self) -> int:
        """Cores that were given; more than there are where a new server found more runs alive."""
        return self._cores - self._free

    def ahead(self) -> int:
        """Return how many wait already."""
        return len(self._waiting)

    def take_now(self, slot: Slot) -> bool:
        """Take a slot without waiting, whatever is free: for a run that is alive already."""
        self._free -= slot.cores
        return self._free >= 0

    def ahead_for(self, instance_type: str) -> int | None:
        """Return how many would be ahead of one who asked for such an instance now; None if it is free."""
        slot = self.slot_for(capacity_of(instance_type).vcpus)
        return None if not self._waiting and self._free >= slot.cores else len(self._waiting)

    async def take(self, slot: Slot) -> None:
        """Wait until the slot is free and take it."""
        grant = self.request(slot)
        try:
            await grant
        except asyncio.CancelledError:
            self.withdraw(slot, grant)
            raise

    def request(self, slot: Slot) -> "asyncio.Future[None]":
        """Ask for a slot. The future that is returned is done when it is granted."""
        grant: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((slot.cores, grant))
        self._grant()
        return grant

    def withdraw(self, slot: Slot, grant: "asyncio.Future[None]") -> None:
        """Need a slot no more that was asked for, granted or not."""
        if grant.done() and not grant.cancelled():
            self.give_back(slot)  # granted in the moment of the withdrawal
            return
        grant.cancel()
        with contextlib.suppress(ValueError):  # a grant passed over it already
            self._waiting.remove((slot.cores, grant))
        self._grant()  # whoever stood behind it may need less

    def give_back(self, slot: Slot) -> None:
        """Return a slot and grant it to those who wait."""
        self._free += slot.cores
        self._grant()

    def _grant(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            cores, future = self._waiting.popleft()
            if not future.done():
                self._free -= cores
                future.set_result(None)
