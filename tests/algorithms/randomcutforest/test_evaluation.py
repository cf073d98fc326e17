import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from wildsage.algorithms.randomcutforest.evaluation import flagged, found


def test_scores_beyond_three_standard_deviations_are_flagged():
    scores = np.array([1.0] * 99 + [2.0])
    assert flagged(scores).tolist() == [False] * 99 + [True]
    assert not flagged(np.ones(5)).any()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
def test_measures_are_those_of_the_textbook(share):
    rng = np.random.default_rng(0)
    labels, taken = rng.random(200) < share, rng.random(200) < 0.3
    for positive in (True, False):
        own = found(labels == positive, taken == positive)
        wanted = precision_recall_fscore_support(labels, taken, labels=[positive], zero_division=0)
        assert (own.precision, own.recall, own.f1) == pytest.approx([part[0] for part in wanted[:3]])
