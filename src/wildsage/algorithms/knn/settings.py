"""What ``model_algo-1.json`` says of a model. Users may change it and deploy the model again.

Beyond the keys of AWS's artifacts it has ``feature_dim`` and, of a reduction, the ``generator`` of its random map;
``nprobe`` may be added, to search more or fewer lists than the index says.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from wildsage.algorithms.knn.reduction import Kind, Reduction
from wildsage.toolkit.errors import UserError

PredictorType = Literal["classifier", "regressor"]

_GENERATOR: Final = "PCG64"
_KINDS: Final = ("sign", "fjlt")


@dataclass(frozen=True, slots=True)
class Settings:
    """How predictions are made.

    Attributes
    ----------
    normalize
        Rows are brought to length 1, as for COSINE.
    feature_dim
        Features of a row; None: as many as the reduction takes, else as the index has columns.
    nprobe
        Lists to search; None: as many as the index says.
    """

    k: int
    predictor_type: PredictorType
    normalize: bool = False
    reduction: Reduction | None = None
    feature_dim: int | None = None
    nprobe: int | None = None

    def encode(self) -> str:
        """Write it as JSON."""
        content = {
            "k": self.k,
            "predictor_type": self.predictor_type,
            "dimension_reduction": None if self.reduction is None else _described(self.reduction),
            "normalize": self.normalize,
            "version": "1.0",
            "feature_dim": self.feature_dim,
        }
        return json.dumps(content)

    @classmethod
    def decode(cls, text: str, file: str) -> "Settings":
        """Read it from JSON.

        Parameters
        ----------
        file
            Its name, for errors.

        Raises
        ------
        UserError
            Naming the key and its value, for one that is missing or outside of its rule.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise UserError(f"{file} is not JSON") from error
        if not isinstance(content, dict):
            raise UserError(f"{file} holds no JSON object")
        keys = _Keys(content, file)
        return cls(
            keys.whole("k"),
            cast("PredictorType", keys.choice("predictor_type", ("classifier", "regressor"))),
            normalize=keys.flag("normalize"),
            reduction=_reduction(keys.below("dimension_reduction")),
            feature_dim=keys.optional("feature_dim"),
            nprobe=keys.optional("nprobe"),
        )


@dataclass(frozen=True, slots=True)
class _Keys:
    """A JSON object whose values are checked when they are asked for."""

    content: Mapping[str, Any]
    file: str

    def whole(self, key: str, least: int = 1) -> int:
        value = self.content.get(key)
        if type(value) is not int or value < least:
            raise self._wrong(key, f"a whole number of at least {least}")
        return value

    def optional(self, key: str) -> int | None:
        return None if self.content.get(key) is None else self.whole(key)

    def flag(self, key: str) -> bool:
        value = self.content.get(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = self.content.get(key)
        if value not in choices:
            raise self._wrong(key, " or ".join(choices))
        return str(value)

    def below(self, key: str) -> "_Keys":
        value = self.content.get(key) or {}
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return _Keys(value, f"{key} of {self.file}")

    def _wrong(self, key: str, rule: str) -> UserError:
        return UserError(f"{key} in {self.file} is {self.content.get(key)!r}; expected {rule}")


def _described(reduction: Reduction) -> dict[str, Any]:
    return {
        "type": reduction.kind,
        "seed": reduction.seed,
        "target_dim": reduction.target_dim,
        "input_dim": reduction.input_dim,
        "generator": _GENERATOR,
    }


def _reduction(keys: _Keys) -> Reduction | None:
    if keys.content.get("type") in {None, "none"}:
        return None
    kind = cast("Kind", keys.choice("type", _KINDS))
    if keys.content.get("generator") != _GENERATOR:
        raise UserError(
            f"the {keys.file} names no generator: the random map that the rows of this index went through is known "
            "to the container only that trained it. Train the model again"
        )
    return Reduction(kind, keys.whole("seed", 0), keys.whole("input_dim"), keys.whole("target_dim"))
