"""What this process takes of the machine, under the names that Prometheus' own clients use."""

import os
import resource
from pathlib import Path

from wildsage.core.clock import Clock
from wildsage.core.instruments import Family, count, gauge


class ProcessMeasure:
    """Measures the calling process. Made at its start."""

    def __init__(self, clock: Clock) -> None:
        self._started = clock.now()

    def __call__(self) -> list[Family]:
        """Return processor time, memory and descriptors."""
        times = os.times()
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names suffice
        return [
            count("process_cpu_seconds_total", "Processor time, user and system.", times.user + times.system),
            gauge("process_resident_memory_bytes", "Memory in use.", pages * resource.getpagesize()),
            gauge("process_open_fds", "Open descriptors.", descriptors),
            gauge("process_max_fds", "How many may be open.", resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
            gauge("process_start_time_seconds", "Start of the process since the epoch.", self._started),
        ]
