"""Log lines as the built-in algorithms write them: ``[MM/DD/YYYY HH:MM:SS LEVEL thread] message``."""

import logging
import sys
from typing import TextIO

LOGGER = logging.getLogger("wildsage.container")
PLAIN = logging.getLogger("wildsage.container.plain")
"""Lines that a library's users know without a time in front."""


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send the container's log to the standard output, which the platform keeps."""
    forms = {
        LOGGER: logging.Formatter(
            "[%(asctime)s %(levelname)s %(threadName)s] %(message)s", "%m/%d/%Y %H:%M:%S"
        ),
        PLAIN: logging.Formatter("%(message)s"),
    }
    for logger, form in forms.items():
        handler = logging.StreamHandler(stream or sys.stdout)
        handler.setFormatter(form)
        logger.handlers = [handler]
        logger.setLevel(level.upper())
        logger.propagate = False
