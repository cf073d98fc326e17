"""Write stored objects over HTTP, as the run's role. Survives a restart of the server."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol
from urllib.parse import quote

from wildsage.core.signing import UNSIGNED_PAYLOAD, sign_request
from wildsage.supervisor.download import (
    LARGEST_REPLY,
    STALE_CREDENTIALS,
    Credentials,
    Patience,
    TryAgainError,
    UnreachableError,
    answer,
    element,
)
from wildsage.supervisor.http1 import Connection, Response

PART_BYTES = 64 << 20
"""A larger object goes up in parts of at least so many bytes: a broken connection costs one of them."""

_MOST_PARTS = 10_000
_CHUNK_BYTES = 1 << 20


class UploadError(Exception):
    """An object cannot be stored or removed, and trying again will not help. The text is for the user."""


class Content(Protocol):
    """What is written: read where and as often as it is needed, never as a whole."""

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    def read(self, start: int, size: int) -> bytes:
        """Return up to `size` bytes, at least one; raises whatever shall end the upload."""
        ...

    def check(self) -> None:
        """Raise, to end the upload, if what was read is not the whole truth. Asked before its last byte leaves."""
        ...


class ObjectWriter:
    """One connection to the object store. Not for several threads.

    Every method raises `UploadError` if the store refuses, `UnreachableError` if the server does not answer, has no
    space or is in other trouble for longer than `wildsage.supervisor.download.PATIENCE_SECONDS`, and what
    `pause` raises.

    Parameters
    ----------
    pause
        Sleeps between attempts; raises to give up early.
    """

    def __init__(
        self, endpoint_url: str, region: str, credentials: Credentials, pause: Callable[[float], None]
    ) -> None:
        self._endpoint_url = endpoint_url.rstrip("/")
        self._region = region
        self._credentials = credentials
        self._pause = pause
        self._connection = Connection(endpoint_url)

    def put(self, bucket: str, key: str, content: Content) -> None:
        """Write an object: all of it, or nothing where `content` raises."""
        if content.size > PART_BYTES:
            self._put_parts(bucket, key, content)
        else:
            self._ask("PUT", bucket, key, content=content, size=content.size)

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object; nothing there: nothing done."""
        self._ask("DELETE", bucket, key)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _put_parts(self, bucket: str, key: str, content: Content) -> None:
        begun = element(self._ask("POST", bucket, key, "uploads=")[1], "UploadId")
        upload = f"uploadId={quote(begun, safe='')}"
        size = max(PART_BYTES, -(-content.size // _MOST_PARTS))
        try:
            etags = []
            for number, start in enumerate(range(0, content.size, size), 1):
                query = f"partNumber={number}&{upload}"
                part = min(size, content.size - start)
                headers, _ = self._ask("PUT", bucket, key, query, content=content, start=start, size=part)
                etags.append(headers["etag"])
            parts = "".join(
                f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
                for number, etag in enumerate(etags, 1)
            )
            listed = _Bytes(f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode())
            self._ask("POST", bucket, key, upload, content=listed, size=listed.size)
        except UnreachableError:
            raise
        except Exception:
            # What ended the upload matters, not what becomes of its parts.
            with suppress(UploadError, OSError):
                self._ask("DELETE", bucket, key, upload)
            raise

    def _ask(
        self,
        method: str,
        bucket: str,
        key: str,
        query: str = "",
        *,
        content: Content | None = None,
        start: int = 0,
        size: int = 0,
    ) -> tuple[dict[str, str], str]:
        """Send a request, with a part of `content` for its body, until it is answered; return header and text."""
        url = f"{self._endpoint_url}/{quote(bucket)}/{quote(key, safe='/~')}" + (f"?{query}" if query else "")
        patience = Patience(self._pause)
        while True:
            body = () if content is None else _pieces(content, start, size, patience)
            signer = self._credentials.key(patience)
            headers = sign_request(
                signer, method, url, region=self._region, at=time.time(), payload_hash=UNSIGNED_PAYLOAD
            )
            try:
                with answer(self._connection, url, headers, method, size, body) as response:
                    return response.headers, self._accepted(method, bucket, key, response)
            except TryAgainError as error:
                patience.again(error)

    def _accepted(self, method: str, bucket: str, key: str, response: Response) -> str:
        text = response.read(LARGEST_REPLY).decode("utf-8", "replace")
        code, message = element(text, "Code"), element(text, "Message")
        # Of an upload in parts, the end may fail after its status was sent.
        if response.status in (200, 204) and not re.search("<Error>", text):
            return text
        if code in STALE_CREDENTIALS:
            self._credentials.forget()
            raise TryAgainError(f"{code}: {message}")
        what = "deleted" if method == "DELETE" else "written"
        denied = ": access denied to the job's role" if response.status == 403 else ""
        said = f"{code}: {message}" if code else f"HTTP {response.status}"
        raise UploadError(f"s3://{bucket}/{key} cannot be {what}{denied} ({said})")


class _Bytes:
    """A small body as `Content`."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self.size = len(text)

    def read(self, start: int, size: int) -> bytes:
        return self._text[start : start + size]

    def check(self) -> None:
        """Nothing can happen to it."""


def _pieces(content: Content, start: int, size: int, patience: Patience) -> Iterator[bytes]:
    """Yield a part of a content; its end only when it proved to be what it was at the beginning."""
    end = start + size
    while start < end:
        piece = content.read(start, min(_CHUNK_BYTES, end - start))
        start += len(piece)
        if start == content.size:
            content.check()
        yield piece
        patience.progress()
