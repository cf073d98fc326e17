"""The machine's capacity: who runs now, who waits, and how many are ahead."""

import asyncio
import contextlib
import itertools
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from wildsage.compute.limits import memory_of_run
from wildsage.core.instance_types import capacity_of


@dataclass(frozen=True, slots=True)
class Slot:
    """A share of the machine, for one host of a job.

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
    """A place in the queue for the slots of a job, and the slots when its turn has come.

    Attributes
    ----------
    slots
        One for each host: all are granted together.
    cores
        What is taken of the machine for them.
    came
        Done when the slots are granted.
    ahead
        How many waited already when it was asked for.
    arrived
        Its place in the order of all requests and grants.
    party
        What its job is a part of, such as a tuning job; empty: of nothing.
    is_over
        Whether it was left.
    """

    slots: tuple[Slot, ...]
    cores: int
    came: asyncio.Future[None]
    ahead: int
    arrived: int
    party: str = ""
    is_over: bool = False


class Capacity:
    """Grants slots in the order of arrival, and to parties in turn. For one event loop.

    Next is whose party has the fewest cores, of several the one that was not served for longest: a hundred training
    jobs of a tuning job keep neither another tuning job waiting for all their ends nor a job that is of no party.

    The hosts of a job get their slots together or not at all, so that no two jobs wait for each other's. A job
    takes no more than half of the machine, so that two can run side by side; one of more hosts than that has
    cores takes a core for each, and where the machine has not so many the hosts share all that there are.

    Parameters
    ----------
    cores
        What there is to give.
    memory_bytes
        The machine's memory.
    """

    def __init__(self, cores: int, memory_bytes: int | None = None) -> None:
        self._memory = memory_of_run(memory_bytes)
        self._cores = max(2, cores)
        self._free = self._cores
        self._waiting: deque[Turn] = deque()
        self._order = itertools.count()
        self._held: Counter[str] = Counter()
        self._served: dict[str, int] = {}  # by party: its last grant in the order

    def slot_for(self, virtual_cpus: int, hosts: int = 1) -> Slot:
        """Return the slot that an instance with so many vCPUs gets here, as one of so many hosts of a job."""
        memory = None if self._memory is None else self._memory // hosts
        return Slot(max(1, min(virtual_cpus, self._cores // 2 // hosts)), memory)

    def slots_for(self, instance_types: Sequence[str]) -> tuple[Slot, ...]:
        """Return the slots that a job gets here whose hosts are of these types."""
        return tuple(self.slot_for(capacity_of(one).vcpus, len(instance_types)) for one in instance_types)

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

    def ahead_for(self, instance_types: Sequence[str]) -> int | None:
        """Return how many would be ahead of one who asked for such instances now; None if they are free."""
        cores = self._taken_by(self.slots_for(instance_types))
        return None if not self._waiting and self._free >= cores else len(self._waiting)

    def take_now(self, *slots: Slot, party: str = "") -> Turn:
        """Take slots without waiting, whatever is free: for runs that are alive already."""
        turn = self._turn(slots, 0, party)
        self._give(turn)
        return turn

    def request(self, *slots: Slot, party: str = "") -> Turn:
        """Ask for slots. Whoever asks leaves the turn in the end, whether it came or not."""
        turn = self._turn(slots, len(self._waiting), party)
        self._waiting.append(turn)
        self._grant()
        return turn

    def _turn(self, slots: tuple[Slot, ...], ahead: int, party: str) -> Turn:
        came = asyncio.get_running_loop().create_future()
        return Turn(slots, self._taken_by(slots), came, ahead, next(self._order), party)

    def _taken_by(self, slots: Sequence[Slot]) -> int:
        return min(sum(slot.cores for slot in slots), self._cores)

    def leave(self, turn: Turn) -> None:
        """Give the slots back, or wait for it no longer; those who wait get what is free. Again: nothing."""
        if turn.is_over:
            return
        turn.is_over = True
        if turn.came.done() and not turn.came.cancelled():
            self._free += turn.cores
            self._count(turn, -turn.cores)
        else:
            turn.came.cancel()
            with contextlib.suppress(ValueError):  # a grant passed over it already
                self._waiting.remove(turn)
        self._grant()  # whoever stood behind it may need less

    def _grant(self) -> None:
        while self._waiting and self._free > 0:
            turn = min(self._waiting, key=self._rank)
            if turn.cores > self._free:
                return
            self._waiting.remove(turn)
            if not turn.came.done():
                self._give(turn)

    def _rank(self, turn: Turn) -> tuple[int, int]:
        return self._held[turn.party], max(turn.arrived, self._served.get(turn.party, 0))

    def _give(self, turn: Turn) -> None:
        self._free -= turn.cores
        self._count(turn, turn.cores)
        turn.came.set_result(None)
        if turn.party:
            self._served[turn.party] = next(self._order)

    def _count(self, turn: Turn, cores: int) -> None:
        if turn.party:  # others are always counted as having none
            self._held[turn.party] += cores
