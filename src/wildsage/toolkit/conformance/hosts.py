"""What holds for a job of several hosts, each with a part of the rows."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from wildsage.toolkit.conformance.declaration import estimator_of
from wildsage.toolkit.conformance.samples import sample_channels, sample_rows
from wildsage.toolkit.conformance.trained import TrainedAlgorithm
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.local import LocalContainer, loopback_addresses, train_together
from wildsage.toolkit.spec import AlgorithmSpec

TOLERANCE: Final = 0.2
"""How far the answers of two hosts may be from those of one: mean difference, as a share of the mean answer."""
ALIKE: Final = 0.95
"""The share of rows that both have to put into the same groups, where answers are names of groups."""


def distance(one: NDArray[Any], two: NDArray[Any]) -> float:
    """Return the mean difference of two columns of answers (n, ...) as a share of the first one's mean size."""
    return float(np.abs(one - two).mean() / np.abs(one).mean())


def grouped_alike(one: NDArray[Any], two: NDArray[Any]) -> float:
    """Return the share of rows that two groupings (n,) put together alike, whatever they call the groups."""
    return min(_purity(one, two), _purity(two, one))


def _purity(groups: NDArray[Any], others: NDArray[Any]) -> float:
    most = [np.unique(others[groups == name], return_counts=True)[1].max() for name in np.unique(groups)]
    return float(sum(most) / len(groups))


class HostsConformance(TrainedAlgorithm):
    """Several hosts learn what one does."""

    def test_two_hosts_reach_the_quality_of_one(
        self, spec: AlgorithmSpec, trained: tuple[LocalContainer, str], tmp_path: Path
    ) -> None:
        """Each has half of the sample's rows, and no host all of its groups; the first writes the model of all.

        An algorithm that takes one host says so: ``ClientError``, with the word InstanceCount.
        """
        hosts = loopback_addresses(2)
        containers = [LocalContainer(self.module, tmp_path / host) for host in hosts]
        for number, part in enumerate(np.split(sample_rows(), 2)):
            channels = sample_channels(spec) | {"train": sample_channels(spec, part)["train"]}
            containers[number].prepare(spec.sample.hyperparameters, channels, hosts, current=number)
        done = train_together(containers)
        if all("InstanceCount" in each.failure for each in containers):
            assert {each.returncode for each in done} == {UserError.exit_code}
            pytest.skip("takes one host")
        assert {each.returncode for each in done} == {0}, "".join(each.stdout for each in done)
        assert not list(containers[1].paths.model.glob("*")), "the second host writes a model too"
        estimator = estimator_of(self.module)
        asked = sample_rows(seed=1)[:, 1:]
        expected, found = (
            estimator.load(each.paths.model).predict(asked) for each in (trained[0], containers[0])
        )
        for name, column in expected.items():
            if np.array_equal(column, np.rint(column)):
                assert grouped_alike(column, found[name]) >= ALIKE, (
                    f"{name}: {found[name]}, of one host {column}"
                )
            else:
                assert distance(column, found[name]) <= TOLERANCE, (
                    f"{name}: {found[name]}, of one host {column}"
                )
