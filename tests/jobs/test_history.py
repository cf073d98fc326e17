"""The history of a job, also when the clock is set back."""

import asyncio

import pytest

from wildsage.jobs.training import TRAINING
from wildsage.store.resources import Key, Resources

HISTORY = TRAINING.history
JOB = Key("1", "r", "training-job", "job")


def test_no_step_ends_before_it_begins(state):
    times = [100.0, 160.0, 40.0, 50.0]

    def story(transaction):
        Resources.insert(
            transaction, JOB, arn="arn", status="InProgress", at=100.0, body=HISTORY.first_step(times[0])
        )
        for at, status in zip(times[1:], ("running", "uploading", "completed"), strict=True):
            HISTORY.advance(transaction, JOB, status, at)

    asyncio.run(state.write(story))
    steps = Resources(state).get(JOB).body["SecondaryStatusTransitions"]
    assert [step["Status"] for step in steps] == ["Starting", "Training", "Uploading", "Completed"]
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        assert step["StartTime"] <= step["EndTime"]
        assert following is None or step["EndTime"] <= following["StartTime"]


@pytest.mark.parametrize("end", ["Completed", "Failed", "Stopped"])
def test_nothing_follows_an_end(state, end):
    def story(transaction):
        Resources.insert(
            transaction, JOB, arn="arn", status="InProgress", at=1.0, body=HISTORY.first_step(1.0)
        )
        assert HISTORY.advance(transaction, JOB, end.lower(), 2.0) is not None
        assert HISTORY.advance(transaction, JOB, "running", 3.0) is None
        assert HISTORY.advance(transaction, JOB, "failed", 3.0) is None

    asyncio.run(state.write(story))
    assert Resources(state).get(JOB).status == end


def test_a_job_that_has_to_wait_is_born_pending():
    body = HISTORY.first_step(5.0, ahead=2)
    assert body["SecondaryStatus"] == "Pending"
    assert body["SecondaryStatusTransitions"] == [
        {
            "Status": "Starting",
            "StartTime": 5.0,
            "EndTime": 5.0,
            "StatusMessage": "Launching requested ML instances",
        },
        {"Status": "Pending", "StartTime": 5.0, "StatusMessage": "Waiting for capacity (3 ahead)"},
    ]
