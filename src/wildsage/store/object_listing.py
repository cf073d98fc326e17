"""Pages of keys, with everything behind a delimiter rolled up into common prefixes.

A rolled-up prefix is stepped over by a seek behind its last possible key, so that a page costs what it
shows, however many keys hide behind the prefixes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from wildsage.store.buckets import Buckets
from wildsage.store.object_index import ObjectRecord, successor

_FIRST_BATCH = 16
_LARGEST_BATCH = 1000


@dataclass(slots=True)
class Listing:
    """One page.

    Attributes
    ----------
    last
        The last key or common prefix of the page: the next page begins behind it.
    last_version
        The version that `last` stands for, as the wire has it; None for a common prefix.
    """

    objects: list[ObjectRecord] = field(default_factory=list)
    common_prefixes: list[str] = field(default_factory=list)
    truncated: bool = False
    last: str = ""
    last_version: str | None = None

    def __len__(self) -> int:
        return len(self.objects) + len(self.common_prefixes)


Fetch = Callable[[ObjectRecord | None, str, int], list[ObjectRecord]]
"""From the last record seen (None: none yet), the least key and a number to the next records in order."""


def list_page(buckets: Buckets, bucket: str, prefix: str, delimiter: str, after: str, limit: int) -> Listing:
    """Return the first `limit` entries below `prefix` behind `after`, in the order of UTF-8 bytes.

    Parameters
    ----------
    delimiter
        Keys that have it behind the prefix are rolled up to and with it; empty: none are.
    after
        A key or a common prefix; an entry is listed if it is greater.
    """

    def fetch(last: ObjectRecord | None, start: str, number: int) -> list[ObjectRecord]:
        behind = after if last is None else last.key
        return buckets.keys_from(bucket, prefix, after=behind, start=start, limit=number)

    return _page(fetch, prefix, delimiter, after, limit)


def list_versions_page(
    buckets: Buckets, bucket: str, prefix: str, delimiter: str, after: tuple[str, int | None], limit: int
) -> Listing:
    """Return versions as `list_page` does objects; `after` is as `Buckets.versions_from` has it."""

    def fetch(last: ObjectRecord | None, start: str, number: int) -> list[ObjectRecord]:
        behind = after if last is None else (last.key, last.sequence)
        return buckets.versions_from(bucket, prefix, after=behind, start=start, limit=number)

    return _page(fetch, prefix, delimiter, after[0], limit)


def _page(fetch: Fetch, prefix: str, delimiter: str, after: str, limit: int) -> Listing:
    page = Listing()
    if limit <= 0:
        return page
    start: str | None = ""
    rolled = rolled_up(after, prefix, delimiter)
    if rolled is not None and rolled.encode() <= after.encode():
        start = successor(rolled)
    batch = _FIRST_BATCH
    last: ObjectRecord | None = None
    while start is not None:
        rows = fetch(last, start, batch)
        for row in rows:
            if not _take(page, row, prefix, delimiter, limit):
                return page
        if len(rows) < batch:
            break
        last = rows[-1]
        rolled = rolled_up(last.key, prefix, delimiter)
        # Behind a prefix the next key may be far: look at few there, at many in a run of keys.
        start, batch = (successor(rolled), _FIRST_BATCH) if rolled else ("", min(4 * batch, _LARGEST_BATCH))
    return page


def rolled_up(key: str, prefix: str, delimiter: str) -> str | None:
    """Return the common prefix that stands for `key`, or None."""
    if not delimiter or not key.startswith(prefix):
        return None
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else key[: end + len(delimiter)]


def _take(page: Listing, row: ObjectRecord, prefix: str, delimiter: str, limit: int) -> bool:
    """Put a row on the page; False, and the page truncated, if it has no room."""
    rolled = rolled_up(row.key, prefix, delimiter)
    if rolled is not None and page.common_prefixes and page.common_prefixes[-1] == rolled:
        return True
    if len(page) == limit:
        page.truncated = True
        return False
    if rolled is None:
        page.objects.append(row)
    else:
        page.common_prefixes.append(rolled)
    page.last = row.key if rolled is None else rolled
    page.last_version = row.public_version if rolled is None else None
    return True
