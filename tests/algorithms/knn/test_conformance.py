from wildsage.toolkit.conformance import AlgorithmConformance


class TestKNN(AlgorithmConformance):
    module = "wildsage.algorithms.knn"
