"""Asks the search library, in a thread of its own: the event loop goes on, and what the library loads comes late."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from wildsage.tuning.question import Question

Ask = Callable[[], Question]
"""Makes a question of what does not change any more. It is called in the thread: of thousands of trials that takes a while."""


class Searching:
    """The one thread that searches. Questions are answered in their order."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="search")

    async def suggest(self, ask: Ask, count: int) -> list[dict[str, str]]:
        """Return the next points; fewer where there is nothing left to try."""
        found: list[dict[str, str]] = await self._answer("suggest", ask, count)
        return found

    async def to_stop(self, ask: Ask) -> list[int]:
        """Return the indices of running trials that are not worth going on."""
        found: list[int] = await self._answer("to_stop", ask)
        return found

    async def has_converged(self, ask: Ask) -> bool:
        """Whether less than 1 % is expected to be gained."""
        found: bool = await self._answer("has_converged", ask)
        return found

    def close(self) -> None:
        """End the thread; questions that were not begun are dropped."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, name: str, ask: Ask, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, _answer, name, ask, *arguments)


def _answer(name: str, ask: Ask, *arguments: Any) -> Any:
    # numpy takes a tenth of a second to load: no start waits for it.
    return getattr(import_module("wildsage.tuning.answers"), name)(ask(), *arguments)
