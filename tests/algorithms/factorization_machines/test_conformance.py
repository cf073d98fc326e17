from wildsage.toolkit.conformance import AlgorithmConformance


class TestFactorizationMachines(AlgorithmConformance):
    module = "wildsage.algorithms.factorization_machines"
