"""The model file: a zip archive that holds a checkpoint of an MXNet module, as AWS's has.

``mx-mod-symbol.json`` is the network, ``mx-mod-0000.params`` has its arrays ``arg:fc0_weight`` (outputs, d) and
``arg:fc0_bias`` (outputs,), ``additional-params.json`` says what is predicted and holds the threshold.
"""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from wildsage.algorithms.linear_learner.model import LinearModel, Link
from wildsage.algorithms.linear_learner.parameters import BINARY, MULTICLASS, REGRESSOR
from wildsage.formats.errors import FormatError
from wildsage.formats.ndarray import read_ndarrays, write_ndarrays
from wildsage.formats.zip_files import read_zip, write_zip
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.model_files import MODEL_FILE, find_model_file

SYMBOL: Final = "mx-mod-symbol.json"
PARAMS: Final = "mx-mod-0000.params"
MANIFEST: Final = "manifest.json"
ADDITIONAL: Final = "additional-params.json"

_ACTIVATIONS: Final[dict[Link, tuple[str, dict[str, str]]]] = {
    "logistic": ("Activation", {"act_type": "sigmoid"}),
    "softmax": ("softmax", {"axis": "-1"}),
}
_LINKS_OF_OPERATORS: Final[dict[str, Link]] = {
    "Activation": "logistic",
    "LogisticRegressionOutput": "logistic",
    "sigmoid": "logistic",
    "softmax": "softmax",
    "SoftmaxOutput": "softmax",
}
_EXPECTED: Final = (
    f"Linear Learner expects a file {MODEL_FILE}, a zip archive with {SYMBOL}, {PARAMS} and {ADDITIONAL}"
)


def encode(model: LinearModel, predictor: str, loss: str) -> bytes:
    """Write a model.

    Parameters
    ----------
    predictor, loss
        Hyperparameters that it was trained with.
    """
    described = {
        "predictor_type": predictor,
        "loss": loss,
        "link": model.link,
        "threshold": model.threshold,
        "feature_dim": model.feature_dim,
        "num_outputs": model.outputs,
    }
    arrays = {"arg:fc0_weight": model.weights.T, "arg:fc0_bias": model.biases}
    manifest = {"symbol": SYMBOL, "params": PARAMS, "additional_params": ADDITIONAL}
    return write_zip(
        {
            ADDITIONAL: _json(described),
            MANIFEST: _json(manifest),
            SYMBOL: _json(_symbol(model)),
            PARAMS: write_ndarrays({name: np.asarray(array, "<f4") for name, array in arrays.items()}),
        }
    )


def _symbol(model: LinearModel) -> dict[str, Any]:
    """Describe the network as MXNet 1.x does: its inputs, the product, and what makes a score of it."""
    nodes: list[dict[str, Any]] = [
        *({"op": "null", "name": name, "inputs": []} for name in ("data", "fc0_weight", "fc0_bias")),
        {
            "op": "FullyConnected",
            "name": "fc0",
            "attrs": {"num_hidden": str(model.outputs)},
            "inputs": [[0, 0, 0], [1, 0, 0], [2, 0, 0]],
        },
    ]
    if model.link in _ACTIVATIONS:
        operator, attributes = _ACTIVATIONS[model.link]
        nodes.append({"op": operator, "name": "score", "attrs": attributes, "inputs": [[3, 0, 0]]})
    return {
        "nodes": nodes,
        "arg_nodes": [0, 1, 2],
        "node_row_ptr": list(range(len(nodes) + 1)),
        "heads": [[len(nodes) - 1, 0, 0]],
        "attrs": {"mxnet_version": ["int", 10901]},
    }


def load_model(folder: Path) -> LinearModel:
    """Read the model file of a model's folder, of ours or in AWS's layout.

    Raises
    ------
    UserError
        If there is none, or it holds something else.
    """
    file = find_model_file(folder, _EXPECTED)
    try:
        files = read_zip(file.read_bytes(), file.name)
        missing = [name for name in (PARAMS,) if name not in files]
        if missing:
            raise FormatError(file.name, f"it holds {', '.join(files) or 'nothing'}, not {missing[0]}")
        arrays, names = read_ndarrays(files[PARAMS], f"{file.name}, {PARAMS}")
        described = _object(files.get(ADDITIONAL, b"{}"), f"{file.name}, {ADDITIONAL}")
        symbol = _object(files.get(SYMBOL, b"{}"), f"{file.name}, {SYMBOL}")
    except FormatError as error:
        raise UserError(f"The model cannot be read. {_EXPECTED}") from error
    named = dict(zip(names, arrays, strict=False))
    weights, biases = named.get("arg:fc0_weight"), named.get("arg:fc0_bias")
    if weights is None or weights.ndim != 2 or 0 in weights.shape:
        shapes = {name: array.shape for name, array in named.items()}
        raise UserError(
            f"{file.name}, {PARAMS} holds arrays of the shapes {shapes}; expected are arg:fc0_weight of shape "
            "(outputs, d) and arg:fc0_bias of (outputs,)"
        )
    outputs = len(weights)
    biases = np.zeros(outputs, np.float32) if biases is None else biases.reshape(-1)
    if len(biases) != outputs:
        raise UserError(
            f"{file.name}: arg:fc0_bias has {len(biases)} numbers, arg:fc0_weight has {outputs} rows"
        )
    link = _link(described, symbol)
    threshold = _threshold(described, link, outputs)
    weights = np.ascontiguousarray(weights.T, np.float32)
    return LinearModel(weights, biases.astype(np.float32), link, threshold)


def _link(described: dict[str, Any], symbol: dict[str, Any]) -> Link:
    """Find out what makes a score: from what we wrote, or else from the operators of the network."""
    given = described.get("link")
    if given in ("identity", "logistic", "softmax"):
        return given  # type: ignore[no-any-return]  # it is one of the literals
    nodes = symbol.get("nodes", [])
    for node in reversed(nodes if isinstance(nodes, list) else []):
        link = _LINKS_OF_OPERATORS.get(str(node.get("op")) if isinstance(node, dict) else "")
        if link is not None:
            return link
    return "identity"


def _threshold(described: dict[str, Any], link: Link, outputs: int) -> float | None:
    predictor = described.get("predictor_type")
    if predictor in (MULTICLASS, REGRESSOR) or outputs > 1 or (predictor is None and link == "identity"):
        return None
    given = described.get("threshold")
    if isinstance(given, int | float) and not isinstance(given, bool):
        return float(given)
    default = 0.5 if link == "logistic" else 0.0
    LOGGER.warning("%s gives no threshold of the %s: %s is taken", ADDITIONAL, BINARY, default)
    return default


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"


def _object(content: bytes, source: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FormatError(source, f"no JSON: {error}") from error
    if not isinstance(found, dict):
        raise FormatError(source, f"a JSON object is expected, not a {type(found).__name__}")
    return found
