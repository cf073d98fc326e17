"""What every built-in algorithm must do, as a test suite over its declaration. Needs pytest.

A new algorithm passes it before its author writes a test::

    class TestConformance(AlgorithmConformance):
        module = "wildsage.algorithms.kmeans"
"""

from wildsage.toolkit.conformance.declaration import DeclarationConformance
from wildsage.toolkit.conformance.hosts import HostsConformance
from wildsage.toolkit.conformance.odd_data import OddDataConformance
from wildsage.toolkit.conformance.samples import read_numbers, sample_rows, to_csv
from wildsage.toolkit.conformance.serving import ServingConformance
from wildsage.toolkit.conformance.training import TrainingConformance

__all__ = ["AlgorithmConformance", "read_numbers", "sample_rows", "to_csv"]


class AlgorithmConformance(
    DeclarationConformance, TrainingConformance, HostsConformance, OddDataConformance, ServingConformance
):
    """Subclass it and set `module`."""
