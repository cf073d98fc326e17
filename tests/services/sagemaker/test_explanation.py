"""What is said of a run that got less than was asked for. The whole of it: tests/cli/test_explain.py."""

import pytest

from wildsage.compute.select import BACKENDS
from wildsage.services.sagemaker.explanation import _warnings


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
def test_a_run_that_had_no_sandbox_says_so(backend):
    run = {"sandbox": {"name": backend.name, "level": backend.level}}
    assert ["no sandbox" in text for text in _warnings([run])] == ([] if backend.private else [True])


def test_each_warning_is_given_once():
    run = {"held_by": {"memory": "not held: no cgroup"}, "log_tail": ["[wildsage] 3 lines dropped", "loss=1"]}
    assert [*_warnings([run, run])] == [
        "the limit of memory is not held: no cgroup",
        "[wildsage] 3 lines dropped",
    ]
