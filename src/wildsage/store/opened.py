"""A data directory that is open: its databases, its objects and its owner's key. Whatever refuses to open, refuses here."""

from contextlib import ExitStack
from typing import Self

from wildsage.store.access_keys import open_owner_key
from wildsage.store.database import Database
from wildsage.store.layout import Layout
from wildsage.store.objects import Objects


class OpenStore:
    """What a server's rooms read and write. The caller holds the data directory's lock.

    Parameters
    ----------
    account
        12 digits, decided at the first start.

    Attributes
    ----------
    state
        Metadata; every acknowledged write survives a power cut.
    telemetry
        Logs and metrics.

    Raises
    ------
    OSError, RuntimeError, ValueError, sqlite3.Error
        If something is damaged, of a newer version, or cannot be read; nothing stays open.
    """

    def __init__(self, layout: Layout, account: str) -> None:
        with ExitStack() as opened:
            self.state = Database(layout.state_database, "state")
            opened.callback(self.state.close)
            self.telemetry = Database(layout.telemetry_database, "telemetry", durable=False)
            opened.callback(self.telemetry.close)
            self.objects = Objects(layout.objects)
            opened.callback(self.objects.close)
            self.owner = open_owner_key(layout.credentials, account)
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Finish what is being written, then let go of everything."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
