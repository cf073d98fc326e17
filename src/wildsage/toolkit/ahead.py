"""Work that is done ahead, in another thread, while its results are used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_END = object()


def ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield items in their order, each of which a thread makes while the one before is used.

    It pays where both sides leave the interpreter for long, as compiled kernels and numpy do. What making an item
    raises is raised where it would be yielded.
    """
    source = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        waiting = thread.submit(next, source, _END)
        while (item := waiting.result()) is not _END:
            waiting = thread.submit(next, source, _END)
            yield item  # type: ignore[misc]  # _END is no item
