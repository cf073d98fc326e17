"""Any bytes of any object: from its files where they are here, else over HTTP."""

import os
from collections.abc import Sequence

from wildsage.supervisor.contract import InputObject
from wildsage.supervisor.download import ObjectReader


class ObjectContent:
    """The content of some objects, by their places in a list. Not for several threads."""

    def __init__(self, items: Sequence[InputObject], reader: ObjectReader) -> None:
        self._items = items
        self._reader = reader
        self._sizes: dict[str, int] = {}
        self._open: tuple[str, int] | None = None  # the file that was read last

    def read(self, number: int, start: int, size: int) -> bytes:
        """Return exactly `size` bytes from `start` on; the object has them.

        Raises
        ------
        InputError, UnreachableError, PermissionError
            As `ObjectReader.read`.
        """
        item = self._items[number]
        content = self._read_files(item, start, size) if item.files else None
        return self._reader.read_range(item, start, size) if content is None else content

    def _read_files(self, item: InputObject, start: int, size: int) -> bytes | None:
        """Return None where a file is gone: the object was overwritten or deleted."""
        parts, offset = [], 0
        try:
            for path in item.files:
                length = self._size(path)
                low, high = max(start, offset), min(start + size, offset + length)
                if low < high:
                    parts.append(os.pread(self._descriptor(path), high - low, low - offset))
                offset += length
        except OSError:
            return None
        content = b"".join(parts)
        return content if len(content) == size else None

    def _size(self, path: str) -> int:
        if path not in self._sizes:
            self._sizes[path] = os.stat(path).st_size  # noqa: PTH116 - a text
        return self._sizes[path]

    def _descriptor(self, path: str) -> int:
        if self._open is None or self._open[0] != path:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            if self._open is not None:
                os.close(self._open[1])
            self._open = (path, descriptor)
        return self._open[1]
