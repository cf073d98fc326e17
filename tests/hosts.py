"""Loopback addresses for the hosts of a job; tests that run at the same time have others."""

import os
from typing import Final

NETWORK: Final = f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250 + 1}"
"""Of this process: an address is ``NETWORK.1`` to ``NETWORK.254``."""


def addresses(count: int) -> tuple[str, ...]:
    """Return the addresses of so many hosts."""
    return tuple(f"{NETWORK}.{number}" for number in range(1, count + 1))
