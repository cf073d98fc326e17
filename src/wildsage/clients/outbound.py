"""The way out to hosts that are not AWS's: straight, or through the proxy that the user had before."""

import asyncio
import base64
import contextlib
import ipaddress
import socket
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from wildsage.clients.hosts import is_metadata_address, normalized
from wildsage.clients.http1 import HttpError, TruncatedError, read_response_head
from wildsage.clients.streams import open_stream

_CONNECT_SECONDS = 30.0
Scheme = Literal["http", "https"]


class OutboundError(Exception):
    """A host cannot be reached. The text names it and says why."""

    def __init__(self, message: str, status: int = 502) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class ParentProxy:
    """A forward proxy that stood in the user's environment."""

    scheme: str
    host: str
    port: int
    authorization: str | None = None

    @classmethod
    def parse(cls, text: str) -> "ParentProxy":
        """Read ``http://user:password@host:port``; the scheme may be absent."""
        parts = urlsplit(text if "://" in text else f"http://{text}")
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.scheme, parts.hostname or "", port, authorization)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Outbound:
    """How connections leave this machine, as the user's environment says.

    Attributes
    ----------
    proxies
        By the scheme of what is asked for.
    bypass
        Hosts that are reached straight, in the form of ``NO_PROXY``.
    bundle
        Whom to trust where the parent proxy itself is reached by TLS.
    """

    proxies: Mapping[str, ParentProxy]
    bypass: str = ""
    bundle: Path | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], bundle: Path | None = None) -> "Outbound":
        """Read HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; lower case wins, as in curl."""

        def value(name: str) -> str:
            return environ.get(name.lower()) or environ.get(name) or ""

        proxies = {
            scheme: ParentProxy.parse(text)
            for scheme in ("http", "https")
            if (text := value(f"{scheme.upper()}_PROXY") or value("ALL_PROXY"))
        }
        return cls(proxies, value("NO_PROXY"), bundle)

    def proxy_for(self, scheme: Scheme, host: str) -> ParentProxy | None:
        """Return the proxy that leads to a host; None for the straight way."""
        proxy = self.proxies.get(scheme)
        if proxy is None or self._bypasses(host):
            return None
        if proxy.scheme not in {"http", "https"}:
            raise OutboundError(
                f"{host} would be reached through {proxy}, and a {proxy.scheme} proxy cannot be chained:"
                " set HTTPS_PROXY and HTTP_PROXY to an http:// proxy, or unset them"
            )
        return proxy

    async def tunnel(self, host: str, port: int) -> tuple[StreamReader, StreamWriter]:
        """Open a connection to a host through which anything can be sent.

        Raises
        ------
        OutboundError
            If the host or the proxy before it refuses or does not answer.
        """
        proxy = self.proxy_for("https", host)
        if proxy is None:
            return await connect(host, port)
        reader, writer = await self.connect_to(proxy)
        await _ask_for_tunnel(proxy, host, port, reader, writer)
        return reader, writer

    async def connect_to(self, proxy: ParentProxy) -> tuple[StreamReader, StreamWriter]:
        """Open a connection to the parent proxy itself."""
        context = None
        if proxy.scheme == "https":
            context = ssl.create_default_context(cafile=self.bundle)
        return await _open(proxy.host, proxy.port, f"the proxy {proxy}", context)

    def _bypasses(self, host: str) -> bool:
        name = normalized(host)
        return any(_matches(item.strip().lower(), name) for item in self.bypass.split(","))


async def connect(host: str, port: int) -> tuple[StreamReader, StreamWriter]:
    """Open a connection to a host straight, unless its name leads to a metadata service.

    Raises
    ------
    OutboundError
        If it is refused, unknown or silent.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutboundError(f"{host} cannot be resolved: {error}") from error
    # The addresses that were looked at are the ones connected to: a second look-up could say another.
    addresses = list(dict.fromkeys(entry[4][0] for entry in found))
    if any(is_metadata_address(str(address)) for address in addresses):
        raise OutboundError(f"{host} is the address of a metadata service, which does not exist here", 403)
    problem = OutboundError(f"{host} has no address")
    for address in addresses:
        try:
            return await _open(str(address), port, f"{host}:{port}")
        except OutboundError as error:
            problem = error
    raise problem


async def _open(
    host: str, port: int, what: str, context: ssl.SSLContext | None = None
) -> tuple[StreamReader, StreamWriter]:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            return await open_stream(host, port, context)
    except TimeoutError as error:
        raise OutboundError(f"{what} did not answer within {_CONNECT_SECONDS:.0f} s", 504) from error
    except OSError as error:
        raise OutboundError(f"{what} cannot be reached: {error}") from error


async def _ask_for_tunnel(
    proxy: ParentProxy, host: str, port: int, reader: StreamReader, writer: StreamWriter
) -> None:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            answer = await read_response_head(reader)
    except (OSError, TimeoutError, HttpError, TruncatedError) as error:
        writer.close()
        raise OutboundError(f"the proxy {proxy} opened no tunnel to {authority}: {error}") from error
    if answer.status != 200:
        writer.close()
        said = " ".join(answer.first[1:])
        raise OutboundError(f"the proxy {proxy} refuses a tunnel to {authority}: {said}")


def _matches(item: str, name: str) -> bool:
    """Tell whether one item of ``NO_PROXY`` means a host: ``*``, a name and all below it, or a network."""
    if item == "*":
        return True
    suffix = item.removeprefix("*").removeprefix(".")
    if not suffix:
        return False
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name) in ipaddress.ip_network(suffix, strict=False)
    return name == suffix or name.endswith(f".{suffix}")
