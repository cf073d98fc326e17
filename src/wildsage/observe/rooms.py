"""What the rooms below hold and do at this moment: store, jobs, serving. Measured when somebody asks."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wildsage.core.instruments import Family, Labels, count, gauge
from wildsage.jobs.capacity import Capacity
from wildsage.store.database import Database, Statistics


@dataclass(frozen=True, slots=True)
class RoomsMeasure:
    """Measures a whole server. Safe in any thread.

    Attributes
    ----------
    databases
        The first one holds the resources.
    worker_states
        Returns the number of endpoint workers by state.
    """

    root: Path
    logs: Path
    databases: Sequence[Database]
    capacity: Capacity
    worker_states: Callable[[], Mapping[str, int]]

    def __call__(self) -> Iterator[Family]:
        """Yield everything."""
        yield from self._resources()
        yield from self._machinery()
        yield from self._store()

    def _resources(self) -> Iterator[Family]:
        rows = self.databases[0].read(
            "SELECT kind, status, COUNT(*) AS number FROM resource GROUP BY kind, status"
        )
        found: dict[Labels, float] = {(row["kind"], row["status"]): row["number"] for row in rows}
        jobs = {labels: number for labels, number in found.items() if labels[0].endswith("-job")}
        yield gauge("wildsage_jobs", "Jobs by status.", jobs, ("kind", "status"))
        yield gauge("wildsage_resources", "Named resources by kind and status.", found, ("kind", "status"))

    def _machinery(self) -> Iterator[Family]:
        capacity = self.capacity
        yield gauge("wildsage_jobs_waiting", "Jobs that wait for capacity.", capacity.ahead())
        yield gauge("wildsage_capacity_cores", "Cores that jobs may use.", capacity.cores)
        yield gauge("wildsage_capacity_cores_used", "Cores that jobs use.", capacity.used)
        states: dict[Labels, float] = {(state,): number for state, number in self.worker_states().items()}
        yield gauge("wildsage_endpoint_workers", "Endpoint workers by state.", states, ("state",))

    def _store(self) -> Iterator[Family]:
        said = {database.path.stem: database.statistics() for database in self.databases}

        def by_database(value: Callable[[Statistics], float]) -> dict[tuple[str, ...], float]:
            return {(name,): value(statistics) for name, statistics in said.items()}

        label = ("database",)
        yield count("wildsage_store_commits_total", "Commits.", by_database(lambda s: s.commits), label)
        yield count(
            "wildsage_store_writes_total",
            "Writes; divided by the commits: how many share one.",
            by_database(lambda s: s.works),
            label,
        )
        yield count(
            "wildsage_store_failed_commits_total",
            "Commits that the disk refused.",
            by_database(lambda s: s.failures),
            label,
        )
        yield gauge(
            "wildsage_store_write_queue", "Writes that wait.", by_database(lambda s: s.waiting), label
        )
        yield gauge("wildsage_store_bytes", "Size of the database.", by_database(lambda s: s.size), label)
        yield gauge("wildsage_store_wal_bytes", "Size of its log.", by_database(lambda s: s.log_size), label)
        yield gauge("wildsage_log_bytes", "Size of all log streams.", _bytes_in(self.logs))
        yield gauge(
            "wildsage_disk_free_bytes",
            "Free on the data directory's disk.",
            shutil.disk_usage(self.root).free,
        )


def _bytes_in(folder: Path) -> int:
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                total += entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue
    return total
