"""A short soak. The long one: ``make soak``."""

import pytest
from tests.faults.soak.soak import soak


@pytest.mark.faults
def test_nothing_acknowledged_is_lost(platform):
    report = soak(platform, 60, seed=1)
    assert report["broken"] == []
    assert report["kills"].get("server")
    assert report["acknowledged"]["CreateTrainingJob"]
    assert report["acknowledged"]["PutObject"]
