from wildsage.toolkit.conformance import AlgorithmConformance


class TestLinearLearner(AlgorithmConformance):
    module = "wildsage.algorithms.linear_learner"
