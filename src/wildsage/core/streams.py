"""Bodies that are too large to hold in memory, in both directions of the wire."""

from collections.abc import AsyncIterator


class ByteStream:
    """An asynchronous stream of byte chunks, read once.

    Parameters
    ----------
    chunks
        The chunks, of any size; empty ones are allowed.
    length
        The total number of bytes where it is known beforehand, else None.
    """

    def __init__(self, chunks: AsyncIterator[bytes], length: int | None = None) -> None:
        self._chunks = chunks
        self.length = length

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    @classmethod
    def of(cls, data: bytes) -> "ByteStream":
        """Wrap bytes that are in memory already."""

        async def once() -> AsyncIterator[bytes]:
            yield data

        return cls(once(), len(data))

    async def read(self, limit: int) -> bytes:
        """Collect the whole stream.

        Raises
        ------
        ValueError
            As soon as more than `limit` bytes have come: nothing more is buffered.
        """
        parts: list[bytes] = []
        size = 0
        async for chunk in self._chunks:
            size += len(chunk)
            if size > limit:
                raise ValueError(f"the body is larger than {limit} bytes")
            parts.append(chunk)
        return b"".join(parts)
