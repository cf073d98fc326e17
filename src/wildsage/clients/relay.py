"""Pass requests of one client connection to the server, and the answers back.

Both heads go through unchanged, byte for byte: signatures cover them. A request is sent a second time only
where that cannot do harm: it never reached the server, or it changes nothing and no byte of an answer came.
"""

import asyncio
import re
from asyncio import StreamReader, StreamWriter, Task
from dataclasses import dataclass

from wildsage.clients.http1 import (
    Ending,
    Framing,
    HttpError,
    RequestHead,
    ResponseHead,
    TruncatedError,
    read_response_head,
    relay_body,
    relay_to_end,
)
from wildsage.clients.server_link import ServerLink

_LARGEST_REPEATABLE = 1024 * 1024
_REUSE_SECONDS = 1.0
"""How long a connection to the server may have been idle to be used again: well below the time after which
servers close idle ones, because a request that meets the closing could not always be repeated."""

_EARLY_ANSWER_SECONDS = 5.0
_REST_OF_BODY_SECONDS = 1.0
_BETWEEN_REPEATS_SECONDS = 0.1
_READING = re.compile(r"(Batch)?(Get|Describe|Filter|List|Query|Search|Simulate)[A-Z]")
_READING_ACTION = re.compile(rb"(^|&)Action=(Get|Describe|List|Simulate)[A-Z]")


class NoAnswerError(Exception):
    """The other side ended the connection before the first byte of its answer."""


@dataclass(slots=True)
class Connection:
    """Both directions of one connection."""

    reader: StreamReader
    writer: StreamWriter
    used_at: float = 0.0

    @property
    def is_fresh(self) -> bool:
        """Whether another request may be sent on it."""
        usable = not self.reader.at_eof() and not self.writer.is_closing()
        return usable and asyncio.get_running_loop().time() - self.used_at < _REUSE_SECONDS


class ServerRelay:
    """One client connection's way to the server."""

    def __init__(self, client: Connection, link: ServerLink) -> None:
        self._client = client
        self._link = link
        self._server: Connection | None = None

    def close(self) -> None:
        """End the connection to the server, if there is one."""
        if self._server is not None:
            self._server.writer.close()
            self._server = None

    async def serve(self, head: RequestHead, sent_head: bytes) -> bool:
        """Answer one request; True if the client's connection can carry another.

        Parameters
        ----------
        sent_head
            The head as the server is to see it.

        Raises
        ------
        ServerAwayError
            If the server stays away. The client has got no answer yet.
        NoAnswerError
            If the server ended the connection without an answer, and the request cannot be repeated.
        """
        framing = head.framing()
        body = b""
        if isinstance(framing, int) and framing <= _LARGEST_REPEATABLE and not head.get("expect"):
            body = await _read_whole(self._client.reader, framing)
            framing = 0
        # Repeats end: the link's patience bounds a server that is away, this bounds one that hangs up.
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._link.patience
        while True:
            server = await self._connect()
            try:
                keep = await exchange(self._client, server, head, sent_head + body, framing)
            except NoAnswerError:
                self.close()
                if framing != 0 or not _only_reads(head, body) or loop.time() > deadline:
                    raise
                await asyncio.sleep(_BETWEEN_REPEATS_SECONDS)
            except BaseException:
                self.close()
                raise
            else:
                server.used_at = loop.time()
                if not keep:
                    self.close()
                return keep

    async def _connect(self) -> Connection:
        if self._server is not None and not self._server.is_fresh:
            self.close()
        if self._server is None:
            self._server = Connection(*await self._link.connect())
        return self._server


async def exchange(
    client: Connection, server: Connection, head: RequestHead, start: bytes, framing: Framing
) -> bool:
    """Send one request and relay its answer; True if both connections can carry another.

    Parameters
    ----------
    start
        The request's head as the server is to see it, and what of the body was read already.
    framing
        Where the rest of the body ends, which is still to come from the client.

    Raises
    ------
    NoAnswerError
        If the server ended the connection before it answered.
    """
    server.writer.write(start)
    body = asyncio.ensure_future(relay_body(client.reader, server.writer, framing))
    answer = asyncio.ensure_future(_first_answer(client, server))
    try:
        await asyncio.wait({body, answer}, return_when=asyncio.FIRST_COMPLETED)
        await _wait_for_answer(body, answer)
        response, continued = answer.result()
        client.writer.write(response.raw)
        if response.status == 101:
            await pipe(client, server)
            return False
        await _relay_answer(server, client, response.framing(head.method))
        if not body.done() and (continued or not head.get("expect")):
            # The server did not need all of it. The client is not to see a reset while it still sends.
            await asyncio.wait({body}, timeout=_REST_OF_BODY_SECONDS)
        complete = body.done() and body.exception() is None
        delimited = response.framing(head.method) is not Ending.CLOSE
        return complete and delimited and head.keeps_alive and response.keeps_alive
    finally:
        for task in (body, answer):
            task.cancel()
        await asyncio.gather(body, answer, return_exceptions=True)


async def pipe(one: Connection, other: Connection) -> None:
    """Pass bytes in both directions until both sides are done; one may be done before the other."""

    async def flow(source: Connection, sink: Connection) -> None:
        await relay_to_end(source.reader, sink.writer)
        if sink.writer.can_write_eof():
            sink.writer.write_eof()
        else:
            sink.writer.close()

    tasks = [asyncio.ensure_future(flow(one, other)), asyncio.ensure_future(flow(other, one))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _wait_for_answer(body: "Task[None]", answer: "Task[tuple[ResponseHead, bool]]") -> None:
    """Wait until `answer` is done, unless the client fails to send what it announced."""
    if not answer.done():
        problem = body.exception()
        if isinstance(problem, HttpError | TruncatedError):
            raise problem
        if problem is not None:
            # The server closed while the body was under way: it may have said why before.
            await asyncio.wait({answer}, timeout=_EARLY_ANSWER_SECONDS)
            if not answer.done():
                raise NoAnswerError(str(problem)) from problem
    await answer


async def _first_answer(client: Connection, server: Connection) -> tuple[ResponseHead, bool]:
    """Return the final answer's head, and whether the client was told to go on before."""
    continued = False
    while True:
        try:
            response = await read_response_head(server.reader)
        except (OSError, TruncatedError) as error:
            raise NoAnswerError(str(error)) from error
        if response.status >= 200 or response.status == 101:
            return response, continued
        continued = True
        client.writer.write(response.raw)
        await client.writer.drain()


async def _relay_answer(server: Connection, client: Connection, framing: Framing) -> None:
    try:
        await relay_body(server.reader, client.writer, framing)
    except HttpError as error:
        # The client has the head already: all that can be done is to let it see that the rest is missing.
        raise TruncatedError(str(error)) from error
    await client.writer.drain()


async def _read_whole(reader: StreamReader, size: int) -> bytes:
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        raise TruncatedError("the connection ended inside a body") from error


def _only_reads(head: RequestHead, body: bytes) -> bool:
    """Tell whether a request changes nothing, so that it may be sent twice."""
    if head.method in {"GET", "HEAD", "OPTIONS"}:
        return True
    operation = head.get("x-amz-target").rpartition(".")[2]
    if not operation and head.get("smithy-protocol"):
        operation = head.target.rpartition("/")[2]
    return bool(_READING.match(operation)) or (
        head.get("content-type").startswith("application/x-www-form-urlencoded")
        and _READING_ACTION.search(body) is not None
    )
