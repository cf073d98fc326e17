"""Metrics as CloudWatch knows them: series of values by name, dimensions and unit.

Values of one second or minute are added up as they come in, so a query reads as many rows as the time it asks
for has moments, however many values there were.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wildsage.store.database import Database, Transaction
from wildsage.store.distributions import Distribution, merge, pack, unpack

MINUTE = 60
Dimensions = tuple[tuple[str, str], ...]
"""Names and values, ordered by name."""

_SAME_SERIES = "account = ? AND region = ? AND namespace = ? AND name = ? AND dimensions = ?"
_SAME_POINT = "series_id = ? AND at = ? AND resolution = ?"
_EXPIRED_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True, order=True)
class Metric:
    """Which metric. What has other dimensions is another one, as on CloudWatch."""

    account: str
    region: str
    namespace: str
    name: str
    dimensions: Dimensions = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """Values that came in together.

    Attributes
    ----------
    at
        Seconds since the epoch.
    resolution
        1 or 60 seconds: what is kept apart.
    """

    metric: Metric
    at: float
    values: Distribution
    unit: str = "None"
    resolution: int = MINUTE


@dataclass(frozen=True, slots=True)
class Series:
    """A metric in one unit."""

    id: int
    metric: Metric
    unit: str


@dataclass(frozen=True, slots=True)
class Point:
    """All values of one moment."""

    at: int
    resolution: int
    values: Distribution


@dataclass(frozen=True, slots=True)
class MetricFilter:
    """Which metrics are listed. Everything given must hold.

    Attributes
    ----------
    dimensions
        Names, each with a value or None for any: a metric has all of them, and may have others.
    written_after
        A value came in behind this time.
    """

    account: str
    region: str
    namespace: str | None = None
    name: str | None = None
    dimensions: tuple[tuple[str, str | None], ...] = ()
    written_after: float = 0.0


def dimensions_of(pairs: Iterable[tuple[str, str]]) -> Dimensions:
    """Return dimensions in the order in which they are kept."""
    return tuple(sorted(pairs))


class MetricStore:
    """Access to the metrics of all accounts and regions.

    Parameters
    ----------
    database
        The telemetry database.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    # Writing

    async def put(self, samples: Sequence[Sample], at: float) -> None:
        """Add values that come in at the time `at`, all or none."""
        await self.database.write(lambda transaction: self.record(transaction, samples, at))

    @classmethod
    def record(cls, transaction: Transaction, samples: Iterable[Sample], at: float) -> None:
        """Add values, as a part of a larger transaction."""
        together: dict[tuple[Metric, str], dict[tuple[int, int], list[Distribution]]] = {}
        for sample in samples:
            moment = int(sample.at // sample.resolution) * sample.resolution
            moments = together.setdefault((sample.metric, sample.unit), {})
            moments.setdefault((moment, sample.resolution), []).append(sample.values)
        for (metric, unit), moments in together.items():
            series_id = cls._series_id(transaction, metric, unit, at)
            for (moment, resolution), values in moments.items():
                _add(transaction, series_id, moment, resolution, values)

    @staticmethod
    def _series_id(transaction: Transaction, metric: Metric, unit: str, at: float) -> int:
        key = (*_key(metric), unit)
        row = transaction.execute(
            f"SELECT id FROM metric_series WHERE {_SAME_SERIES} AND unit = ?",  # noqa: S608 - constant text
            key,
        ).fetchone()
        if row is not None:
            found: int = row["id"]
            transaction.execute("UPDATE metric_series SET written_at = ? WHERE id = ?", (at, found))
            return found
        cursor = transaction.execute(
            "INSERT INTO metric_series (account, region, namespace, name, dimensions, unit, written_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*key, at),
        )
        made = cursor.lastrowid or 0
        transaction.executemany(
            "INSERT INTO metric_dimension (name, value, series_id) VALUES (?, ?, ?)",
            [(name, value, made) for name, value in metric.dimensions],
        )
        return made

    async def expire(self, before: int) -> int:
        """Remove points older than `before`, and series that have none left. Returns how many points went.

        A portion at a time: call again while it is not 0.
        """

        def remove(transaction: Transaction) -> int:
            rows = transaction.execute(
                "SELECT id FROM metric_series WHERE EXISTS"
                " (SELECT 1 FROM metric_point WHERE series_id = metric_series.id AND at < ?) LIMIT ?",
                (before, _EXPIRED_AT_ONCE),
            ).fetchall()
            removed = 0
            for row in rows:
                removed += transaction.execute(
                    "DELETE FROM metric_point WHERE series_id = ? AND at < ?", (row["id"], before)
                ).rowcount
                transaction.execute(
                    "DELETE FROM metric_series WHERE id = ? AND NOT EXISTS"
                    " (SELECT 1 FROM metric_point WHERE series_id = metric_series.id)",
                    (row["id"],),
                )
                if removed >= _EXPIRED_AT_ONCE:
                    break
            return removed

        return await self.database.write(remove)

    # Reading

    def series(self, metric: Metric, unit: str | None = None) -> list[Series]:
        """Return a metric's series, one for each unit; only that of `unit` where one is given."""
        rows = self.database.read(
            f"SELECT * FROM metric_series WHERE {_SAME_SERIES} ORDER BY unit",  # noqa: S608 - constant text
            _key(metric),
        )
        return [_series(row) for row in rows if unit in (None, row["unit"])]

    def points(self, series_id: int, start: int, end: int) -> list[Point]:
        """Return the points from `start` (with it) to `end` (without it), oldest first."""
        rows = self.database.read(
            "SELECT * FROM metric_point WHERE series_id = ? AND at >= ? AND at < ? ORDER BY at, resolution",
            (series_id, start, end),
        )
        return [_point(row) for row in rows]

    def sums(self, series_id: int, start: int, end: int, period: int) -> dict[int, Distribution]:
        """Return the four numbers of each period from `start` on that has a value, without the values.

        Points that are coarser than the period are left out: nobody knows when in it their values came.
        """
        rows = self.database.read(
            "SELECT (at - ?) / ? AS number, SUM(count) AS count, SUM(total) AS total, MIN(least) AS least,"
            " MAX(greatest) AS greatest FROM metric_point"
            " WHERE series_id = ? AND at >= ? AND at < ? AND resolution <= ? GROUP BY 1 ORDER BY 1",
            (start, period, series_id, start, end, period),
        )
        return {
            start + row["number"] * period: Distribution(
                row["count"], row["total"], row["least"], row["greatest"], None
            )
            for row in rows
        }

    def metrics(self, wanted: MetricFilter, after: Metric | None, limit: int) -> list[Metric]:
        """Return up to `limit` metrics behind `after`, by namespace, name and dimensions."""
        where, parameters = _conditions(wanted)
        if after is not None:
            where += " AND (namespace, name, dimensions) > (?, ?, ?)"
            parameters += [after.namespace, after.name, json.dumps(after.dimensions)]
        rows = self.database.read(
            "SELECT DISTINCT account, region, namespace, name, dimensions FROM metric_series"  # noqa: S608 - constant text
            f" WHERE {where} ORDER BY namespace, name, dimensions LIMIT ?",
            [*parameters, limit],
        )
        return [_metric(row) for row in rows]


def _add(
    transaction: Transaction, series_id: int, moment: int, resolution: int, added: list[Distribution]
) -> None:
    key = (series_id, moment, resolution)
    row = transaction.execute(
        f"SELECT * FROM metric_point WHERE {_SAME_POINT}",  # noqa: S608 - constant text
        key,
    ).fetchone()
    values = merge(added if row is None else [_point(row).values, *added])
    transaction.execute(
        "INSERT INTO metric_point (series_id, at, resolution, count, total, least, greatest, quantities)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (series_id, at, resolution) DO UPDATE SET"
        " count = excluded.count, total = excluded.total, least = excluded.least,"
        " greatest = excluded.greatest, quantities = excluded.quantities",
        (*key, values.count, values.total, values.least, values.greatest, pack(values)),
    )


def _key(metric: Metric) -> tuple[str, str, str, str, str]:
    return (metric.account, metric.region, metric.namespace, metric.name, json.dumps(metric.dimensions))


def _conditions(wanted: MetricFilter) -> tuple[str, list[str | float]]:
    where = "account = ? AND region = ? AND written_at > ?"
    parameters: list[str | float] = [wanted.account, wanted.region, wanted.written_after]
    for column, value in (("namespace", wanted.namespace), ("name", wanted.name)):
        if value is not None:
            where += f" AND {column} = ?"
            parameters.append(value)
    for name, value in wanted.dimensions:
        matching = "SELECT series_id FROM metric_dimension WHERE name = ?"
        parameters.append(name)
        if value is not None:
            matching += " AND value = ?"
            parameters.append(value)
        where += f" AND id IN ({matching})"
    return where, parameters


def _metric(row: sqlite3.Row) -> Metric:
    dimensions = tuple((name, value) for name, value in json.loads(row["dimensions"]))
    return Metric(row["account"], row["region"], row["namespace"], row["name"], dimensions)


def _series(row: sqlite3.Row) -> Series:
    return Series(row["id"], _metric(row), row["unit"])


def _point(row: sqlite3.Row) -> Point:
    values = unpack(row["count"], row["total"], row["least"], row["greatest"], row["quantities"])
    return Point(row["at"], row["resolution"], values)
