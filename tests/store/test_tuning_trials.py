"""Trials of tuning jobs in the store."""

import pytest

from wildsage.store.resources import Key, Resources
from wildsage.store.tuning_trials import TUNING_JOB, Outcome, TrialRecord, TuningTrials

JOB = Key("123456789012", "us-west-2", TUNING_JOB, "tune")
OUTCOME = Outcome("Completed", 0.5, "", 1.0, 2.0, 3.0)


def trial(number, job="tune"):
    return TrialRecord(number, "", f"{job}-{number:03d}-x", {"k": str(number), "ü": "ß"}, planned_at=5.0)


@pytest.fixture
def trials(state):
    state.write_blocking(lambda t: TuningTrials.plan(t, JOB, [trial(1), trial(2)]))
    return TuningTrials(state)


def insert(state, kind, name, status):
    key = Key(JOB.account, JOB.region, kind, name)
    state.write_blocking(
        lambda t: Resources.insert(t, key, arn=f"arn:{kind}:{name}", status=status, at=1.0, body={})
    )


def test_trials_are_planned_run_and_end(trials, state):
    assert trials.of(JOB) == [trial(1), trial(2)]
    state.write_blocking(lambda t: TuningTrials.mark_running(t, JOB, 1))
    assert [one.state for one in trials.of(JOB)] == ["running", "planned"]
    state.write_blocking(lambda t: TuningTrials.end(t, JOB, 1, OUTCOME))
    first, second = trials.of(JOB)
    assert (first.state, first.outcome) == ("ended", OUTCOME)
    assert second.outcome is None


def test_what_was_reported_is_kept_apart(trials, state):
    state.write_blocking(lambda t: TuningTrials.end(t, JOB, 1, OUTCOME, [0.7, 0.5]))
    state.write_blocking(lambda t: TuningTrials.end(t, JOB, 2, OUTCOME))
    assert trials.reports(JOB) == {1: (0.7, 0.5)}


def test_one_that_ended_does_not_run_again(trials, state):
    state.write_blocking(lambda t: TuningTrials.end(t, JOB, 1, OUTCOME))
    state.write_blocking(lambda t: TuningTrials.mark_running(t, JOB, 1))
    assert trials.of(JOB)[0].state == "ended"


def test_no_number_is_planned_twice(trials, state):
    with pytest.raises(Exception, match="UNIQUE"):
        state.write_blocking(lambda t: TuningTrials.plan(t, JOB, [trial(3), trial(2)]))
    assert len(trials.of(JOB)) == 2


def test_only_what_is_planned_can_be_dropped(trials, state):
    state.write_blocking(lambda t: TuningTrials.mark_running(t, JOB, 1))
    for number in (1, 2):
        state.write_blocking(lambda t, number=number: TuningTrials.drop(t, JOB, number))
    assert [one.number for one in trials.of(JOB)] == [1]


def test_other_tuning_jobs_have_trials_of_their_own(trials, state):
    other = Key(JOB.account, "eu-west-1", TUNING_JOB, "tune")
    state.write_blocking(lambda t: TuningTrials.plan(t, other, [trial(1)]))
    state.write_blocking(lambda t: TuningTrials.forget(t, JOB))
    assert trials.of(JOB) == []
    assert trials.of(other) == [trial(1)]


@pytest.mark.parametrize(
    ("status", "is_found"), [("InProgress", False), ("Stopping", False), ("Stopped", True), (None, True)]
)
def test_training_jobs_that_ended_are_found(trials, state, status, is_found):
    state.write_blocking(lambda t: TuningTrials.mark_running(t, JOB, 1))
    if status:
        insert(state, "training-job", "tune-001-x", status)
    assert trials.with_ended_jobs() == ({JOB} if is_found else set())


def test_tuning_jobs_that_are_not_over_are_found(trials, state):
    for name, status in (("a", "InProgress"), ("b", "Completed"), ("c", "Stopping")):
        insert(state, TUNING_JOB, name, status)
    insert(state, "training-job", "d", "InProgress")
    assert [key.name for key in trials.unfinished()] == ["a", "c"]
