"""What the parts of the suite share: an algorithm's declaration, and one job and one endpoint of its sample."""

from collections.abc import Iterator
from typing import ClassVar

import pytest

from wildsage.toolkit.conformance.samples import sample_channels
from wildsage.toolkit.local import LocalContainer, LocalEndpoint
from wildsage.toolkit.resolve import load_spec
from wildsage.toolkit.spec import AlgorithmSpec


class TrainedAlgorithm:
    """Fixtures of an algorithm. `module` is its package."""

    module: ClassVar[str]

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls) -> AlgorithmSpec:
        """Return the declaration."""
        return load_spec(cls.module)

    @pytest.fixture(scope="class")
    @classmethod
    def trained(
        cls, spec: AlgorithmSpec, tmp_path_factory: pytest.TempPathFactory
    ) -> tuple[LocalContainer, str]:
        """Train once on the sample; returns the container and its log."""
        container = LocalContainer(cls.module, tmp_path_factory.mktemp("ml"))
        container.prepare(spec.sample.hyperparameters, sample_channels(spec))
        done = container.train()
        assert done.returncode == 0, done.stdout
        return container, done.stdout

    @pytest.fixture(scope="class")
    @classmethod
    def endpoint(cls, trained: tuple[LocalContainer, str]) -> Iterator[LocalEndpoint]:
        """Serve the trained model from another process."""
        with trained[0].serve() as endpoint:
            yield endpoint
