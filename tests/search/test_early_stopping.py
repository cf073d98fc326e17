import math

import pytest
from tests.search.support import finished

from wildsage.search.early_stopping import should_stop
from wildsage.search.trial import Status, Trial

# Averages of the first two epochs: 5, 4, 3, 2.
OTHERS = [finished({}, 1.0, (epoch + 1, epoch - 1, 0)) for epoch in (5, 4, 3, 2)]


@pytest.mark.parametrize(("last", "stops"), [(3.4, False), (3.5, False), (3.6, True), (math.nan, True)])
def test_worse_than_the_median_of_averages_up_to_the_same_epoch(last, stops):
    trial = Trial({}, reports=(100.0, last))
    assert should_stop(trial, OTHERS, "Minimize") is stops


@pytest.mark.parametrize(("last", "stops"), [(3.4, True), (3.6, False)])
def test_less_is_worse_where_more_is_wanted(last, stops):
    assert should_stop(Trial({}, reports=(0.0, last)), OTHERS, "Maximize") is stops


def test_nothing_stops_before_a_report_or_with_fewer_than_three_others():
    bad = Trial({}, reports=(100.0, 100.0))
    assert not should_stop(Trial({}), OTHERS, "Minimize")
    assert not should_stop(bad, OTHERS[:2], "Minimize")
    assert should_stop(bad, OTHERS[:3], "Minimize")


def test_trials_that_came_less_far_or_are_not_finished_do_not_count():
    bad = Trial({}, reports=(100.0,) * 4)
    assert not should_stop(bad, OTHERS, "Minimize")
    others = [Trial({}, Status.RUNNING, None, (1.0,) * 4), Trial({}, Status.FAILED, None, (1.0,) * 4)]
    assert not should_stop(bad, [*others, *others], "Minimize")
