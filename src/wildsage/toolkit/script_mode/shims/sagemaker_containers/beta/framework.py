"""What scripts with serving functions of their own use: content types, encoders and ``worker.Response``."""

import importlib
from types import SimpleNamespace
from typing import Any

load_codecs = importlib.import_module("wildsage_codecs").load_codecs

_codecs = load_codecs()

content_types = SimpleNamespace(
    JSON=_codecs.JSON, CSV=_codecs.CSV, NPY=_codecs.NPY, ANY="*/*", UTF8_TYPES=sorted(_codecs.TEXT_TYPES)
)


def _decoder(content_type: str) -> Any:
    return lambda content, _dtype=None: _codecs.decode(content, content_type)


def _encoder(content_type: str) -> Any:
    binary = content_type == _codecs.NPY
    return lambda value: _codecs.encode(value, content_type) if binary else _text(value, content_type)


def _text(value: Any, content_type: str) -> str:
    return str(_codecs.encode(value, content_type).decode())


def _encode(value: Any, content_type: str) -> Any:
    return _encoder(_codecs.media_type(content_type))(value)


encoders = SimpleNamespace(
    encode=_encode,
    decode=_codecs.decode,
    array_to_json=_encoder(_codecs.JSON),
    array_to_csv=_encoder(_codecs.CSV),
    array_to_npy=_encoder(_codecs.NPY),
    json_to_numpy=_decoder(_codecs.JSON),
    csv_to_numpy=_decoder(_codecs.CSV),
    npy_to_numpy=_decoder(_codecs.NPY),
)


class Response:
    """What ``output_fn`` may return: a body with its content type and status."""

    def __init__(
        self,
        response: str | bytes = b"",
        accept: str | None = None,
        status: int = 200,
        headers: Any = None,  # noqa: ARG002 - taken, as the original does, and not sent on
        mimetype: str | None = None,
    ) -> None:
        self._body = response.encode() if isinstance(response, str) else bytes(response)
        self.status_code = status
        self.mimetype = mimetype or accept or _codecs.JSON

    def get_data(self) -> bytes:
        """Return the body."""
        return self._body


worker = SimpleNamespace(Response=Response)
# Imported by the published examples, and not used in them.
env = SimpleNamespace()
modules = SimpleNamespace()
transformer = SimpleNamespace()
