"""What a job's ``requirements.txt`` adds to the environment of its image, as a folder that is built once.

A layer is an overlay of the environment (`wildsage.toolkit.script_mode.overlay`) in which pip has installed the
requirements from wheels. A job puts its own overlay on top, so that pip in there finds everything installed.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wildsage.images.frameworks import EnvironmentSpec


@dataclass(frozen=True, slots=True)
class Layer:
    """Packages on top of an environment.

    Attributes
    ----------
    lines
        As `wildsage.toolkit.script_mode.requirements.plain_requirements` has them.
    """

    base: EnvironmentSpec
    lines: tuple[str, ...]

    @property
    def name(self) -> str:
        """As lists of what is in the cache show it."""
        return f"{self.base.name}+requirements"

    @property
    def key(self) -> str:
        """Name of its folder: other requirements, another environment or interpreter, another folder."""
        identity = "\n".join([self.base.key, *self.lines])
        return f"{self.name}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a job reads of it to know that it has nothing to install."""
        return {"requirements": list(self.lines)}
