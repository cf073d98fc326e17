"""Which AWS services there are. A service's modules are imported when it is first asked for: a start waits for none."""

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


class Services(Mapping[str, Mapping[str, Handler]]):
    """Every operation there is: by service, then by operation.

    Each service is made once, by whichever thread asks first.
    """

    def __init__(self, rooms: ServiceRooms) -> None:
        self._rooms = rooms
        self._made: dict[str, Mapping[str, Handler]] = {}
        self._making = Lock()

    def __getitem__(self, name: str) -> Mapping[str, Handler]:
        """Return a service's handlers.

        Raises
        ------
        KeyError
            If there is no such service.
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

    def load(self) -> None:
        """Make all of them, so that no request waits for it. For a thread."""
        for name in SERVICES:
            self[name]

    def _make(self, name: str) -> Mapping[str, Handler]:
        if name not in SERVICES:
            raise KeyError(name)
        with self._making:
            if name not in self._made:
                module = import_module(f"wildsage.services.{name.replace('-', '_')}.handlers")
                self._made[name] = module.handlers(self._rooms)
            return self._made[name]
