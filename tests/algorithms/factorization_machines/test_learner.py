import numpy as np
import pytest

from wildsage.algorithms.factorization_machines.learner import Initialiser


def test_initialisers():
    rng = np.random.default_rng(0)
    assert Initialiser("constant", 2.5).draw(rng, (2, 2)).tolist() == [[2.5, 2.5]] * 2
    normal = Initialiser("normal", 0.3).draw(rng, (100_000,))
    assert (normal.mean(), normal.std()) == (pytest.approx(0, abs=0.005), pytest.approx(0.3, rel=0.01))
    uniform = Initialiser("uniform", 2.0).draw(rng, (100_000,))
    assert (uniform.min(), uniform.max()) == (pytest.approx(-2, abs=1e-3), pytest.approx(2, abs=1e-3))
    assert uniform.mean() == pytest.approx(0, abs=0.02)
    assert normal.dtype == uniform.dtype == np.float32
