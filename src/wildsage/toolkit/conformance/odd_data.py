"""What holds for data at the edge of what numbers and rows can be: it is learnt, or refused with the rule."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from wildsage.toolkit.conformance.declaration import estimator_of
from wildsage.toolkit.conformance.samples import request, sample_channels, sample_rows
from wildsage.toolkit.conformance.trained import TrainedAlgorithm
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.local import LocalContainer, LocalEndpoint
from wildsage.toolkit.serving import RequestError
from wildsage.toolkit.spec import AlgorithmSpec

Matrix = NDArray[np.float32]


def _one_column_of(value: float) -> Callable[[Matrix], Matrix]:
    return lambda features: np.column_stack([np.full(len(features), value, np.float32), features[:, 1:]])


def _times(factor: float) -> Callable[[Matrix], Matrix]:
    return lambda features: features * np.float32(factor)


ODD: Final[Mapping[str, Callable[[Matrix], Matrix]]] = {
    "numbers around 1e30": _times(1e30),
    "numbers of 3e38": lambda features: np.copysign(np.float32(3e38), features),
    "a column of 1e30": _one_column_of(1e30),
    "numbers around 1e-30": _times(1e-30),
    "denormal numbers": _times(1e-42),
    "a constant column": _one_column_of(7),
    "zeros": _times(0),
    "equal rows": lambda features: np.repeat(features[:1], len(features), axis=0),
    "one row": lambda features: features[:1],
    "two rows": lambda features: features[[0, -1]],
}
"""What is made of the sample's features, by its name. There are fewer rows than the samples ask for neighbours,
clusters and components, too."""


def odd_rows(name: str) -> Matrix:
    """Return the sample's rows as an odd set has them, a label in front."""
    rows = sample_rows()
    features = ODD[name](rows[:, 1:])
    labels = rows[[0, -1], 0] if len(features) == 2 else rows[: len(features), 0]
    return np.column_stack([labels, features])


def jobs_of(spec: AlgorithmSpec) -> Iterator[Mapping[str, str]]:
    """Yield the samples, one for each kind of prediction."""
    seen = set()
    for sample in (spec.sample.hyperparameters, *spec.sample.more):
        kind = sample.get("predictor_type")
        if kind not in seen:
            seen.add(kind)
            yield sample


class OddDataConformance(TrainedAlgorithm):
    """Whoever sends such data gets an answer of numbers, or one that says what is wrong."""

    @pytest.mark.parametrize("name", ODD)
    def test_odd_data_is_learnt_or_refused(self, spec: AlgorithmSpec, tmp_path: Path, name: str) -> None:
        """No failure of the algorithm, no NaN in the log, and finite predictions for such rows and for others."""
        rows = odd_rows(name)
        for number, job in enumerate(jobs_of(spec)):
            container = LocalContainer(self.module, tmp_path / str(number))
            container.prepare(job, sample_channels(spec, rows))
            code, log = container.train_here(OMP_NUM_THREADS="1")
            if code != 0:
                assert code == UserError.exit_code, log
                continue
            assert "=nan" not in log, log
            model = estimator_of(self.module).load(container.paths.model)
            for asked in (rows[:, 1:], sample_rows(seed=1)[:, 1:]):
                for column in model.predict(asked).values():
                    assert np.isfinite(column).all(), column

    def test_the_largest_numbers_that_are_declared_are_learnt(
        self, spec: AlgorithmSpec, tmp_path: Path
    ) -> None:
        """Those that make squares, sums and differences as large as they can be."""
        rows = sample_rows()
        rows[:, 1:] = np.copysign(np.float32(min(spec.largest, 1e38)), rows[:, 1:])
        container = LocalContainer(self.module, tmp_path)
        container.prepare(spec.sample.hyperparameters, sample_channels(spec, rows))
        code, log = container.train_here(OMP_NUM_THREADS="1")
        assert code == 0, log
        for column in estimator_of(self.module).load(container.paths.model).predict(rows[:, 1:]).values():
            assert np.isfinite(column).all(), column

    def test_larger_numbers_are_refused_by_their_place(
        self,
        spec: AlgorithmSpec,
        endpoint: LocalEndpoint,
        trained: tuple[LocalContainer, str],
        tmp_path: Path,
    ) -> None:
        """By a job, an endpoint and the class."""
        if math.isinf(spec.largest):
            pytest.skip("takes all finite numbers")
        rows = sample_rows()
        rows[3, 2] = 2 * spec.largest
        rule = f"row 4: feature 2 is {2 * spec.largest:g}; numbers from {-spec.largest:g} to {spec.largest:g} are"
        container = LocalContainer(self.module, tmp_path)
        container.prepare(spec.sample.hyperparameters, sample_channels(spec, rows))
        code, log = container.train_here()
        assert code == UserError.exit_code, log
        assert "Unable to read data channel 'train'" in container.failure
        assert rule in container.failure
        content_type, body = request(spec, rows[:5, 1:])
        answer = endpoint.invoke(body, content_type)
        assert (answer.status, rule in answer.body.decode()) == (400, True), answer.body
        with pytest.raises(RequestError, match=re.escape(rule)):
            estimator_of(self.module).load(trained[0].paths.model).predict(rows[:5, 1:])
