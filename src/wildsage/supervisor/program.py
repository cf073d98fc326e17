"""From what an image starts to what a supervisor runs."""

from collections.abc import Mapping

from wildsage.images.pip_settings import PROXY_VARIABLES
from wildsage.images.program import ImageProgram
from wildsage.supervisor.contract import Mount, Program


def program_of(image: ImageProgram, environment: Mapping[str, str], *, has_proxy: bool = False) -> Program:
    """Return the program of an image with the variables of its run on top of the image's own.

    Parameters
    ----------
    has_proxy
        The container gets a proxy of its own, which knows this machine's: those variables are left out.
    """
    given = dict(image.environment)
    if has_proxy and image.engine_image is None:
        given = {name: value for name, value in given.items() if name.upper() not in PROXY_VARIABLES}
    return Program(
        argv=tuple(image.argv),
        environment={**given, **environment},
        mounts=tuple(Mount(source, target) for source, target in image.mounts),
        working_directory=image.working_directory,
        needs_opt_ml=image.needs_literal_opt_ml,
        image=image.engine_image,
        port=image.port,
    )
