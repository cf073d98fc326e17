"""Log lines as the built-in algorithms write them: ``[MM/DD/YYYY HH:MM:SS LEVEL thread] message``."""

import logging
import sys
from typing import TextIO

LOGGER = logging.getLogger("wildsage.container")


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send the container's log to the standard output, which the platform keeps."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        logging.Formatter("[%(asctime)s %(levelname)s %(threadName)s] %(message)s", "%m/%d/%Y %H:%M:%S")
    )
    LOGGER.handlers = [handler]
    LOGGER.setLevel(level.upper())
    LOGGER.propagate = False
