"""How long a client waits for a server that is away."""

import asyncio
import itertools

import pytest

from wildsage.clients.server_link import ServerAwayError, ServerLink


class Ticking:
    """A clock on which five seconds pass between two looks."""

    def __init__(self):
        self._ticks = itertools.count(0.0, 5.0)

    def monotonic(self):
        return next(self._ticks)


def test_the_patience_is_not_spent_again_by_every_repeat():
    looks = []
    link = ServerLink(lambda: looks.append(1), "wildsage up -d", Ticking(), patience=10.0)

    def looks_until_it_gives_up():
        looks.clear()
        with pytest.raises(ServerAwayError, match=r"none came within 10 s\. Start it with: wildsage up -d"):
            asyncio.run(link.connect())
        return len(looks)

    assert [looks_until_it_gives_up() for _ in range(3)] == [3, 1, 1]
