"""Images of container engines (podman, docker): what is known of one, and how its engine is called here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class EngineError(Exception):
    """An engine does not do what it is asked for. The text is what it says."""


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image that an engine has, as its configuration says.

    Attributes
    ----------
    id
        Of its content: another image under the same name has another one.
    user
        Empty: root.
    """

    id: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = "/"
    user: str = ""


@dataclass(frozen=True, slots=True)
class Calling:
    """How a container engine wants to be called on this machine, as it was found by trying.

    Attributes
    ----------
    engine, run
        Arguments before ``run`` and behind it.
    network
        Of a container with a network of its own: empty is the engine's usual one, ``none`` has no way out.
    user
        ``UID:GID`` of the container's processes; empty: as the image says.
    limits
        Which mechanism holds each limit, or why none does.
    """

    engine: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    network: str = ""
    user: str = ""
    limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EngineImage:
    """An image of a container engine: the container has its files instead of this machine's system folders.

    Attributes
    ----------
    engine
        Whose it is.
    reference
        Its id, which is never another image's.
    user
        Whom it wants its processes to be; empty: root.
    """

    engine: str
    reference: str
    calling: Calling
    user: str = ""

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> "EngineImage":
        """Make it of what JSON made of it."""
        called = fields["calling"]
        calling = Calling(**{**called, "engine": tuple(called["engine"]), "run": tuple(called["run"])})
        return cls(**{**fields, "calling": calling})
