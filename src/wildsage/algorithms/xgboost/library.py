"""What differs between the versions of the library, from 0.90 to today's: the tag of an image chooses one.

Everything else of the algorithm uses what all of them have: ``DMatrix``, ``Booster``, ``update``, ``eval_set``.
"""

import json
import pickle
import re
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import xgboost
from numpy.typing import NDArray

from wildsage.toolkit.xgboost_network import is_distributed

Version = tuple[int, int]

VERSION: Final[Version] = tuple(int(part) for part in re.findall(r"\d+", xgboost.__version__)[:2])  # type: ignore[assignment] # a version begins with two numbers
"""Of the library that runs: its first two numbers."""

_PICKLED_BELOW: Final = (1, 3)
"""Containers below wrote a pickle of the Booster."""
_LEGACY_HEADER: Final = struct.Struct("<fIi2i2I")
_LEGACY_HEADER_BYTES: Final = 136


@dataclass(frozen=True, slots=True)
class Facts:
    """What a booster says of itself.

    Attributes
    ----------
    objective
        E.g. ``binary:logistic``.
    classes
        Count of classes; 0 unless the objective is a multi-class one.
    width
        Features of a row.
    is_linear
        It has no rounds of which the first could be taken.
    trees
        Of a class and a round. Versions before 2.0, which do not keep it, count trees instead of rounds.
    """

    objective: str
    classes: int
    width: int
    is_linear: bool = False
    trees: int = 1


def write_artifact(booster: Any, path: Path) -> None:
    """Write a model as the container of this version does: a pickle before 1.3, then the library's own default.

    That default is the deprecated binary format up to 2.0, UBJSON from 2.1 on. A reader never sees half of it.
    """
    if VERSION < _PICKLED_BELOW:
        temporary = path.with_name(f".{path.name}")
        temporary.write_bytes(pickle.dumps(booster, protocol=4))
        temporary.replace(path)
    else:
        save(booster, path)


def save(booster: Any, path: Path) -> None:
    """Write a model in the library's default format; a reader never sees half of it."""
    # The library chooses the format by the suffix. Where there is one default only, naming it spares a warning.
    temporary = path.with_name(f".{path.name.replace('.', '-')}" + (".ubj" if VERSION >= (2, 1) else ""))
    booster.save_model(str(temporary))
    temporary.replace(path)


def read(data: bytes) -> Any:
    """Read a model from the bytes of any format that this version knows.

    Raises
    ------
    xgboost.core.XGBoostError, ValueError
        If it knows none.
    """
    booster = xgboost.Booster()
    if VERSION == (1, 0):  # it reads files only
        with tempfile.NamedTemporaryFile(suffix=".json" if data[:1] == b"{" else "") as file:
            file.write(data)
            file.flush()
            booster.load_model(file.name)
    else:
        booster.load_model(bytearray(data))
    return booster


def read_snapshot(data: bytes) -> Any:
    """Read what a pickled Booster holds: from 1.0 on a model and its configuration, a model before.

    Raises
    ------
    xgboost.core.XGBoostError, ValueError
        If it is neither for this version.
    """
    try:
        return read(data)
    except (xgboost.core.XGBoostError, ValueError):
        booster = xgboost.Booster()
        booster.__setstate__({"handle": bytearray(data)})  # the library's reader of snapshots: no pickle
        return booster


def describe(booster: Any) -> Facts:
    """Find objective, classes and width."""
    if VERSION < (1, 0):
        return describe_legacy(bytes(booster.save_raw()))
    learner = json.loads(booster.save_config())["learner"]
    model, gradient = learner["learner_model_param"], learner["gradient_booster"]
    trees = gradient.get("gbtree", gradient).get("gbtree_model_param", {})  # a dart booster has one of trees
    return Facts(
        learner["objective"]["name"],
        int(model["num_class"]),
        int(model["num_feature"]),
        gradient["name"] == "gblinear",
        int(trees.get("num_parallel_tree", 1)),
    )


def describe_legacy(data: bytes) -> Facts:
    """Read the head of a model in the binary format of versions 0.x to 3.0.

    Raises
    ------
    ValueError
        If it is none.
    """
    if data.startswith(b"CONFIG-offset:"):  # a snapshot of 1.0 to 1.5: the model follows a number of 8 bytes
        data = data[len(b"CONFIG-offset:") + 8 :]
    data = data.removeprefix(b"binf")
    try:
        _, width, classes, *_ = _LEGACY_HEADER.unpack_from(data)
        objective, end = _legacy_text(data, _LEGACY_HEADER_BYTES)
        kind, _ = _legacy_text(data, end)
    except struct.error:
        raise ValueError("shorter than the head of a model") from None
    return Facts(objective, classes, width, kind == "gblinear")


def _legacy_text(data: bytes, begin: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<Q", data, begin)
    end = begin + 8 + length
    if not 0 < length < 64 or not re.fullmatch(rb"[a-z0-9_:]+", data[begin + 8 : end]):
        raise ValueError("there is no name where the binary format has one")
    return data[begin + 8 : end].decode(), end


def keep_rounds(booster: Any, count: int) -> Any:
    """Return the model of the first rounds; before 1.3, where models cannot be cut, all of it."""
    return booster if VERSION < (1, 3) else booster[:count]


def end_round(booster: Any) -> None:
    """Tell the network of the library that a round is over, as its own ``train`` does.

    Versions before 1.4 keep what was sent, for a host that comes back, until they are told.
    """
    if VERSION < (1, 4) and is_distributed():
        booster.save_rabit_checkpoint()


def note_rounds(booster: Any, count: int, trees_of_a_round: int) -> None:
    """Note in a model of a version before 2.0 how many of its rounds count, as the library's own ``train`` does.

    Parameters
    ----------
    trees_of_a_round
        Of a class.
    """
    noted = {"best_iteration": count - 1, "best_ntree_limit": count * trees_of_a_round}
    if VERSION < (1, 4):
        for name, value in noted.items():
            setattr(booster, name, value)
    elif VERSION < (2, 0):
        booster.set_attr(**{name: str(value) for name, value in noted.items()})


def predict(
    booster: Any, matrix: Any, *, rounds: int = 0, trees: int = 0, margin: bool = False
) -> NDArray[Any]:
    """Predict for each row.

    Parameters
    ----------
    rounds, trees
        How many rounds count; 0: all. Versions before 2.0 count the trees of a class instead.
    margin
        What the trees add up to, before the objective makes a prediction of it.
    """
    # The columns of a matrix carry no names; their count is checked elsewhere.
    options: dict[str, Any] = {"output_margin": margin, "validate_features": False}
    if VERSION >= (2, 0):
        options["iteration_range"] = (0, rounds)
    elif trees:
        options["ntree_limit"] = trees
    found: NDArray[Any] = booster.predict(matrix, **options)
    return found


def first_lines(error: Exception) -> str:
    """Return the library's text without its place in the source and the stack of addresses behind it."""
    text = str(error).partition("Stack trace")[0].strip()
    return re.sub(r"^(?:b['\"])?\[[\d:]+\] \S+:\d+: ", "", text)
