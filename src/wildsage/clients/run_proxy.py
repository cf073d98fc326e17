"""The proxy of one run: what a job's supervisor starts when a client in the container names an AWS host.

It serves a socket that the supervisor listens on, and ends when its input does.
"""

import asyncio
import logging
import os
import socket
import sys
from pathlib import Path

from wildsage.clients.authority import Authority
from wildsage.clients.discovery import ServerInfo, start_command
from wildsage.clients.outbound import Outbound
from wildsage.clients.proxy import Proxy
from wildsage.clients.server_link import ServerLink
from wildsage.clients.trust import write_bundle
from wildsage.core.clock import SystemClock
from wildsage.store.layout import Layout


def main(root: str, endpoint_url: str, descriptor: str) -> int:
    """Serve until the input ends."""
    layout = Layout(Path(root))
    server = ServerInfo(endpoint_url, 0, "", "")
    clock = SystemClock()
    link = ServerLink(lambda: server, start_command(layout), clock)
    authority = Authority(layout.authority, clock)
    bundle = write_bundle(os.environ, authority.certificate, layout.clients)
    proxy = Proxy(link, authority, Outbound.from_environment(os.environ, bundle))
    asyncio.run(_serve(proxy, socket.socket(fileno=int(descriptor))))
    return 0


async def _serve(proxy: Proxy, listener: socket.socket) -> None:
    await proxy.serve_on(listener)
    end = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), end.set)
    await end.wait()
    await proxy.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    sys.exit(main(*sys.argv[1:]))
