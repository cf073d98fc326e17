"""A module beside the script: it comes along with ``include_local_workdir``."""

import numpy as np


def measure(values: np.ndarray, scale: float) -> np.ndarray:
    """Return the values on another scale."""
    return values * scale
