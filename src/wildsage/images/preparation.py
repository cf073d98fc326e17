"""Make an image ready to run, and say in the log of whoever waits for it what is being done."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from wildsage.core.clock import Clock
from wildsage.images.builds import BuildFailedError, OnLine
from wildsage.images.catalogue import ResolvedImage
from wildsage.images.environments import Environments, LayerBuildError
from wildsage.images.kernels import Kernels
from wildsage.images.layers import Layer
from wildsage.images.requirements import NONE, Requirements
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
        return not image.notice and image.is_tried and self._is_built(image)

    def _is_built(self, image: ResolvedImage) -> bool:
        """Tell whether the environment or the kernels are there; whoever asks is about to run it."""
        needed = image.environment or image.kernels
        if needed is None:
            return True
        self._environments.mark_used(needed)
        return self._environments.is_ready(needed)

    def outfitted(self, image: ResolvedImage, requirements: Requirements) -> ResolvedImage:
        """Return the image with what is there of a job's requirements; for the rest pip runs in the job."""
        layer = _layer(image, requirements)
        if layer is not None and self._environments.is_ready(layer):
            self._environments.mark_used(layer)
            return image.on_layer(self._environments.layer_path(layer))
        file = requirements.entrypoint_file
        return image.installing_first(file) if file else image

    async def prepare(
        self,
        image: ResolvedImage,
        stream: LogStream,
        before_build: BeforeBuild | None = None,
        requirements: Requirements = NONE,
    ) -> None:
        """Say what the image promises, and build what is not there yet: environment, kernels, packages.

        Parameters
        ----------
        before_build
            Awaited before a build, which may take minutes.
        requirements
            What the job's code asks for. Where a layer of it cannot be made, the log says why; that is no error.

        Raises
        ------
        wildsage.images.environments.EnvironmentBuildError
            If the environment cannot be built; its lines are in the log.
        wildsage.images.catalogue.UnknownImageError
            If it is an image of a container engine that does not work.
        """
        if not image.is_tried:
            await asyncio.to_thread(image.try_engine)
        if image.notice and not stream.path.exists():
            await self._say(stream, image.notice)
            if requirements.reason:
                await self._say(
                    stream,
                    f"pip installs the requirements in this job, anew each time: {requirements.reason}.",
                )
        layer = _layer(image, requirements)
        if self._is_built(image) and (layer is None or self._environments.is_ready(layer)):
            return
        if before_build is not None:
            await before_build()
        async with self._lines(stream) as write:
            if image.environment is not None:
                await self._environments.prepare(image.environment, write)
            if image.kernels is not None:
                await self._prepare_kernels(image.kernels, write)
            if layer is not None:
                await self._prepare_layer(layer, write)

    async def _prepare_layer(self, layer: Layer, write: OnLine) -> None:
        try:
            await self._environments.prepare_layer(layer, write)
        except LayerBuildError as error:
            write(
                f"These requirements cannot be kept for later jobs ({error}): pip installs them in this job."
            )

    async def _prepare_kernels(self, kernels: Kernels, write: OnLine) -> None:
        try:
            await self._environments.prepare_kernels(kernels, write)
        except BuildFailedError as error:
            write(f"The {kernels.name} could not be made beforehand ({error}): the job compiles it.")

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


def _layer(image: ResolvedImage, requirements: Requirements) -> Layer | None:
    if image.environment is None or not requirements.lines:
        return None
    return Layer(image.environment, requirements.lines)
