from wildsage.toolkit.conformance import AlgorithmConformance


class TestKMeans(AlgorithmConformance):
    module = "wildsage.algorithms.kmeans"
