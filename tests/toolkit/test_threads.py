import os

import pytest

from wildsage.toolkit.threads import threads


@pytest.mark.parametrize(("granted", "wanted"), [("3", 3), ("", os.cpu_count()), ("0", os.cpu_count())])
def test_the_platform_says_how_many(monkeypatch, granted, wanted):
    monkeypatch.setenv("OMP_NUM_THREADS", granted)
    assert threads() == wanted
