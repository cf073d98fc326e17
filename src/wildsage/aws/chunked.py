"""Bodies that are verified while they stream: plain ones against their digest, aws-chunked ones as they come.

Nothing is collected, so memory is constant for any size. The content of a chunk is handed on before its
signature can be checked: that is why a reader may commit only after the iteration has ended.
"""

import hashlib
import hmac
from collections.abc import AsyncIterator

from wildsage.core.errors import ServiceError
from wildsage.core.signing import ChunkSignatures
from wildsage.core.streams import ByteStream, PromisedByteStream, TrailingByteStream

_LONGEST_LINE = 16 * 1024
_TRAILER_SIGNATURE = "x-amz-trailer-signature"


def verified(body: ByteStream, expected_hash: str) -> PromisedByteStream:
    """Return the same stream, which ends with an error unless its SHA-256 is the hex `expected_hash`."""

    def broken(digest: str) -> ServiceError:
        return ServiceError(
            "The provided 'x-amz-content-sha256' header does not match what was computed:"
            f" the header says {expected_hash}, the body has {digest}",
            code="XAmzContentSHA256Mismatch",
            status=400,
        )

    return PromisedByteStream(aiter(body), body.length, expected_hash, broken)


def decoded(
    body: ByteStream, length: int, announced: frozenset[str], signatures: ChunkSignatures | None
) -> TrailingByteStream:
    """Return the content of an aws-chunked body.

    Parameters
    ----------
    length
        The decoded length that the request promises.
    announced
        Lower-case names of the trailing fields that the request promises (``x-amz-trailer``).
    signatures
        The chain that signs chunks and trailer; None where only the request is signed.
    """
    trailers: dict[str, str] = {}
    decoder = _Decoder(_Source(body), length, announced, signatures, trailers)
    return TrailingByteStream(decoder.content(), length, trailers)


class _Source:
    """Lines and pieces out of a stream of byte chunks."""

    def __init__(self, body: ByteStream) -> None:
        self._chunks = aiter(body)
        self._buffer = b""

    async def line(self) -> str:
        """Take up to and with the next CRLF, and return what is before it."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _LONGEST_LINE:
                raise _malformed(f"a line is longer than {_LONGEST_LINE} bytes")
            more = await self._more()
            if not more:
                raise _incomplete("it ends within a line of its framing")
            self._buffer += more
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line.decode("latin-1")

    async def pieces(self, size: int) -> AsyncIterator[bytes]:
        """Take exactly `size` bytes, in pieces."""
        while size:
            piece = self._buffer or await self._more()
            if not piece:
                raise _incomplete(f"{size} bytes of a chunk are missing")
            self._buffer = piece[size:]
            piece = piece[:size]
            size -= len(piece)
            yield piece

    async def at_end(self) -> bool:
        """Tell whether nothing is left."""
        return not (self._buffer or await self._more())

    async def _more(self) -> bytes:
        async for chunk in self._chunks:
            if chunk:
                return chunk
        return b""


class _Decoder:
    def __init__(
        self,
        source: _Source,
        length: int,
        announced: frozenset[str],
        signatures: ChunkSignatures | None,
        trailers: dict[str, str],
    ) -> None:
        self._source = source
        self._length = length
        self._announced = announced
        self._signatures = signatures
        self._trailers = trailers

    async def content(self) -> AsyncIterator[bytes]:
        total = 0
        size = 1
        while size:
            size, signature = _chunk_header(await self._source.line())
            total += size
            if total > self._length:
                raise _incomplete(
                    f"it holds more than the x-amz-decoded-content-length of {self._length} bytes"
                )
            digest = hashlib.sha256()
            async for piece in self._source.pieces(size):
                if self._signatures is not None:
                    digest.update(piece)
                yield piece
            if self._signatures is not None:
                _check(self._signatures.of_chunk(digest.hexdigest()), signature, "a chunk")
            if size and await self._source.line():
                raise _malformed("a chunk is longer than its size says")
        if total != self._length:
            raise _incomplete(f"it holds {total} bytes, its x-amz-decoded-content-length says {self._length}")
        await self._take_trailers()

    async def _take_trailers(self) -> None:
        fields: list[tuple[str, str]] = []
        signature = ""
        while line := await self._source.line():
            name, colon, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            if not colon or not name:
                raise _malformed(f"the trailer {line[:80]!r} is not a header field")
            if name == _TRAILER_SIGNATURE:
                signature = value
            else:
                fields.append((name, value))
        if not await self._source.at_end():
            raise _malformed("something follows its end")
        if {name for name, _ in fields} != self._announced or len(fields) != len(self._announced):
            raise ServiceError(
                f"The request announced the trailing fields {sorted(self._announced)} in x-amz-trailer"
                f" and sent {sorted(name for name, _ in fields)}",
                code="MalformedTrailerError",
                status=400,
            )
        if self._signatures is not None and fields:
            _check(self._signatures.of_trailer(fields), signature, "the trailer")
        self._trailers.update(fields)


def _chunk_header(line: str) -> tuple[int, str]:
    """Read ``SIZE[;chunk-signature=HEX]``."""
    digits, _, extension = line.partition(";")
    if not digits or len(digits) > 16 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
        raise _malformed(f"{line[:80]!r} is not the size of a chunk")
    return int(digits, 16), extension.strip().removeprefix("chunk-signature=")


def _check(expected: str, signature: str, what: str) -> None:
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise ServiceError(
            "The request signature we calculated does not match the signature you provided:"
            f" the signature of {what} is wrong. Check your key and signing method.",
            code="SignatureDoesNotMatch",
            status=403,
        )


def _malformed(reason: str) -> ServiceError:
    return ServiceError(f"The aws-chunked body is malformed: {reason}", code="InvalidRequest", status=400)


def _incomplete(reason: str) -> ServiceError:
    return ServiceError(
        f"You did not provide the number of bytes specified by the HTTP headers. The aws-chunked body: {reason}",
        code="IncompleteBody",
        status=400,
    )
