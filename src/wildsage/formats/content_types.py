"""Media types of requests and channels, and the choice of a response type.

Nobody else takes a content type apart. What reads a type is in `wildsage.formats.codecs`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

CSV: Final = "text/csv"
LIBSVM: Final = "text/libsvm"
JSON: Final = "application/json"
JSON_LINES: Final = "application/jsonlines"
RECORDIO_PROTOBUF: Final = "application/x-recordio-protobuf"
PARQUET: Final = "application/x-parquet"
RECORDIO: Final = "application/x-recordio"
IMAGE: Final = "application/x-image"
JPEG: Final = "image/jpeg"
PNG: Final = "image/png"


@dataclass(frozen=True, slots=True)
class ContentType:
    """A media type in lower case and its parameters, e.g. ``text/csv; label_size=0``."""

    media_type: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "ContentType":
        """Split a header value or a channel's ``ContentType``.

        Raises
        ------
        ValueError
            If a parameter is not ``name=value``.
        """
        parameters = {}
        for part in text.split(";")[1:]:
            if not part.strip():
                continue
            name, equals, value = part.partition("=")
            if not equals or not name.strip():
                raise ValueError(f"{part.strip()!r} in content type {text!r} is not of the form name=value")
            parameters[name.strip().lower()] = value.strip().strip('"')
        return cls(media_type(text), parameters)

    def label_size(self, default: int) -> int:
        """Count of label columns in front of the features (``label_size``).

        Raises
        ------
        ValueError
            If it is not a whole number from 0.
        """
        text = self.parameters.get("label_size")
        if text is None:
            return default
        if not text.isdecimal():
            raise ValueError(f"label_size={text!r} is not a whole number from 0")
        return int(text)

    @property
    def charset(self) -> str:
        """Character encoding; the older spelling ``encoding`` counts too."""
        return self.parameters.get("charset") or self.parameters.get("encoding") or "utf-8"


def media_type(content_type: str) -> str:
    """Return a content type without its parameters, whatever they are."""
    return content_type.partition(";")[0].strip().lower()


def negotiate(accept: str | None, offered: Sequence[str], default: str) -> str | None:
    """Choose a response type for an Accept header.

    Parameters
    ----------
    accept
        The header: a list of media types with optional ``q`` weights. Absent, empty or ``*/*``: `default`.
    offered
        What the server can produce.

    Returns
    -------
    The best offered type, or None where the header allows none of them.
    """
    if accept is None or not accept.strip():
        return default
    wishes: list[tuple[float, int, str]] = []
    for order, part in enumerate(accept.split(",")):
        parameters = [piece.strip().lower() for piece in part.split(";")[1:]]
        wishes.append((-_weight(parameters), order, media_type(part)))
    for weight, _, wish in sorted(wishes):
        if weight == 0:
            continue
        if wish in offered:
            return wish
        if wish in {"*/*", "*"}:
            return default
        if wish.endswith("/*"):
            group = wish[:-1]
            candidates = [default, *offered]
            match = next((candidate for candidate in candidates if candidate.startswith(group)), None)
            if match:
                return match
    return None


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 1.0
    return 1.0
