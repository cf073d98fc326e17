"""``/health``: whether the server can do its work. For load balancers and scripts; nothing in it is secret."""

import asyncio
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from wildsage import __version__
from wildsage.aws.http import HttpRequest, HttpResponse
from wildsage.store.database import Database

LEAST_FREE_BYTES = 64 * 1024 * 1024
"""Below this a server that still answers soon will not."""


class Health:
    """Answers 200 while everything is well, else 503; the body says what is not.

    ``ready``: requests are taken and answered, until the server's end begins. ``writers``: the databases' writer
    threads live. ``disk_free_bytes``: of the file system that holds the data directory. ``broken_services``: those
    that cannot be loaded.

    Attributes
    ----------
    broken
        Returns the names of the services that cannot be loaded; none, until somebody loads them.
    """

    def __init__(self, folder: Path, databases: Sequence[Database]) -> None:
        self._folder = folder
        self._databases = databases
        self.broken: Callable[[], Sequence[str]] = list
        self.is_ready = True

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(405, [("allow", "GET, HEAD")])
        free = (await asyncio.to_thread(shutil.disk_usage, self._folder)).free
        writers = {database.path.stem: database.is_writing for database in self._databases}
        broken = self.broken()
        is_well = self.is_ready and all(writers.values()) and free >= LEAST_FREE_BYTES and not broken
        said = {
            "status": "ok" if is_well else "unwell",
            "ready": self.is_ready,
            "version": __version__,
            "writers": writers,
            "disk_free_bytes": free,
            "broken_services": list(broken),
        }
        headers = [("content-type", "application/json"), ("cache-control", "no-store")]
        return HttpResponse(200 if is_well else 503, headers, json.dumps(said).encode() + b"\n")
