"""What the TensorFlow Serving containers do: serve a SavedModel, with the forms of TensorFlow Serving's REST API.

``{"instances": […]}`` is answered with ``{"predictions": […]}``, ``{"inputs": …}`` with ``{"outputs": …}``; CSV and
plain JSON lists are instances. A script may change both ends with ``input_handler`` and ``output_handler``. There is
no TensorFlow Serving behind it: a script that calls one itself (``handler``, ``context.rest_uri``) is refused.
Source: https://github.com/aws/deep-learning-containers (TensorFlow inference), "RESTful API" of TensorFlow Serving.
"""

import importlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from wildsage.formats.content_types import CSV, JSON, media_type
from wildsage.toolkit.script_mode import codecs
from wildsage.toolkit.script_mode.answers import Answer
from wildsage.toolkit.script_mode.errors import ClientError

_SIGNATURE = "serving_default"
_JSON_LINES = "application/jsonlines"


@dataclass(frozen=True, slots=True)
class Context:
    """What the script's handlers get, by the names of AWS's container."""

    model_name: str
    model_version: str
    method: str
    request_content_type: str
    accept_header: str
    content_length: int
    custom_attributes: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """The model's answer, as ``output_handler`` gets it."""

    content: bytes
    status_code: int = 200

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode()

    def json(self) -> Any:
        """Read the content."""
        return json.loads(self.content)


class TensorFlowHandlers:
    """A SavedModel and the script's handlers around it.

    Raises
    ------
    ClientError
        If the script talks to TensorFlow Serving itself.
    """

    execution_parameters = None

    def __init__(self, module: ModuleType) -> None:
        if hasattr(module, "handler"):
            raise ClientError(
                "the script defines `handler`, which calls TensorFlow Serving itself, and there is none here: "
                "define input_handler and output_handler"
            )
        self._input: Callable[..., Any] = getattr(module, "input_handler", _as_request)
        self._output: Callable[..., Any] = getattr(module, "output_handler", _as_answer)
        self._name, self._version = "", ""
        self._signature: Any = None
        self._model: Any = None

    def load(self, model_folder: Path) -> None:
        """Load the newest version of the model.

        Raises
        ------
        ClientError
            If there is no SavedModel, or it has no signature to serve.
        """
        found = sorted(model_folder.rglob("saved_model.pb"), key=lambda path: _version(path.parent))
        if not found:
            raise ClientError(
                f"there is no SavedModel in {model_folder}: pack it as MODEL/VERSION/saved_model.pb, e.g. model/1/"
            )
        folder = found[-1].parent
        self._name, self._version = folder.parent.name, folder.name
        self._model = importlib.import_module("tensorflow").saved_model.load(str(folder))
        signatures = self._model.signatures
        if _SIGNATURE not in signatures:
            raise ClientError(f"the SavedModel has no signature {_SIGNATURE!r}: export it with one")
        self._signature = signatures[_SIGNATURE]

    def answer(self, content: bytes, content_type: str, accept: str) -> Answer:
        """Serve one request."""
        context = Context(self._name, self._version, "predict", content_type, accept, len(content))
        try:
            request = self._input(io.BytesIO(content), context)
        except codecs.UnsupportedFormatError as error:
            return Answer(415, "text/plain", str(error).encode())
        body, kind = self._output(Response(json.dumps(self._predict(json.loads(request))).encode()), context)
        return Answer(200, kind, body if isinstance(body, bytes) else str(body).encode())

    def _predict(self, request: Any) -> Mapping[str, Any]:
        """Answer a request of TensorFlow Serving's REST API."""
        if "inputs" in request:
            outputs = self._call(request["inputs"])
            only = next(iter(outputs.values())) if len(outputs) == 1 else None
            return {"outputs": outputs if only is None else only}
        rows = request["instances"]
        by_name = isinstance(rows[0], dict)
        outputs = self._call({name: [row[name] for row in rows] for name in rows[0]} if by_name else rows)
        if len(outputs) == 1:
            return {"predictions": next(iter(outputs.values()))}
        names = list(outputs)
        return {
            "predictions": [dict(zip(names, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
        }

    def _call(self, inputs: Any) -> dict[str, Any]:
        """Call the signature with one tensor, or with one for each name; returns lists by name."""
        tensorflow = importlib.import_module("tensorflow")
        _, wanted = self._signature.structured_input_signature
        named = isinstance(inputs, dict) and set(inputs) <= set(wanted)
        given = inputs if named else {next(iter(wanted)): inputs}
        tensors = {
            name: tensorflow.constant(value, dtype=wanted[name].dtype) for name, value in given.items()
        }
        return {name: _plain(tensor.numpy().tolist()) for name, tensor in self._signature(**tensors).items()}


def _version(folder: Path) -> int:
    return int(folder.name) if folder.name.isdecimal() else -1


def _plain(value: Any) -> Any:
    """Make text of bytes, which JSON does not have."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


def _as_request(data: io.BytesIO, context: Context) -> str:
    """Make a request of TensorFlow Serving of what clients send."""
    text = data.read().decode()
    kind = media_type(context.request_content_type)
    if kind == CSV:
        rows = codecs.decode(text, CSV)
        return json.dumps(
            {"instances": (rows.reshape(-1, rows.shape[-1]) if rows.ndim else rows.reshape(1, 1)).tolist()}
        )
    if kind == _JSON_LINES:
        return json.dumps({"instances": [json.loads(line) for line in text.splitlines() if line.strip()]})
    if kind != JSON:
        raise codecs.UnsupportedFormatError(context.request_content_type)
    value = json.loads(text)
    if isinstance(value, dict) and value.keys() & {"instances", "inputs"}:
        return text
    many = isinstance(value, list) and bool(value) and isinstance(value[0], list | dict)
    return json.dumps({"instances": value if many else [value]})


def _as_answer(response: Response, _context: Context) -> tuple[bytes, str]:
    return response.content, JSON
