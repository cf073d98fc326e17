"""Images that a container engine of this machine has: what is asked of an engine, and how its images start."""

from collections.abc import Sequence
from typing import Protocol

from wildsage.core.engine_images import Calling, EngineError, EngineImage, LocalImage
from wildsage.images.program import SYSTEM_PATH, ImageProgram, Purpose

SERVING_PORT = 8080
"""Of every container that serves. SageMaker's; each has a network of its own."""


_SPOKEN = ("train", "serve")
"""What a container is told it is for; in a processing job it is told nothing."""


class ContainerEngine(Protocol):
    """podman or docker; made by `wildsage.compute.engine`."""

    @property
    def name(self) -> str:
        """The program's name."""
        ...

    @property
    def is_installed(self) -> bool:
        """Tell whether there is such a program."""
        ...

    def image(self, reference: str) -> LocalImage | None:
        """Return what it has under a name; None: nothing. No registry is asked."""
        ...

    def names(self) -> Sequence[str]:
        """Return the names of all images it has."""
        ...

    @property
    def is_tried(self) -> bool:
        """Tell whether it is known how it starts containers: else `calling` takes a second or two."""
        ...

    def calling(self) -> Calling:
        """Return how it starts containers here. Raises `wildsage.core.engine_images.EngineError`."""
        ...


def program(
    engine: ContainerEngine,
    image: LocalImage,
    purpose: Purpose,
    entrypoint: Sequence[str],
    arguments: Sequence[str],
) -> ImageProgram:
    """Return how a container of an image starts: as ``docker run IMAGE train`` (``serve``) does.

    For any other purpose, as ``docker run IMAGE`` does.

    Raises
    ------
    wildsage.core.engine_images.EngineError
        If its engine does not start containers, or it says nothing of what runs in it.
    """
    return ImageProgram(
        argv=_argv(image, purpose, entrypoint, arguments),
        environment={"PATH": SYSTEM_PATH, **image.environment},
        working_directory=image.working_directory,
        needs_literal_opt_ml=True,
        engine_image=EngineImage(engine.name, image.id, engine.calling(), image.user),
        port=SERVING_PORT if purpose == "serve" else None,
    )


def _argv(
    image: LocalImage, purpose: str, entrypoint: Sequence[str], arguments: Sequence[str]
) -> tuple[str, ...]:
    if entrypoint:
        return (*entrypoint, *arguments)
    if purpose in _SPOKEN:
        return (*image.entrypoint, purpose, *arguments)
    argv = (*image.entrypoint, *(arguments or image.command))
    if not argv:
        raise EngineError("it has neither ENTRYPOINT nor CMD: say with ContainerEntrypoint what runs in it")
    return argv


def what_engines_say(engines: Sequence[ContainerEngine], uri: str) -> str:
    """Say why no engine has an image, and what to do about it."""
    installed = [engine.name for engine in engines if engine.is_installed]
    if not installed:
        return (
            "No container engine is installed; with podman or docker any image that is on this machine runs"
            " (`wildsage doctor`)."
        )
    asked = " and ".join(installed)
    return (
        f"{asked}, asked for its local images, has none of this name: build it (`{installed[0]} build -t {uri} .`),"
        f" load it (`{installed[0]} load -i FILE`) or pull it (`{installed[0]} pull {uri}`); Wildsage itself never pulls."
        " `wildsage doctor` says whether the engines work."
    )
