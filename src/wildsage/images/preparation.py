"""Make an image ready to run, and say in the log of whoever waits for it what is being done."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from wildsage.core.clock import Clock
from wildsage.images.catalogue import ResolvedImage
from wildsage.images.environments import Environments
from wildsage.store.logs import LogStream, LogStreams

BeforeBuild = Callable[[], Awaitable[None]]


class ImagePreparation:
    """Prepares images for jobs and endpoints."""

    def __init__(self, environments: Environments, logs: LogStreams, clock: Clock) -> None:
        self._environments = environments
        self._logs = logs
        self._clock = clock

    def is_ready(self, image: ResolvedImage) -> bool:
        """Tell whether there is nothing to build for an image, and nothing to say of it."""
        return not image.notice and self._is_built(image)

    def _is_built(self, image: ResolvedImage) -> bool:
        """Tell whether the environment is there; whoever asks is about to run it."""
        if image.environment is None:
            return True
        self._environments.mark_used(image.environment)
        return self._environments.is_ready(image.environment)

    async def prepare(
        self, image: ResolvedImage, stream: LogStream, before_build: BeforeBuild | None = None
    ) -> None:
        """Say what the image promises, and build its environment where it is not there yet.

        Parameters
        ----------
        before_build
            Awaited before a build, which may take minutes.

        Raises
        ------
        wildsage.images.environments.EnvironmentBuildError
            If the environment cannot be built; its lines are in the log.
        """
        if image.notice and not stream.path.exists():
            await self._say(stream, image.notice)
        if image.environment is None or self._is_built(image):
            return
        if before_build is not None:
            await before_build()
        async with self._lines(stream) as write:
            await self._environments.prepare(image.environment, write)

    @contextlib.asynccontextmanager
    async def _lines(self, stream: LogStream) -> AsyncIterator[Callable[[str], None]]:
        """Yield what takes lines for the log; at the end of the block all of them are there, in order."""
        lines: asyncio.Queue[str | None] = asyncio.Queue()

        async def drain() -> None:
            while (line := await lines.get()) is not None:
                await self._say(stream, line)

        draining = asyncio.create_task(drain())
        try:
            yield lines.put_nowait
        finally:
            lines.put_nowait(None)
            await draining

    async def _say(self, stream: LogStream, line: str) -> None:
        now = self._clock.now()
        await self._logs.append(stream, [(int(now * 1000), line)], now)
