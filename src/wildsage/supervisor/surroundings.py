"""What a run finds beside itself on this machine: the network of its peers, a proxy of its own."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class HostProxyCommand:
    """How the proxy that answers AWS's own host names is started.

    Attributes
    ----------
    argv
        The number of the descriptor that listens follows it.
    bundle
        A file of this machine: whom a client of the proxy trusts.
    schemes
        Of URLs that are asked of it: ``HTTPS``, and where this machine itself needs a proxy for it ``HTTP``.
    """

    argv: tuple[str, ...]
    bundle: str
    schemes: tuple[str, ...]

    @classmethod
    def from_fields(cls, fields: dict[str, Any] | None) -> "HostProxyCommand | None":
        """Make it of what JSON made of it; a job file of an earlier release has none."""
        if fields is None:
            return None
        return cls(tuple(fields["argv"]), fields["bundle"], tuple(fields["schemes"]))


@dataclass(frozen=True, slots=True)
class NetworkPlace:
    """Where the hosts of an isolated job find the network that they share: in the folder of the first one's run."""

    folder: str
    hosts: int
