"""Where the container contract puts things."""

import os
from pathlib import Path

LAYER_VARIABLE = "WILDSAGE_LAYER"
"""Names the folder of the layer that was made for the job's requirements."""

REQUIREMENTS_VARIABLE = "WILDSAGE_REQUIREMENTS"
"""Names the file that an entrypoint is going to install: it is installed before it, so that a failure is told."""

DRIVERS_FOLDER = "/opt/ml/input/data/sm_drivers/"
"""Where SDK v3 puts what its entrypoint runs."""

_LITERAL = "/opt/ml"


def base_folder() -> Path:
    """Return ``/opt/ml``, or what stands in for it on a machine without a sandbox."""
    return Path(os.environ.get("SAGEMAKER_BASE_DIR") or _LITERAL)


def located(path: str) -> Path:
    """Return the place of a path that was written with a literal ``/opt/ml``."""
    if path == _LITERAL or path.startswith(_LITERAL + "/"):
        return base_folder() / path[len(_LITERAL) :].lstrip("/")
    return Path(path)


def code_folder() -> Path:
    """Return the folder the user's code runs in."""
    return base_folder() / "code"


def layer_folder() -> Path | None:
    """Return the layer that was made for this job's requirements, if there is one."""
    path = os.environ.get(LAYER_VARIABLE)
    return Path(path) if path else None
