"""What clients were told, so that a checker can hold the platform to it."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

ABSENT = ""
"""The digest of an object that is not there."""


@dataclass
class Kill:
    """A process that was killed."""

    what: str
    at: float
    back: float = 0.0
    """When the server answered again; 0 where no server was killed."""


@dataclass
class Failure:
    """An invocation that got no answer."""

    began: float
    ended: float
    text: str
    is_answer: bool
    """Whether the platform answered with an error, or the connection was lost."""


@dataclass
class Ledger:
    """Each client writes what it was told; a call whose connection was lost may or may not have happened."""

    jobs: set[str] = field(default_factory=set)
    unsure_jobs: set[str] = field(default_factory=set)
    steps: dict[str, int] = field(default_factory=dict)
    disturbed_jobs: set[str] = field(default_factory=set)
    objects: dict[str, set[str]] = field(default_factory=dict)
    """For each key the digests it may have: one, or more while nobody knows which upload came through."""
    terminal: dict[str, str] = field(default_factory=dict)
    invocations: int = 0
    failures: list[Failure] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    """What a client saw that must not be, while the storm was on."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, call: str) -> None:
        """Note that a call was acknowledged."""
        with self.lock:
            self.calls[call] += 1

    def violation(self, text: str) -> None:
        """Note that a promise was broken."""
        with self.lock:
            self.violations.append(f"{time.strftime('%H:%M:%S')} {text}")

    def ended(self, job: str, status: str) -> None:
        """Note that a job was seen in a terminal state, which it may never leave."""
        with self.lock:
            before = self.terminal.setdefault(job, status)
        if before != status:
            self.violation(f"job {job} was {before} and became {status}")
