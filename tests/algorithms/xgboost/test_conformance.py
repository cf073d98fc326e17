import pytest

from wildsage.toolkit.conformance import AlgorithmConformance

pytest.importorskip("xgboost")


class TestXGBoost(AlgorithmConformance):
    module = "wildsage.algorithms.xgboost"
