"""Where the data directory is and which server runs on it."""

import contextlib
import json
import os
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from wildsage.store.layout import Layout

HEALTH_PATH = "/_wildsage/health"
"""Where a server says that it answers requests."""

OWNER_PATH = "/_wildsage/owner"
"""Where a server answers what only its owner may ask: ``POST PATH/CALL``."""

_PROBE_SECONDS = 2.0


class ServerNotRunningError(Exception):
    """No server answers for a data directory. The text says how to start it."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a running server says of itself in `Layout.server`.

    Attributes
    ----------
    url
        Its address, e.g. ``http://127.0.0.1:8172``.
    """

    url: str
    pid: int
    account: str
    region: str

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `url`."""
        parts = urlsplit(self.url)
        return parts.hostname or "127.0.0.1", parts.port or 80


def default_data_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return ``$WILDSAGE_DATA_DIR``, else ``wildsage`` below the user's data home."""
    if environ.get("WILDSAGE_DATA_DIR"):
        return Path(environ["WILDSAGE_DATA_DIR"]).expanduser().absolute()
    home = environ.get("XDG_DATA_HOME")
    base = Path(home) if home else Path("~/.local/share").expanduser()
    return base.absolute() / "wildsage"


def read_server(layout: Layout) -> ServerInfo | None:
    """Return what the last server wrote of itself, running or not; None where there is nothing to read."""
    try:
        said = json.loads(layout.server.read_text())
        return ServerInfo(said["url"], int(said["pid"]), said["account"], said["region"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # A server that starts or stops this moment: the same as none.
        return None


def find_server(layout: Layout) -> ServerInfo:
    """Return the server that runs on a data directory.

    Raises
    ------
    ServerNotRunningError
        If nothing accepts connections at the address the directory names.
    """
    info = read_server(layout)
    if info is not None:
        with contextlib.suppress(OSError), socket.create_connection(info.address, _PROBE_SECONDS):
            return info
    raise ServerNotRunningError(
        f"no server is running on {layout.root}: start it with `{start_command(layout)}`"
    )


def start_command(layout: Layout) -> str:
    """Return the command that starts a server on a data directory."""
    if layout.root == default_data_dir():
        return "wildsage up -d"
    return f"wildsage up -d --data-dir {shlex.quote(str(layout.root))}"
