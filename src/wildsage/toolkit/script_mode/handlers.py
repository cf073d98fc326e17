"""The user's serving functions, and what each framework does where one is absent."""

import importlib
import inspect
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from wildsage.formats.content_types import CSV, media_type
from wildsage.toolkit.script_mode import codecs, huggingface
from wildsage.toolkit.script_mode.answers import Answer
from wildsage.toolkit.script_mode.errors import ClientError, ImportModuleError

Function = Callable[..., Any]
_X_LIBSVM = frozenset({"text/libsvm", "text/x-libsvm"})


class Handlers:
    """A model and the functions that serve it.

    Parameters
    ----------
    module
        The user's module. It has ``model_fn`` where the framework has none, and either ``transform_fn`` or any of ``input_fn``,
        ``predict_fn`` and ``output_fn``.
    framework
        ``scikit-learn``, ``xgboost``, ``pytorch`` or ``huggingface``: chooses the defaults.
    """

    def __init__(self, module: ModuleType, framework: str) -> None:
        named = {name: getattr(module, name, None) for name in _NAMES}
        if named["transform_fn"] and any(named[name] for name in ("input_fn", "predict_fn", "output_fn")):
            raise ClientError(
                "Cannot use transform_fn implementation with input_fn, predict_fn, and/or output_fn"
            )
        defaults = _DEFAULTS.get(framework, {})
        self._functions: Mapping[str, Function] = {
            name: named[name] or defaults.get(name) or _missing(name) for name in _NAMES
        }
        self._transforms = named["transform_fn"] is not None
        self._model: Any = None
        self.execution_parameters: Function | None = getattr(module, "execution_parameters_fn", None)

    def load(self, model_folder: Path) -> None:
        """Load the model."""
        self._model = self._functions["model_fn"](str(model_folder))

    def answer(self, content: bytes, content_type: str, accept: str) -> Answer:
        """Serve one request. What the user's functions raise is raised; formats have their statuses."""
        data: bytes | str = content
        if media_type(content_type) in codecs.TEXT_TYPES:
            data = content.decode("utf-8")
        if self._transforms:
            return _as_answer(self._call("transform_fn", self._model, data, content_type, accept), accept)
        try:
            decoded = self._call("input_fn", data, content_type)
        except codecs.UnsupportedFormatError as error:
            return Answer(415, "text/plain", str(error).encode())
        prediction = self._call("predict_fn", decoded, self._model)
        try:
            return _as_answer(self._call("output_fn", prediction, accept), accept)
        except codecs.UnsupportedFormatError as error:
            return Answer(406, "text/plain", str(error).encode())

    def _call(self, name: str, *arguments: Any) -> Any:
        """Call a function; one that takes a ``context`` at the end gets None for it."""
        function = self._functions[name]
        try:
            inspect.signature(function).bind(*arguments)
        except TypeError:
            return function(*arguments, None)
        except ValueError:  # a builtin without a signature
            pass
        return function(*arguments)


def import_user_module(program: str, folder: Path) -> ModuleType:
    """Import the user's script from its folder.

    Raises
    ------
    ImportModuleError
        If it is not there or raises.
    """
    if not (folder / program).exists() and not (folder / f"{program}.py").exists():
        raise ImportModuleError(f"the script {program!r} is not in {folder}")
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(program.removesuffix(".py").replace("/", "."))
    except Exception as error:
        raise ImportModuleError(f"the script {program!r} does not import: {error!r}") from error


def _as_answer(result: Any, accept: str) -> Answer:
    """Accept what the frameworks accept: text, bytes, (body, type), or an object like Flask's response."""
    content_type = accept
    if isinstance(result, tuple):
        result, content_type = result[0], str(result[1])
    if hasattr(result, "get_data"):
        mimetype = getattr(result, "mimetype", None) or content_type
        return Answer(int(getattr(result, "status_code", 200)), mimetype, result.get_data())
    if isinstance(result, str):
        return Answer(200, content_type, result.encode())
    if isinstance(result, (bytes, bytearray, memoryview)):
        return Answer(200, content_type, bytes(result))
    return Answer(200, content_type, codecs.encode(result, content_type))


def _missing(name: str) -> Function:
    def function(*_: Any) -> Any:
        raise NotImplementedError(
            f"\nPlease provide a {name} implementation.\n"
            f"See documentation for {name} at https://github.com/aws/sagemaker-python-sdk\n"
        )

    return function


def _sklearn_input(data: bytes | str, content_type: str) -> Any:
    array = codecs.decode(data, content_type)
    return array.astype("float32") if media_type(content_type) in codecs.TEXT_TYPES else array


def _predict(data: Any, model: Any) -> Any:
    return model.predict(data)


def _xgboost_input(data: bytes | str, content_type: str) -> Any:
    """Make a DMatrix of CSV (empty fields are missing values) or libsvm."""
    xgboost = importlib.import_module("xgboost")
    kind = media_type(content_type)
    text = data.decode() if isinstance(data, bytes) else data
    if kind == CSV:
        numpy = importlib.import_module("numpy")
        rows = [[field.strip() or "nan" for field in line.split(",")] for line in text.strip().splitlines()]
        return xgboost.DMatrix(numpy.array(rows).astype("float32"))
    if kind in _X_LIBSVM:
        with tempfile.NamedTemporaryFile("w", suffix=".libsvm") as file:
            file.write(text)
            file.flush()
            return xgboost.DMatrix(f"{file.name}?format=libsvm")
    raise codecs.UnsupportedFormatError(content_type)


def _xgboost_predict(data: Any, model: Any) -> Any:
    return model.predict(data, validate_features=False)


def _torch_input(data: bytes | str, content_type: str) -> Any:
    torch = importlib.import_module("torch")
    array = codecs.decode(data, content_type)
    return (
        torch.FloatTensor(array) if media_type(content_type) in codecs.TEXT_TYPES else torch.from_numpy(array)
    )


def _torch_predict(data: Any, model: Any) -> Any:
    torch = importlib.import_module("torch")
    with torch.no_grad():
        return model(data)


def _torch_output(prediction: Any, accept: str) -> bytes:
    value = prediction.detach().cpu().numpy() if hasattr(prediction, "detach") else prediction
    return codecs.encode(value, accept)


_NAMES = ("model_fn", "transform_fn", "input_fn", "predict_fn", "output_fn")
_DEFAULTS: Mapping[str, Mapping[str, Function]] = {
    "scikit-learn": {"input_fn": _sklearn_input, "predict_fn": _predict, "output_fn": codecs.encode},
    "xgboost": {"input_fn": _xgboost_input, "predict_fn": _xgboost_predict, "output_fn": codecs.encode},
    "pytorch": {"input_fn": _torch_input, "predict_fn": _torch_predict, "output_fn": _torch_output},
    "huggingface": huggingface.DEFAULTS,
    "python": {"input_fn": codecs.decode, "output_fn": codecs.encode},
}
