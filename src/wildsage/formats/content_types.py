"""Media types of requests and channels, and the choice of a response type.

Nobody else takes a content type apart. What reads a type is in `wildsage.formats.codecs`.
"""

import re
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

OTHER_NAMES: Final[Mapping[str, str]] = {
    "csv": CSV,
    "libsvm": LIBSVM,
    "text/x-libsvm": LIBSVM,
    "parquet": PARQUET,
    "x-application/vnd.amazon+parquet": PARQUET,
    "recordio-protobuf": RECORDIO_PROTOBUF,
    "image/jpg": JPEG,
}
"""Media types by other names that mean the same, XGBoost's short ones among them."""

_OF_CSV = frozenset({"label_size", "charset", "encoding"})
_PARAMETERS = re.compile(r';((?:"(?:\\.|[^"\\])*"|[^;])*)')


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
        for part in _PARAMETERS.findall(text):
            if not part.strip():
                continue
            name, equals, value = part.partition("=")
            if not equals or not name.strip():
                raise ValueError(f"{part.strip()!r} in content type {text!r} is not of the form name=value")
            parameters[name.strip().lower()] = _unquoted(value.strip())
        return cls(media_type(text), parameters)

    @property
    def format(self) -> str:
        """The media type by the first of its names: ``text/csv`` of ``csv``."""
        return OTHER_NAMES.get(self.media_type, self.media_type)

    @property
    def ignored(self) -> list[str]:
        """Names of the parameters that mean nothing in this format."""
        return [name for name in self.parameters if self.format != CSV or name not in _OF_CSV]

    def label_size(self, default: int) -> int:
        """Count of label columns in front of the features (``label_size``, a parameter of CSV only).

        Raises
        ------
        ValueError
            If it is not a whole number from 0.
        """
        text = self.parameters.get("label_size")
        if text is None or self.format != CSV:
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


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if quoted else value


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


def wished_parameters(accept: str, chosen: str) -> dict[str, str]:
    """Return the parameters, ``q`` aside, that an Accept header gives a type: ``verbose`` of ``…; verbose=true``."""
    found: dict[str, str] = {}
    for part in accept.split(","):
        if media_type(part) == chosen:
            for piece in part.split(";")[1:]:
                name, _, value = piece.partition("=")
                found[name.strip().lower()] = _unquoted(value.strip())
    found.pop("q", None)
    return found


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 1.0
    return 1.0
