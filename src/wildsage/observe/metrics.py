"""``/metrics``: every instrument of the server, for Prometheus.

Names of endpoints and error rates are nobody else's business, and a scraper signs nothing: so it answers only to a
peer on this machine that also says so in its Host header (a web page that a browser shows under a foreign name
cannot read it). Whoever wants to scrape from elsewhere puts a proxy with a password in front.
"""

import asyncio
import ipaddress
from collections.abc import Callable

from wildsage.aws.http import HttpRequest, HttpResponse
from wildsage.core.instruments import Instruments
from wildsage.formats.exposition import CONTENT_TYPE, render


class Metrics:
    """Answers a scrape.

    Parameters
    ----------
    before
        Called before each collection, in the event loop: forgets what is gone.
    """

    def __init__(self, instruments: Instruments, before: Callable[[], None] = lambda: None) -> None:
        self._instruments = instruments
        self._before = before

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(405, [("allow", "GET, HEAD")])
        if not is_local(request):
            return HttpResponse(
                403,
                [("content-type", "text/plain")],
                b"Metrics are shown on this machine only, as http://127.0.0.1.\n",
            )
        self._before()
        text = render(await asyncio.to_thread(self._instruments.collect))
        return HttpResponse(200, [("content-type", CONTENT_TYPE), ("cache-control", "no-store")], text)


def is_local(request: HttpRequest) -> bool:
    """Whether a request comes from this machine and was meant for it."""
    host = request.headers.get("host")
    name = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    return _is_loopback(request.peer) and (name == "localhost" or _is_loopback(name))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
