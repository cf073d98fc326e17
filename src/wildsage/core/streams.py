"""Bodies that are too large to hold in memory, in both directions of the wire."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable


class ByteStream:
    """An asynchronous stream of byte chunks, read once.

    Parameters
    ----------
    chunks
        The chunks, of any size; empty ones are allowed. None: those that `_produce` yields.
    length
        The total number of bytes where it is known beforehand, else None.
    """

    def __init__(self, chunks: AsyncIterator[bytes] | None, length: int | None = None) -> None:
        self._chunks = chunks
        self._whole: bytes | None = None
        self.length = length

    def __aiter__(self) -> AsyncIterator[bytes]:
        if self._chunks is None:  # many a body is read as a whole, and needs no iterator
            self._chunks = self._produce()
        return self._chunks

    async def _produce(self) -> AsyncIterator[bytes]:
        yield self._whole or b""

    @classmethod
    def of(cls, data: bytes) -> "ByteStream":
        """Wrap bytes that are in memory already."""
        stream = cls(None, len(data))
        stream._whole = data
        return stream

    async def read(self, limit: int) -> bytes:
        """Collect the whole stream.

        Raises
        ------
        ValueError
            As soon as more than `limit` bytes have come: nothing more is buffered.
        """
        if self._whole is not None and len(self._whole) <= limit:
            return self._whole
        parts: list[bytes] = []
        size = 0
        async for chunk in self:
            size += len(chunk)
            if size > limit:
                raise ValueError(f"the body is larger than {limit} bytes")
            parts.append(chunk)
        return b"".join(parts)


class PromisedByteStream(ByteStream):
    """A stream whose SHA-256 was promised; its iteration raises in place of its end unless that holds.

    Whoever hashes the content anyway, in a thread perhaps, iterates `unchecked` instead and then calls `check`.

    Parameters
    ----------
    promised
        Hexadecimal.
    broken
        Makes the error, given the digest that the content has.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        length: int | None,
        promised: str,
        broken: Callable[[str], Exception],
    ) -> None:
        super().__init__(self._checked(), length)
        self.unchecked = ByteStream(chunks, length)
        self._promised = promised
        self._broken = broken

    def check(self, digest: str) -> None:
        """Raise unless the content's digest, hexadecimal, is the promised one."""
        if not hmac.compare_digest(digest.encode(), self._promised.encode()):
            raise self._broken(digest)

    async def _checked(self) -> AsyncIterator[bytes]:
        digest = hashlib.sha256()
        async for chunk in self.unchecked:
            digest.update(chunk)
            yield chunk
        self.check(digest.hexdigest())


class TrailingByteStream(ByteStream):
    """A stream that is followed by trailing header fields (aws-chunked bodies).

    The reader's contract: read to the end, then look into `trailers`. The iteration raises a
    `ServiceError` in place of its end where a signature, a digest or the framing does not hold: whoever
    commits what it has read must do so only after the iteration ended.

    Parameters
    ----------
    chunks
        The decoded content.
    length
        The decoded length (``x-amz-decoded-content-length``).
    trailers
        Trailing fields by lower-case name, e.g. ``x-amz-checksum-crc32``. Empty until the stream has ended;
        the producer of `chunks` fills it.
    """

    def __init__(self, chunks: AsyncIterator[bytes], length: int | None, trailers: dict[str, str]) -> None:
        super().__init__(chunks, length)
        self.trailers = trailers
