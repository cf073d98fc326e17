import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import yeojohnson

from wildsage.search import power_transform

LOSSES = st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=30).map(np.array)


def test_the_power_is_that_of_scipy():
    losses = np.random.default_rng(1).lognormal(size=60)
    found = power_transform.fit(losses)
    standard = (losses - losses.mean()) / losses.std()
    theirs, power = yeojohnson(standard)
    assert found.power == pytest.approx(power, abs=1e-3)
    expected = (theirs - theirs.mean()) / theirs.std()
    assert found(losses) == pytest.approx(expected, abs=1e-2)


@settings(deadline=None)
@given(LOSSES)
def test_the_order_stays(losses):
    targets = power_transform.fit(losses)(losses)
    assert np.isfinite(targets).all()
    assert (np.diff(targets[np.argsort(losses)]) >= -1e-9).all()


@settings(deadline=None)
@given(LOSSES)
def test_the_inverse_leads_back(losses):
    transform = power_transform.fit(losses)
    if transform.width > 1e-3:
        back = transform.inverse(transform(losses))
        assert back == pytest.approx(np.minimum(losses, transform.most), rel=1e-5, abs=1e-5 * transform.width)


def test_a_long_tail_becomes_short():
    losses = np.exp(np.linspace(0, 12, 40))
    targets = power_transform.fit(losses)(losses)
    assert (targets.mean(), targets.std()) == pytest.approx((0, 1), abs=1e-9)
    assert targets.max() < 3 < ((losses - losses.mean()) / losses.std()).max()


@pytest.mark.parametrize("losses", [[], [4.0], [4.0, 4.0, 4.0]])
def test_losses_that_say_nothing_are_moved_to_0(losses):
    losses = np.array(losses)
    transform = power_transform.fit(losses)
    assert (transform(losses) == 0).all()
    assert transform.inverse(transform(losses)) == pytest.approx(losses)


def test_a_trial_that_diverged_hides_nothing():
    losses = np.array([1.0, 2.0, 3.0, 4.0, 1e300])
    targets = power_transform.fit(losses)(losses)
    assert np.isfinite(targets).all()
    assert (np.diff(targets) > 0.05).all()
