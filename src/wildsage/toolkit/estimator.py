"""A built-in algorithm as a Python class: arrays in, arrays out, without a container.

The package of each algorithm gives one beside its declaration, so this module imports no numpy; what works on
arrays is in `wildsage.toolkit.on_arrays`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from wildsage.toolkit.resolve import resolve
from wildsage.toolkit.spec import AlgorithmSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wildsage.toolkit.on_arrays import Fitted


class NotFittedError(ValueError):
    """A prediction is asked of an estimator that has seen no data."""


class Estimator:
    """Trains and predicts in this process, with the code that the algorithm's container runs.

    Parameters
    ----------
    **hyperparameters
        By the names of the declaration, as numbers, texts, booleans or lists. ``feature_dim`` is taken from the
        data, and so are ``mini_batch_size`` and ``sample_size`` where the algorithm has no default of them.

    Raises
    ------
    TypeError
        For a name that the algorithm does not have.
    """

    spec: ClassVar[AlgorithmSpec]

    def __init__(self, **hyperparameters: object) -> None:
        known = {name for item in self.spec.hyperparameters for name in (item.name, *item.aliases)}
        for name in hyperparameters:
            if name not in known:
                offered = ", ".join(item.name for item in self.spec.hyperparameters if not item.hidden)
                raise TypeError(f"{self.spec.title} has no hyperparameter '{name}'; it has: {offered}")
        self.hyperparameters = hyperparameters
        self._fitted: Fitted | None = None

    def fit(self, features: Any, labels: Any = None, **channels: Any) -> Self:
        """Train.

        Parameters
        ----------
        features
            (n, d): an array, or a sparse matrix of scipy.
        labels
            (n,), where the algorithm takes labels.
        **channels
            Other channels by name, such as ``test``: the features, or a pair of features and labels.

        Raises
        ------
        UserError
            For hyperparameters and data that the algorithm cannot take, in the words of a training job.
        """
        return self._fit({"train": (features, labels), **channels})

    def _fit(self, channels: Mapping[str, Any]) -> Self:
        """Train on the content of channels: features, or features and labels, weights, groups of rows."""
        self._fitted = resolve("wildsage.toolkit.on_arrays:fit")(self.spec, self.hyperparameters, channels)
        return self

    def predict(self, features: Any, **options: str) -> Mapping[str, "NDArray[Any]"]:
        """Predict for each row: columns by the names that an endpoint's answers have.

        Parameters
        ----------
        features
            (n, d), as for `fit`.
        **options
            What an Accept header may ask for besides, such as ``verbose="true"``.

        Raises
        ------
        ValueError
            For rows of another width than the model's.
        """
        return self._trained.predict(features, options)

    @property
    def metrics(self) -> Mapping[str, float]:
        """The last value of each metric, as FinalMetricDataList has them; empty for a model that was loaded."""
        return self._trained.metrics

    def save(self, folder: Path) -> None:
        """Write the files of the model: what ``model.tar.gz`` of a training job holds."""
        self._trained.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the files of a model, of `save` or of a training job.

        Raises
        ------
        UserError
            If there is no model of this algorithm.
        """
        estimator = cls()
        estimator._fitted = resolve("wildsage.toolkit.on_arrays:load")(cls.spec, folder)
        return estimator

    @property
    def _trained(self) -> "Fitted":
        if self._fitted is None:
            raise NotFittedError(f"this {type(self).__name__} has no model yet: call fit, or load one")
        return self._fitted
