"""Pages of the streams of a group: in which order, and the statement that reads one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class StreamOrder:
    """In which order streams are listed, and behind which one a page begins.

    Attributes
    ----------
    by_time
        By the time of the last event; else by name.
    after
        Time (0: none) and name of a stream, or its name.
    """

    by_time: bool = False
    descending: bool = False
    prefix: str = ""
    after: Sequence[Any] | None = None


def page_query(group_id: int, order: StreamOrder, limit: int) -> tuple[str, list[Any]]:
    """Return the statement that reads up to `limit` streams of a group, and its parameters."""
    comparison, direction = ("<", "DESC") if order.descending else (">", "ASC")
    where = "group_id = ?"
    parameters: list[Any] = [group_id]
    if order.by_time:
        columns: tuple[str, ...] = ("COALESCE(last_event_ms, 0)", "name")
    else:
        columns = ("name",)
        where += " AND name >= ? AND name < ?"
        parameters += [order.prefix, order.prefix + "\U0010ffff"]
    if order.after is not None:
        where += f" AND ({', '.join(columns)}) {comparison} ({', '.join('?' * len(columns))})"
        parameters += order.after
    sorting = ", ".join(f"{column} {direction}" for column in columns)
    return (
        f"SELECT * FROM log_stream WHERE {where} ORDER BY {sorting} LIMIT ?",  # noqa: S608 - constant text
        [*parameters, limit],
    )
