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


@dataclass(slots=True, eq=False)
class Turn:
    """A place in the queue for a slot, and the slot when its turn has come.

    Attributes
    ----------
    came
        Done when the slot is granted.
    ahead
        How many waited already when it was asked for.
    is_over
        Whether it was left.
    """

    slot: Slot
    came: asyncio.Future[None]
    ahead: int
    is_over: bool = False


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
        self._waiting: deque[Turn] = deque()

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

    def ahead_for(self, instance_type: str) -> int | None:
        """Return how many would be ahead of one who asked for such an instance now; None if it is free."""
        slot = self.slot_for(capacity_of(instance_type).vcpus)
        return None if not self._waiting and self._free >= slot.cores else len(self._waiting)

    def take_now(self, slot: Slot) -> Turn:
        """Take a slot without waiting, whatever is free: for a run that is alive already."""
        turn = Turn(slot, asyncio.get_running_loop().create_future(), 0)
        self._free -= slot.cores
        turn.came.set_result(None)
        return turn

    def request(self, slot: Slot) -> Turn:
        """Ask for a slot. Whoever asks leaves the turn in the end, whether it came or not."""
        turn = Turn(slot, asyncio.get_running_loop().create_future(), len(self._waiting))
        self._waiting.append(turn)
        self._grant()
        return turn

    def leave(self, turn: Turn) -> None:
        """Give the slot back, or wait for it no longer; those who wait get what is free. Again: nothing."""
        if turn.is_over:
            return
        turn.is_over = True
        if turn.came.done() and not turn.came.cancelled():
            self._free += turn.slot.cores
        else:
            turn.came.cancel()
            with contextlib.suppress(ValueError):  # a grant passed over it already
                self._waiting.remove(turn)
        self._grant()  # whoever stood behind it may need less

    def _grant(self) -> None:
        while self._waiting and self._waiting[0].slot.cores <= self._free:
            turn = self._waiting.popleft()
            if not turn.came.done():
                self._free -= turn.slot.cores
                turn.came.set_result(None)
