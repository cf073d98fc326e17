"""From what an image starts to what a supervisor runs."""

from collections.abc import Mapping

from wildsage.images.program import ImageProgram
from wildsage.supervisor.contract import Mount, Program


def program_of(image: ImageProgram, environment: Mapping[str, str]) -> Program:
    """Return the program of an image with the variables of its run on top of the image's own."""
    return Program(
        argv=tuple(image.argv),
        environment={**image.environment, **environment},
        mounts=tuple(Mount(source, target) for source, target in image.mounts),
        working_directory=image.working_directory,
        needs_opt_ml=image.needs_literal_opt_ml,
    )
