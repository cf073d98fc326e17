from wildsage.toolkit.conformance import AlgorithmConformance


class TestRandomCutForest(AlgorithmConformance):
    module = "wildsage.algorithms.randomcutforest"
