"""Asks the search library, in a thread of its own: the event loop goes on, and what the library loads comes late."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from wildsage.tuning.question import Question


class Searching:
    """The one thread that searches. Questions are answered in their order."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="search")

    async def suggest(self, question: Question, count: int) -> list[dict[str, str]]:
        """Return the next points; fewer where there is nothing left to try."""
        found: list[dict[str, str]] = await self._ask("suggest", question, count)
        return found

    async def to_stop(self, question: Question) -> list[int]:
        """Return the indices of running trials that are not worth going on."""
        found: list[int] = await self._ask("to_stop", question)
        return found

    async def has_converged(self, question: Question) -> bool:
        """Whether less than 1 % is expected to be gained."""
        found: bool = await self._ask("has_converged", question)
        return found

    def close(self) -> None:
        """End the thread; questions that were not begun are dropped."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, name: str, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, _answer, name, *arguments)


def _answer(name: str, *arguments: Any) -> Any:
    # numpy takes a tenth of a second to load: no start waits for it.
    return getattr(import_module("wildsage.tuning.answers"), name)(*arguments)
