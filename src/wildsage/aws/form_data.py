"""``multipart/form-data`` (RFC 7578) as it streams in: small fields first, then one file of any size."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from email.message import EmailMessage

from wildsage.core.errors import ServiceError
from wildsage.core.streams import ByteStream

_LARGEST_FIELDS = 20 * 1024
_LONGEST_HEAD = 8 * 1024
_NAME = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{1,70}")


@dataclass(slots=True)
class Form:
    """The fields in front of the file, and the file.

    Attributes
    ----------
    fields
        By name as it was written; of a name that comes twice, the first.
    file
        Its content; what follows it is read over.
    """

    fields: Mapping[str, str]
    file_name: str
    file: ByteStream


def boundary_of(content_type: str) -> str | None:
    """Return the boundary of a form; None where the content type is another one."""
    header = EmailMessage()
    header["content-type"] = content_type.translate({10: None, 13: None})
    if header.get_content_type() != "multipart/form-data":
        return None
    boundary = header.get_boundary() or ""
    return boundary if _NAME.fullmatch(boundary) else None


async def read_form(body: ByteStream, boundary: str) -> Form:
    """Read up to the file.

    Raises
    ------
    ServiceError
        ``MalformedPOSTRequest``, ``MaxPostPreDataLengthExceeded``, or ``InvalidArgument`` where no file comes.
    """
    # As if a line had ended before: then every boundary begins with one.
    parts = _Parts(body, f"\r\n--{boundary}".encode())
    await parts.skip_preamble()
    fields: dict[str, str] = {}
    size = 0
    while (head := await parts.head()) is not None:
        name, file_name = _disposition(head)
        if name.lower() == "file":
            return Form(fields, file_name, ByteStream(parts.content()))
        value = b""
        async for piece in parts.content():
            value += piece
            if size + len(value) > _LARGEST_FIELDS:
                raise _bad(
                    f"Your POST request fields preceding the upload file exceed {_LARGEST_FIELDS} bytes.",
                    "MaxPostPreDataLengthExceeded",
                )
        size += len(value)
        fields.setdefault(name, value.decode("utf-8", "replace"))
    raise _bad("POST requires exactly one file upload per request.", "InvalidArgument")


class _Parts:
    """The parts of a body, one after the other."""

    def __init__(self, body: ByteStream, delimiter: bytes) -> None:
        self._chunks = aiter(body)
        self._delimiter = delimiter
        self._buffer = b"\r\n"

    async def skip_preamble(self) -> None:
        async for _ in self.content():
            pass

    async def head(self) -> str | None:
        """Return the header of the next part; None behind the last."""
        while len(self._buffer) < 2:
            await self._more()
        if self._buffer.startswith(b"--"):
            return None
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _LONGEST_HEAD:
                raise _malformed("the header of a part is too long")
            await self._more()
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        return head.decode("utf-8", "replace")

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the bytes up to the next boundary."""
        kept = len(self._delimiter) - 1
        while (end := self._buffer.find(self._delimiter)) < 0:
            ready = len(self._buffer) - kept
            if ready > 0:
                piece, self._buffer = self._buffer[:ready], self._buffer[ready:]
                yield piece
            await self._more()
        piece, self._buffer = self._buffer[:end], self._buffer[end + len(self._delimiter) :]
        if piece:
            yield piece

    async def _more(self) -> None:
        async for chunk in self._chunks:
            if chunk:
                self._buffer += chunk
                return
        raise _malformed("it ends before its last boundary")


def _disposition(head: str) -> tuple[str, str]:
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            found = EmailMessage()
            found["content-disposition"] = value.strip()
            parameters = found["content-disposition"].params
            return str(parameters.get("name", "")), str(parameters.get("filename", ""))
    raise _malformed("a part has no Content-Disposition")


def _malformed(reason: str) -> ServiceError:
    return _bad(
        f"The body of your POST request is not well-formed multipart/form-data: {reason}.",
        "MalformedPOSTRequest",
    )


def _bad(message: str, code: str) -> ServiceError:
    return ServiceError(message, code=code, status=400)
