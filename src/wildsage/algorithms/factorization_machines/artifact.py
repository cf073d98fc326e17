"""The model file: a zip archive of ``symbol.json``, ``params`` and ``meta.json``, as AWS's has.

``params`` is an NDArray file with ``arg:v`` (d, k), ``arg:w1_weight`` (d, 1) and ``arg:w0_weight`` (1, 1). Some of AWS's
models call the linear part ``Linear_Plus_Bias_weight`` (1, d) and ``Linear_Plus_Bias_bias`` (1,), with v (k, d).
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.factorization_machines.machine import Machine
from wildsage.algorithms.factorization_machines.predictors import PREDICTORS
from wildsage.algorithms.factorization_machines.symbol import predictor_type_of, write_symbol
from wildsage.formats.errors import FormatError
from wildsage.formats.ndarray import read_ndarrays, write_ndarrays
from wildsage.formats.zip_files import read_zip, write_zip
from wildsage.toolkit.errors import UserError

_EXPECTED = (
    "v of shape (d, k), w1_weight (d, 1) and w0_weight (1, 1), or "
    "v (k, d), Linear_Plus_Bias_weight (1, d) and Linear_Plus_Bias_bias (1,)"
)


def encode(machine: Machine, parameters: Mapping[str, Any]) -> bytes:
    """Write a model with the hyperparameters that it was trained with."""
    d, k = machine.weights[:, 1:].shape
    arrays = {
        "arg:w0_weight": np.array([[machine.bias]], np.float32),
        "arg:w1_weight": machine.weights[:, :1],
        "arg:v": machine.weights[:, 1:],
    }
    meta = {"training_parameters": {name: value for name, value in parameters.items() if name[0] != "_"}}
    return write_zip(
        {
            "symbol.json": write_symbol(parameters["predictor_type"], d, k),
            "params": write_ndarrays(arrays),
            "meta.json": json.dumps(meta, indent=2).encode(),
        }
    )


def decode(data: bytes, source: str) -> tuple[Machine, str]:
    """Read a model and its predictor_type.

    Raises
    ------
    UserError
        If it is none of a factorization machine.
    """
    try:
        files = read_zip(data, source)
        if "params" not in files:
            names = ", ".join(files) or "nothing"
            raise UserError(f"{source} holds {names}; expected are params, symbol.json and meta.json")
        arrays, names_of_arrays = read_ndarrays(files["params"], f"{source}/params")
    except FormatError as error:
        raise UserError("The model cannot be read") from error
    named = {name.removeprefix("arg:"): array for name, array in zip(names_of_arrays, arrays, strict=False)}
    return _machine(named, source), _predictor_type(files, source)


def _machine(named: Mapping[str, NDArray[Any]], source: str) -> Machine:
    v, bias, linear = _parts(named)
    if (
        v is None
        or bias is None
        or linear is None
        or v.ndim != 2
        or 0 in v.shape
        or bias.size != 1
        or linear.size != len(v)
    ):
        shapes = {name: array.shape for name, array in named.items()}
        raise UserError(f"{source} holds arrays of the shapes {shapes}; expected are {_EXPECTED}")
    weights = np.concatenate([linear.reshape(-1, 1), v], axis=1).astype(np.float32)
    return Machine(float(bias.reshape(())), weights)


def _parts(named: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any] | None, ...]:
    """Return v as (d, k), the bias and the linear terms."""
    v = named.get("v")
    if "Linear_Plus_Bias_weight" in named:
        turned = None if v is None else v.T
        return turned, named.get("Linear_Plus_Bias_bias"), named["Linear_Plus_Bias_weight"]
    return v, named.get("w0_weight"), named.get("w1_weight")


def _predictor_type(files: Mapping[str, bytes], source: str) -> str:
    """Find it among the hyperparameters, else in the graph."""
    try:
        meta, symbol = (json.loads(files.get(name, b"{}")) for name in ("meta.json", "symbol.json"))
        given = meta.get("training_parameters", {}).get("predictor_type") or predictor_type_of(symbol)
    except (ValueError, AttributeError) as error:
        raise UserError(f"{source}: meta.json or symbol.json is not what it should be") from error
    if given not in PREDICTORS:
        raise UserError(
            f"{source} does not say what it predicts: meta.json needs training_parameters.predictor_type, "
            f"one of {', '.join(PREDICTORS)}; found {given!r}"
        )
    return str(given)
