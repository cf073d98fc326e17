"""Which AWS services there are. A service's modules are imported when it is first asked for: a start waits for none."""

import logging
from collections.abc import Iterator, Mapping
from importlib import import_module
from threading import Lock
from typing import Final

from wildsage.services.operation import Handler
from wildsage.services.rooms import ServiceRooms

SERVICES: Final = (
    "sagemaker",
    "s3",
    "sts",
    "logs",
    "sagemaker-runtime",
    "iam",
    "ecr",
    "cloudwatch",
    "events",
    "application-autoscaling",
)
"""As botocore names them, the first that clients ask for first. Each has ``services/<name>/handlers.py``."""


_log = logging.getLogger(__name__)


class BrokenServiceError(Exception):
    """A service cannot be made; the cause is what its modules raised."""


class Services(Mapping[str, Mapping[str, Handler]]):
    """Every operation there is: by service, then by operation.

    Each service is made once, by whichever thread asks first.
    """

    def __init__(self, rooms: ServiceRooms) -> None:
        self._rooms = rooms
        self._made: dict[str, Mapping[str, Handler]] = {}
        self._broken: set[str] = set()
        self._making = Lock()

    def __getitem__(self, name: str) -> Mapping[str, Handler]:
        """Return a service's handlers.

        Raises
        ------
        KeyError
            If there is no such service.
        BrokenServiceError
            If it cannot be made. Whoever asks next tries again.
        """
        made = self._made.get(name)
        return self._make(name) if made is None else made

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names; makes nothing."""
        return iter(SERVICES)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(SERVICES)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a service; makes nothing."""
        return name in SERVICES

    @property
    def broken(self) -> list[str]:
        """The services that could not be made when they were last asked for."""
        return sorted(self._broken)

    def load(self) -> None:
        """Make all of them, so that no request waits for it; one that is broken is logged. For a thread."""
        for name in SERVICES:
            try:
                self[name]
            except BrokenServiceError:
                _log.exception("requests for %s will fail", name)

    def _make(self, name: str) -> Mapping[str, Handler]:
        if name not in SERVICES:
            raise KeyError(name)
        with self._making:
            if name not in self._made:
                self._made[name] = self._load(name)
            return self._made[name]

    def _load(self, name: str) -> Mapping[str, Handler]:
        try:
            module = import_module(f"wildsage.services.{name.replace('-', '_')}.handlers")
            made: Mapping[str, Handler] = module.handlers(self._rooms)
        except Exception as error:
            # Whatever it is, it must not look like a service that is not there (a KeyError), nor be forgotten.
            self._broken.add(name)
            raise BrokenServiceError(f"the service {name} cannot be loaded") from error
        self._broken.discard(name)
        return made
