"""Model files: what most built-in algorithms write to ``/opt/ml/model``, and find there when they serve."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from wildsage.formats.errors import FormatError
from wildsage.formats.ndarray import read_ndarrays
from wildsage.toolkit.errors import UserError

MODEL_FILE = "model_algo-1"
"""Written by the first host of a job, as in AWS's artifacts."""


def find_model_file(folder: Path, expected: str) -> Path:
    """Return the model file in a model's folder: ``model_algo-1``, or that of another host.

    Parameters
    ----------
    expected
        Who reads it and what it holds, for the error: ``K-Means expects a file model_algo-1 with the centres``.

    Raises
    ------
    UserError
        If there is none.
    """
    found = sorted(path for path in folder.glob("model_algo-*") if "." not in path.name)
    if not found:
        names = ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"
        raise UserError(f"the model holds {names}; {expected}")
    return found[0]


@dataclass(frozen=True, slots=True)
class ModelArrays:
    """What a model file in MXNet's NDArray format holds.

    Attributes
    ----------
    file
        Its name.
    arrays
        In the file's order.
    named
        The same by name; empty where the file gives no names.
    """

    file: str
    arrays: tuple[NDArray[Any], ...]
    named: Mapping[str, NDArray[Any]]

    def unexpected(self, expected: str) -> UserError:
        """Say that the arrays are not those that were expected."""
        shapes = {name: array.shape for name, array in self.named.items()} or [a.shape for a in self.arrays]
        return UserError(f"{self.file} holds arrays of the shapes {shapes}; expected {expected}")


def read_model_arrays(folder: Path, expected: str) -> ModelArrays:
    """Read the model file of a model's folder, in MXNet's NDArray format.

    Parameters
    ----------
    expected
        As for `find_model_file`.

    Raises
    ------
    UserError
        If there is none, or it holds something else.
    """
    file = find_model_file(folder, expected)
    try:
        arrays, names = read_ndarrays(file.read_bytes(), file.name)
    except FormatError as error:
        raise UserError("The model cannot be read") from error
    return ModelArrays(file.name, tuple(arrays), dict(zip(names, arrays, strict=bool(names))))
