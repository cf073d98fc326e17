"""The forward proxy that brings unmodified clients to Wildsage.

What a client asks of it, and what becomes of it:

CONNECT to an AWS host       TLS ends here, under a certificate of our authority; the requests go to the server
CONNECT to any other host    a tunnel: bytes pass untouched
``GET http://AWS-HOST/…``    to the server
``GET http://HOST/…``        passed on
``GET /…``                   to the server: AWS_ENDPOINT_URL points here, so that its restarts do not show

AWS hosts of services that the server has not are refused with an error that names them, and so are the
metadata addresses of machines and containers: neither ever leaves this machine. The proxy listens on
127.0.0.1 only.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
from asyncio import StreamReader, StreamReaderProtocol, StreamWriter, Task
from typing import Any
from urllib.parse import urlsplit

from wildsage.clients.authority import Authority
from wildsage.clients.hosts import (
    SERVICES,
    is_aws_host,
    is_loopback,
    is_metadata_address,
    normalized,
    service_of,
)
from wildsage.clients.http1 import HttpError, RequestHead, TruncatedError, read_request_head
from wildsage.clients.outbound import Outbound, OutboundError, connect
from wildsage.clients.refusal import Refusal
from wildsage.clients.relay import Connection, NoAnswerError, ServerRelay, exchange, pipe
from wildsage.clients.server_link import ServerAwayError, ServerLink
from wildsage.clients.streams import STREAM_LIMIT

log = logging.getLogger(__name__)

_ADDRESS = "127.0.0.1"
_BACKLOG = 1024
_IDLE_SECONDS = 600.0
_HEAD_SECONDS = 30.0
_HANDSHAKE_SECONDS = 30.0
_SHUTDOWN_SECONDS = 2.0
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class Proxy:
    """One listening proxy. Everything runs in the event loop that called `start`.

    Parameters
    ----------
    link
        The way to the server.
    authority
        Who vouches for the AWS hosts.
    outbound
        The way to all other hosts.
    """

    def __init__(self, link: ServerLink, authority: Authority, outbound: Outbound) -> None:
        self._link = link
        self._authority = authority
        self._outbound = outbound
        self._listener: asyncio.Server | None = None
        self._clients: set[Task[Any]] = set()
        self._refused: set[str] = set()

    async def start(self, port: int = 0) -> str:
        """Listen and return the proxy's URL. Takes any free port where `port` is 0.

        Raises
        ------
        OSError
            If the port is taken.
        """
        return await self.serve_on(socket.create_server((_ADDRESS, port), backlog=_BACKLOG))

    async def serve_on(self, listener: socket.socket) -> str:
        """Serve a socket that listens, which is the proxy's from now on; return the proxy's URL."""
        self._listener = await asyncio.start_server(self._serve, sock=listener, limit=STREAM_LIMIT)
        return f"http://{_ADDRESS}:{listener.getsockname()[1]}"

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._listener is not None:
            self._listener.close()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)
        client = Connection(reader, writer)
        try:
            await self._serve_requests(client)
        except asyncio.CancelledError:
            # `close` ends the task: nobody waits for the exception, and asyncio would log it.
            return
        except Exception:
            # One client's surprise must not end the proxy of all others.
            log.exception("a connection failed")
            _reset(client)

    async def _serve_requests(self, client: Connection) -> None:
        """Serve one connection to its end."""
        relay = ServerRelay(client, self._link)
        aws_host: str | None = None
        try:
            keep = True
            while keep and (head := await read_request_head(client.reader, _IDLE_SECONDS, _HEAD_SECONDS)):
                if head.method == "CONNECT" and aws_host is None:
                    aws_host = await self._serve_connect(client, head)
                    keep = aws_host is not None
                else:
                    keep = await self._serve_one(client, relay, head, aws_host)
        except HttpError as error:
            await _answer(client, Refusal(error.status, "BadRequest", str(error)).plain())
        except (TruncatedError, NoAnswerError, TimeoutError, OSError) as error:
            # Whoever is left is to see that something is missing, not an orderly end.
            log.debug("a connection ended early: %s", error)
            _reset(client)
        finally:
            relay.close()
            client.writer.close()

    async def _serve_one(
        self, client: Connection, relay: ServerRelay, head: RequestHead, aws_host: str | None
    ) -> bool:
        """Answer one request; True if the connection can carry another.

        `aws_host` is whom the connection was made for, where a CONNECT said so.
        """
        if head.target.startswith("/") or head.target == "*":
            return await self._to_server(client, relay, head, head.raw, aws_host)
        url = _split(head.target)
        if url.scheme not in {"http", "https"} or not url.hostname or aws_host not in {None, url.hostname}:
            raise HttpError(f"the request target {head.target[:200]!r} is no path and no http:// URL")
        path = head.target[len(f"{url.scheme}://{url.netloc}") :]
        sent_head = head.readdressed(path if path.startswith("/") else f"/{path}")
        if is_aws_host(url.hostname):
            return await self._to_server(client, relay, head, sent_head, url.hostname)
        return await self._to_outside(client, head, url.hostname, url.port or 80, sent_head)

    # To the server

    async def _to_server(
        self, client: Connection, relay: ServerRelay, head: RequestHead, sent_head: bytes, host: str | None
    ) -> bool:
        refusal = self._refusal_of(host or _host_of(head), addressed=host is not None)
        if refusal is None:
            try:
                return await relay.serve(head, sent_head)
            except ServerAwayError as error:
                log.warning("%s", error)
                refusal = Refusal(503, "ServiceUnavailable", str(error))
        await _answer(client, refusal.answer(head))
        return False

    def _refusal_of(self, host: str, *, addressed: bool) -> Refusal | None:
        """Say why the server is not to see a request for `host`.

        `addressed` tells whether the host is what the connection was made for; else it is only what a
        Host field says, which a page in a browser can choose freely.
        """
        service = service_of(host)
        if service is None:
            if addressed or is_loopback(host):
                return None
            return Refusal(400, "InvalidHost", f"{host!r} is no host of this proxy: address it as {_ADDRESS}")
        if service in SERVICES:
            return None
        if host not in self._refused:
            self._refused.add(host)
            log.warning("refused %s: Wildsage has no service %r, and sends nothing outside", host, service)
        return Refusal(
            400,
            "ServiceNotImplemented",
            f"Wildsage does not have the AWS service {service!r} ({host}), and lets no request to AWS leave"
            f" this machine. It has: {', '.join(sorted(SERVICES))}",
        )

    # Elsewhere

    async def _serve_connect(self, client: Connection, head: RequestHead) -> str | None:
        """Open a tunnel and serve it to its end; where it leads to an AWS host, end it here.

        Returns that host: its requests follow on the connection. None where there is nothing to follow.
        """
        host, port = _authority_of(head)
        if is_aws_host(host):
            return await self._terminate(client, host, plain=port == 80)
        try:
            _check_metadata(host)
            server = Connection(*await self._outbound.tunnel(host, port))
        except OutboundError as error:
            log.warning("%s", error)
            await _answer(client, Refusal(error.status, "", str(error)).plain())
            return None
        try:
            client.writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await pipe(client, server)
        finally:
            server.writer.close()
        return None

    async def _terminate(self, client: Connection, host: str, *, plain: bool) -> str | None:
        client.writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await client.writer.drain()
        if plain:
            return host
        try:
            await _start_tls(client, self._authority.context_for(host))
        except OSError as error:
            # One that only went away, at the end of its program perhaps, has no quarrel with the certificate.
            level = logging.WARNING if isinstance(error, ssl.SSLError) else logging.DEBUG
            log.log(
                level,
                "a client of %s broke off the TLS handshake (%s): does it trust the bundle in AWS_CA_BUNDLE?",
                host,
                error,
            )
            client.writer.transport.abort()
            return None
        return host

    async def _to_outside(
        self, client: Connection, head: RequestHead, host: str, port: int, sent_head: bytes
    ) -> bool:
        try:
            _check_metadata(host)
            proxy = self._outbound.proxy_for("http", host)
            if proxy is None:
                server = Connection(*await connect(host, port))
            else:
                server = Connection(*await self._outbound.connect_to(proxy))
                sent_head = head.readdressed(head.target, proxy.authorization)
        except OutboundError as error:
            log.warning("%s", error)
            await _answer(client, Refusal(error.status, "", str(error)).plain())
            return False
        try:
            return await exchange(client, server, head, sent_head, head.framing())
        except NoAnswerError:
            message = f"{host}:{port} ended the connection without an answer"
            await _answer(client, Refusal(502, "", message).plain())
            return False
        finally:
            server.writer.close()


async def _start_tls(client: Connection, context: ssl.SSLContext) -> None:
    """Go on inside TLS, as its server, on a connection whose plain part is over."""
    loop = asyncio.get_running_loop()
    reader = StreamReader(limit=STREAM_LIMIT, loop=loop)
    protocol = StreamReaderProtocol(reader, loop=loop)
    transport = await loop.start_tls(
        client.writer.transport,
        protocol,
        context,
        server_side=True,
        ssl_handshake_timeout=_HANDSHAKE_SECONDS,
        ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    if transport is None:
        raise ConnectionResetError("the client went away")
    protocol.connection_made(transport)
    client.reader, client.writer = reader, StreamWriter(transport, protocol, reader, loop)


async def _answer(client: Connection, response: bytes) -> None:
    client.writer.write(response)
    with contextlib.suppress(OSError):
        await client.writer.drain()


def _reset(client: Connection) -> None:
    """End a connection so that the client sees an error, and not the orderly end of an answer."""
    sock = client.writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    client.writer.transport.abort()


def _check_metadata(host: str) -> None:
    if is_metadata_address(host):
        raise OutboundError(f"{host} is the address of a metadata service, which does not exist here", 403)


def _authority_of(head: RequestHead) -> tuple[str, int]:
    url = _split(f"//{head.target}")
    if not url.hostname or url.port is None or url.path or "@" in head.target:
        raise HttpError(f"CONNECT needs host:port, not {head.target[:200]!r}")
    return normalized(url.hostname), url.port


def _host_of(head: RequestHead) -> str:
    return _split(f"//{head.get('host')}").hostname or ""


def _split(url: str) -> Any:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise HttpError(f"not a host or URL: {url[:200]!r} ({error})") from error
    return parts
