"""Read stored objects over HTTP, as the run's role. Survives a restart of the server."""

import json
import random
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO
from urllib.parse import quote

from wildsage.core.credentials import AccessKey
from wildsage.core.signing import sign_request
from wildsage.supervisor.contract import InputObject
from wildsage.supervisor.http1 import Connection, Response

PATIENCE_SECONDS = 300.0
"""How long nothing may come before a download is given up."""

Chunks = Generator[bytes, None, None]
"""Content, piece by piece; to be closed by whoever does not want all of it."""

_CHUNK_BYTES = 1 << 20
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_RENEW_SECONDS = 120.0
LARGEST_REPLY = 1 << 16
STALE_CREDENTIALS = frozenset({"ExpiredToken", "InvalidAccessKeyId", "InvalidToken"})
"""Error codes that new credentials mend."""


class InputError(Exception):
    """An input cannot be brought in, and trying again will not help. The text is for the user."""

    def of_channel(self, name: str) -> "InputError":
        """Return the error with the channel's name in its text."""
        return InputError(f"{self} (channel '{name}')")


class UnreachableError(OSError):
    """The server did not answer for longer than `PATIENCE_SECONDS`."""


class TryAgainError(Exception):
    """The server is restarting, or the connection broke."""


class TroubleError(TryAgainError):
    """The server answers, but cannot do it now: its disk is full, or the like.

    Attributes
    ----------
    status
        Of its answer.
    """

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"HTTP {status}" + (f": {said}" if said else ""))
        self.status = status


class Patience:
    """Pauses between attempts, longer each time, until nothing has come for too long.

    Parameters
    ----------
    pause
        Sleeps; raises to give up early (the run is asked to stop).
    """

    def __init__(self, pause: Callable[[float], None]) -> None:
        self._pause = pause
        self.progress()

    def progress(self) -> None:
        """Note that something came."""
        self._since = time.monotonic()
        self._next = _FIRST_PAUSE_SECONDS

    def again(self, cause: Exception) -> None:
        """Pause before the next attempt.

        Raises
        ------
        UnreachableError
            If the time is up.
        """
        waited = time.monotonic() - self._since
        if waited > PATIENCE_SECONDS:
            raise UnreachableError(f"the server did not answer for {waited:.0f} s: {cause}") from cause
        self._pause(self._next * random.uniform(0.5, 1.0))  # noqa: S311 - spreads attempts, keeps no secret
        self._next = min(2 * self._next, _LONGEST_PAUSE_SECONDS)


@dataclass(slots=True)
class Credentials:
    """The role's temporary credentials, fetched when needed and renewed before they end."""

    url: str
    token: str
    _key: AccessKey | None = None

    def key(self, patience: Patience) -> AccessKey:
        """Return credentials that hold for a while."""
        key = self._key
        if key is None or (key.expires_at is not None and key.expires_at - time.time() < _RENEW_SECONDS):
            key = self._key = self._fetch(patience)
        return key

    def forget(self) -> None:
        """Fetch anew next time."""
        self._key = None

    def _fetch(self, patience: Patience) -> AccessKey:
        connection = Connection(self.url)
        while True:
            try:
                with answer(connection, self.url, {"authorization": self.token}) as response:
                    content = response.read(LARGEST_REPLY)
                    if response.status != 200:
                        raise PermissionError(f"the server gave no credentials (HTTP {response.status})")
            except TryAgainError as error:
                patience.again(error)
            else:
                return _access_key(json.loads(content))
            finally:
                connection.close()


def _access_key(reply: dict[str, str]) -> AccessKey:
    return AccessKey(
        access_key_id=reply["AccessKeyId"],
        secret_access_key=reply["SecretAccessKey"],
        session_token=reply["Token"],
        account="",
        principal_arn=reply.get("RoleArn", ""),
        expires_at=datetime.fromisoformat(reply["Expiration"]).timestamp(),
    )


class ObjectReader:
    """One connection to the object store. Not for several threads; `credentials` may be shared."""

    def __init__(
        self, endpoint_url: str, region: str, credentials: Credentials, pause: Callable[[float], None]
    ) -> None:
        self._endpoint_url = endpoint_url.rstrip("/")
        self._region = region
        self._credentials = credentials
        self._pause = pause
        self._connection = Connection(endpoint_url)

    def download(self, item: InputObject, file: BinaryIO) -> None:
        """Write an object's content to `file`; raises as `read` does."""
        file.writelines(self.read(item))

    def read(self, item: InputObject) -> Chunks:
        """Yield an object's content, continuing where a connection broke. The caller takes the time it needs.

        Raises
        ------
        InputError
            If it is gone, has changed or may not be read.
        UnreachableError, PermissionError
            If the server does not answer, or gives no credentials.
        """
        patience = Patience(self._pause)
        came = 0
        while True:
            try:
                for chunk in self._content(item, came, patience):
                    came += len(chunk)
                    yield chunk
                    patience.progress()
                    self._pause(0)
            except TryAgainError as error:
                patience.again(error)
                continue
            if came == item.size:
                return
            if came > item.size:
                raise _failure(item, f"is larger than the {item.size} bytes it had when the job was created")
            patience.again(TryAgainError(f"{came} of {item.size} bytes came"))

    def read_range(self, item: InputObject, start: int, size: int) -> bytes:
        """Return `size` bytes of an object from `start` on; raises as `read` does."""
        patience = Patience(self._pause)
        content = b""
        while len(content) < size:
            try:
                for chunk in self._content(item, start + len(content), patience, start + size):
                    content += chunk
                    patience.progress()
            except TryAgainError as error:
                patience.again(error)
                continue
            if len(content) < size:
                patience.again(TryAgainError(f"{len(content)} of {size} bytes came"))
        return content[:size]

    def read_whole(self, bucket: str, key: str, limit: int) -> bytes:
        """Return the content of an object as it is now, whatever it was when the job was created.

        Raises
        ------
        InputError
            Also if it has more than `limit` bytes.
        UnreachableError, PermissionError
            As `read`.
        """
        item = InputObject(bucket, key, "", 0, "")
        patience = Patience(self._pause)
        while True:
            content = bytearray()
            try:
                for chunk in self._content(item, 0, patience):
                    content += chunk
                    if len(content) > limit:
                        raise _failure(item, f"has more than {limit} bytes")
                    self._pause(0)
            except TryAgainError as error:
                patience.again(error)
            else:
                return bytes(content)

    def _content(
        self, item: InputObject, start: int, patience: Patience, end: int | None = None
    ) -> Iterator[bytes]:
        url = f"{self._endpoint_url}/{quote(item.bucket)}/{quote(item.key, safe='/~')}"
        wanted = {"if-match": f'"{item.etag.strip(chr(34))}"'} if item.etag else {}
        if start or end is not None:
            wanted["range"] = f"bytes={start}-{'' if end is None else end - 1}"
        key = self._credentials.key(patience)
        headers = sign_request(key, "GET", url, region=self._region, at=time.time(), headers=wanted)
        with answer(self._connection, url, headers) as response:
            if response.status not in (200, 206):
                self._refuse(item, response)
            if start and response.status == 200:
                raise TryAgainError("the server ignored the range")
            while chunk := response.read(_CHUNK_BYTES):
                yield chunk

    def _refuse(self, item: InputObject, response: Response) -> None:
        body = response.read(LARGEST_REPLY).decode("utf-8", "replace")
        code, message = element(body, "Code"), element(body, "Message")
        if code in STALE_CREDENTIALS:
            self._credentials.forget()
            raise TryAgainError(f"{code}: {message}")
        said = f" ({code}: {message})" if code else f" (HTTP {response.status})"
        if response.status == 404:
            raise _failure(item, f"does not exist{said}")
        if response.status == 412:
            raise _failure(item, f"has changed since the job was created{said}")
        if response.status == 403:
            raise _failure(item, f"cannot be read: access denied to the job's role{said}")
        raise _failure(item, f"cannot be read{said}")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _failure(item: InputObject, what: str) -> InputError:
    return InputError(
        f"ClientError: Data download failed:Failed to download data. S3 key: {item.location} {what}"
    )


def element(xml: str, name: str) -> str:
    """Return the text of the first element of a name in an answer of S3; nothing where there is none."""
    found = re.search(f"<{name}>([^<]*)</{name}>", xml)
    return found[1] if found else ""


@contextmanager
def answer(
    connection: Connection,
    url: str,
    headers: Mapping[str, str],
    method: str = "GET",
    size: int = 0,
    body: Iterable[bytes] = (),
) -> Iterator[Response]:
    """Send a request; what the network or a server in trouble does to it is `TryAgainError`."""
    try:
        with connection.send(method, url, headers, size, body) as response:
            if response.status >= 500 or response.status == 429:
                said = element(response.read(LARGEST_REPLY).decode("utf-8", "replace"), "Message")
                raise TroubleError(response.status, said)
            yield response
    except (ConnectionError, TimeoutError) as error:
        raise TryAgainError(f"{type(error).__name__}: {error}") from error
