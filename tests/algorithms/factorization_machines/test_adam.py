import numpy as np
import pytest

from wildsage.algorithms.factorization_machines.adam import DEFAULT_RATES, Adam, Opening, Settings, Terms
from wildsage.algorithms.factorization_machines.machine import Machine

RATES, DECAYS = Terms(0.5, 0.02, 0.01), Terms(0.3, 0.2, 0.1)


def textbook(gradients, start, rate, decay, clip=None, rescale=1.0, eps=1e-8):
    """Kingma and Ba's algorithm 1 on one number, with the decay's part in the gradient."""
    value, mean, square = start, 0.0, 0.0
    for step, gradient in enumerate(gradients, 1):
        bounded = np.clip(gradient * rescale, *((-clip, clip) if clip else (None, None)))
        bounded = bounded + decay * value
        mean = 0.9 * mean + 0.1 * bounded
        square = 0.999 * square + 0.001 * bounded**2
        length = rate(step) * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        value -= length * mean / (np.sqrt(square) + eps)
    return value


@pytest.mark.parametrize("opening", [Opening(), Opening(0.3, 0.2)])
@pytest.mark.parametrize("options", [{}, {"clip": 0.5}, {"rescale": 0.01}, {"eps": 0.1}])
def test_steps_are_those_of_the_textbook(options, opening):
    rng = np.random.default_rng(0)
    start = rng.normal(size=(1, 3)).astype(np.float32)
    machine = Machine(0.4, start.copy())
    adam = Adam(machine, Settings(RATES, DECAYS, **options), opening)
    gradients = rng.normal(size=(40, 1, 3)).astype(np.float32)
    for gradient in gradients:
        adam.step(np.array([0]), gradient.copy(), float(gradient[0, 0]))

    def rate(term):
        return lambda step: max(getattr(RATES, term), getattr(opening, term, 0.0) * 30 / (30 + step))

    found = [machine.bias, *machine.weights[0]]
    wanted = [
        textbook(gradients[:, 0, place], first, rate(term), getattr(DECAYS, term), **options)
        for term, place, first in (
            ("bias", 0, 0.4),
            ("linear", 0, start[0, 0]),
            ("factors", 1, start[0, 1]),
            ("factors", 2, start[0, 2]),
        )
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_feature_has_its_own_clock():
    gradient = np.ones((1, 2), np.float32)
    machine = Machine(0.0, np.zeros((3, 2), np.float32))
    adam = Adam(machine, Settings(RATES, Terms(0, 0, 0)), Opening())
    for column in (0, 0, 0, 2):
        adam.step(np.array([column]), gradient.copy(), 0.0)
    # Of equal gradients each step is as long as the rate, at whichever time the feature comes.
    np.testing.assert_allclose(machine.weights, [[-0.06, -0.03], [0, 0], [-0.02, -0.01]], rtol=1e-4)
    assert machine.bias == 0


def test_without_an_eps_nothing_is_divided_by_zero():
    machine = Machine(0.0, np.ones((1, 2), np.float32))
    adam = Adam(machine, Settings(RATES, Terms(0, 0, 0), eps=0.0), Opening())
    adam.step(np.array([0]), np.zeros((1, 2), np.float32), 0.0)
    assert machine.weights.tolist() == [[1, 1]]


def test_the_opening_fits_labels_and_rows():
    opening = Opening.fitting(spread=4.0, size=2.0, rates=DEFAULT_RATES)
    assert (opening.linear, opening.factors) == pytest.approx((0.4, 0.05))
    assert Opening.fitting(4.0, 2.0, Terms(0.1, 0.0, 0.00005)) == Opening(0.0, pytest.approx(0.025))
    assert Opening.fitting(4.0, 2.0, Terms(0.1, 1.0, 1.0)) == opening
    assert Opening.fitting(1.0, 0.0, DEFAULT_RATES).linear == pytest.approx(0.2)
