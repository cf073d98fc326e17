"""Model files: written as the library writes them; read without ever executing a pickle."""

import json
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xgboost

from wildsage.toolkit.errors import UserError

MODEL_NAME = "xgboost-model"
LIBSVM_ATTRIBUTE = "wildsage_libsvm_first_index"
"""Attribute of a booster: how its LIBSVM training data numbered the columns."""


@dataclass(frozen=True, slots=True)
class Model:
    """A booster and what predictions need to know of it.

    Attributes
    ----------
    objective
        E.g. ``binary:logistic``.
    classes
        Count of classes; 0 unless the objective is a multi-class one.
    pickled
        It came from a pickle, as containers up to version 1.2 wrote it.
    """

    booster: Any
    objective: str
    classes: int
    width: int
    pickled: bool

    @property
    def rounds(self) -> tuple[int, int]:
        """Range of the rounds to predict with: up to the best one, where early stopping noted it."""
        best = self.booster.attr("best_iteration")
        return (0, min(int(best) + 1, self.booster.num_boosted_rounds())) if best is not None else (0, 0)

    @property
    def libsvm_first_index(self) -> int | None:
        """As the training noted it; None for models from elsewhere."""
        text = self.booster.attr(LIBSVM_ATTRIBUTE)
        return int(text) if text is not None else None


def save(booster: Any, folder: Path) -> None:
    """Write ``xgboost-model`` in the library's binary JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    # The library chooses the format by the suffix.
    temporary = folder / f".{MODEL_NAME}.ubj"
    booster.save_model(temporary)
    temporary.rename(folder / MODEL_NAME)


def load_models(folder: Path) -> list[Model]:
    """Load all models of a folder: several are an ensemble.

    Raises
    ------
    UserError
        If there is none, or one cannot be read.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if not files:
        raise UserError(f"the model holds no file; XGBoost expects {MODEL_NAME}")
    return [_load(path) for path in files]


def _load(path: Path) -> Model:
    data = path.read_bytes()
    pickled = data[:1] == b"\x80"
    if pickled:
        data = booster_bytes(data, path.name)
    try:
        booster = _read(data, pickled=pickled)
    except (xgboost.core.XGBoostError, ValueError) as error:
        text = str(error).partition("Stack trace")[0].strip()
        raise UserError(
            f"the model file {path.name} cannot be read by XGBoost {xgboost.__version__}. Models of old versions in "
            f"the binary format must be saved again as JSON by a version from 1.0 to 3.0. The library says: {text}"
        ) from None
    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    classes = int(learner["learner_model_param"]["num_class"])
    return Model(booster, objective, classes, booster.num_features(), pickled)


def _read(data: bytes, *, pickled: bool) -> Any:
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(data))
    except xgboost.core.XGBoostError:
        if not pickled:
            raise
        # Newer versions pickle a snapshot with the configuration beside the model; its reader is native, too.
        booster.__setstate__({"handle": bytearray(data)})
    return booster


def booster_bytes(data: bytes, source: str) -> bytes:
    """Find a booster's own bytes in its pickle by reading the opcodes; nothing is executed.

    A pickled Booster is a dictionary whose ``handle`` is a bytearray: bytes of protocol 3 and later, text in
    latin-1 before.

    Raises
    ------
    UserError
        If the pickle is malformed or holds no booster.
    """
    after_handle = False
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if argument == "handle":
                after_handle = True
            elif after_handle and isinstance(argument, bytes | bytearray):
                return bytes(argument)
            elif after_handle and isinstance(argument, str) and opcode.name == "BINUNICODE":
                return argument.encode("latin-1")
    except (ValueError, IndexError, UnicodeError) as error:
        raise UserError(f"the model file {source} is a malformed pickle") from error
    raise UserError(f"the model file {source} is a pickle without an XGBoost booster; it was not executed")
