"""The door of a server: open from its first moment, while what is behind it still comes up."""

import asyncio
from collections.abc import Mapping

from wildsage.aws.connection import Answer
from wildsage.aws.http import HttpRequest, HttpResponse


class Entrance:
    """Answers what can be answered at once, and lets every other request wait until the gateway is there.

    For one event loop.

    Parameters
    ----------
    at_once
        By path: what needs no gateway.
    """

    def __init__(self, at_once: Mapping[str, Answer]) -> None:
        self._at_once = at_once
        self._gateway: Answer | None = None
        self._opened = asyncio.Event()

    def open(self, gateway: Answer) -> None:
        """Have the gateway answer everything from now on, whoever waits first."""
        self._gateway = gateway
        self._opened.set()

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        while self._gateway is None:
            answer = self._at_once.get(request.path)
            if answer is not None:
                return await answer(request)
            await self._opened.wait()
        return await self._gateway(request)
