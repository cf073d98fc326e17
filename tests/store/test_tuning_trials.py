"""Trials of tuning jobs in the store."""

from dataclasses import replace

import pytest

from wildsage.store import tuning_trials
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


class TestWhatHasEnded:
    """It is read once."""

    @pytest.fixture
    def read(self, trials, state, monkeypatch):
        """How many rows each look at the trials has read, the first of which has ended."""
        counts = []

        def read(query, parameters=()):
            rows = type(state).read(state, query, parameters)
            counts.append(len(rows))
            return rows

        state.write_blocking(lambda t: TuningTrials.plan(t, JOB, [trial(3)]))
        for number in (1, 2):
            state.write_blocking(lambda t, number=number: TuningTrials.end(t, JOB, number, OUTCOME))
        monkeypatch.setattr(state, "read", read)
        return counts

    def test_only_the_last_of_it_is_read_again(self, trials, state, read):
        before = trials.of(JOB)
        assert trials.of(JOB) == before
        assert read == [3, 2]
        state.write_blocking(lambda t: TuningTrials.end(t, JOB, 3, OUTCOME))
        assert [one.outcome for one in trials.of(JOB)] == [OUTCOME] * 3
        state.write_blocking(lambda t: TuningTrials.plan(t, JOB, [trial(4)]))
        assert [one.number for one in trials.of(JOB)] == [1, 2, 3, 4]
        assert read[2:] == [2, 2]

    def test_what_a_reader_does_with_the_list_changes_nothing(self, trials, read):
        trials.of(JOB).clear()
        trials.of(JOB).clear()
        assert [one.number for one in trials.of(JOB)] == [1, 2, 3]

    def test_trials_of_a_new_tuning_job_of_that_name_are_others(self, trials, state, read):
        trials.of(JOB)
        state.write_blocking(lambda t: TuningTrials.forget(t, JOB))
        assert trials.of(JOB) == []
        trials.of(JOB)
        state.write_blocking(lambda t: TuningTrials.plan(t, JOB, [trial(1), trial(2), trial(3)]))
        assert trials.of(JOB) == [trial(1), trial(2), trial(3)]

    def test_the_same_without_a_look_between(self, trials, state, read):
        trials.of(JOB)

        def again(transaction):
            TuningTrials.forget(transaction, JOB)
            TuningTrials.plan(transaction, JOB, [trial(1), trial(2)])
            TuningTrials.end(transaction, JOB, 2, replace(OUTCOME, objective=0.25))

        state.write_blocking(again)
        first, second = trials.of(JOB)
        assert (first, second.outcome.objective) == (trial(1), 0.25)

    def test_it_is_not_kept_without_bound(self, trials, state, read, monkeypatch):
        monkeypatch.setattr(tuning_trials, "_MOST_KEPT", 3)
        other = replace(JOB, name="other")
        state.write_blocking(lambda t: TuningTrials.plan(t, other, [trial(1, "other"), trial(2, "other")]))
        for number in (1, 2):
            state.write_blocking(lambda t, number=number: TuningTrials.end(t, other, number, OUTCOME))
        for job in (JOB, other, other, JOB, JOB):
            trials.of(job)
        assert read == [3, 2, 1, 3, 2]


def test_ends_are_looked_for_among_open_trials_only(trials, state, monkeypatch):
    plans = []

    def read(query, parameters=()):
        plans.extend(
            row["detail"] for row in type(state).read(state, f"EXPLAIN QUERY PLAN {query}", parameters)
        )
        return []

    monkeypatch.setattr(state, "read", read)
    trials.with_ended_jobs()
    assert "SEARCH t USING INDEX tuning_trial_open (state=?)" in plans


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
