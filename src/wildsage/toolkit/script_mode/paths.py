"""Where the container contract puts things."""

import os
from pathlib import Path

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
