"""How many threads an algorithm may use."""

import os


def threads() -> int:
    """Return what the platform grants by ``OMP_NUM_THREADS``; without it, the machine's processors."""
    granted = os.environ.get("OMP_NUM_THREADS", "")
    return int(granted) if granted.isdigit() and int(granted) else os.cpu_count() or 1
