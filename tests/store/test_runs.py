"""Runs of jobs of several kinds, and those of a state from before there were any."""

from wildsage.store import migrate
from wildsage.store.database import Database
from wildsage.store.resources import Key, Resources
from wildsage.store.runs import PROCESSING_JOB, TRAINING_JOB, Runs, first_run_id

TRAINING, PROCESSING = (Key("1", "r", kind, "job") for kind in (TRAINING_JOB, PROCESSING_JOB))


def test_jobs_of_two_kinds_may_have_one_name(state):
    runs = Runs(state)

    def story(transaction):
        for number, key in enumerate((TRAINING, PROCESSING)):
            body = {"number": number}
            Resources.insert(transaction, key, arn=key.kind, status="InProgress", at=1.0, body=body)
            Runs.queue(transaction, f"run-{number}", key, 1, 1.0)
        Resources.transition(transaction, PROCESSING, to="Stopping", at=2.0)

    state.write_blocking(story)
    assert [(gang.run_id, job.body["number"]) for gang, job in runs.unsettled_with_jobs()] == [
        ("run-0", 0),
        ("run-1", 1),
    ]
    assert [run.run_id for run in runs.of(PROCESSING)] == ["run-1"]
    assert runs.of(PROCESSING)[0].job == PROCESSING
    assert runs.stopping() == {"run-1"}
    state.write_blocking(lambda t: Runs.forget(t, PROCESSING))
    assert [run.run_id for run in runs.unsettled()] == ["run-0"]


def test_the_runs_of_an_attempt_are_a_gang(state):
    runs = Runs(state)

    def story(transaction):
        for key, hosts in ((TRAINING, 3), (PROCESSING, 1)):
            Resources.insert(transaction, key, arn=key.kind, status="InProgress", at=1.0, body={})
            Runs.queue(transaction, f"{key.kind}.1", key, 1, 1.0, hosts)

    state.write_blocking(story)
    (gang, _), (alone, _) = runs.unsettled_with_jobs()
    ids = ["training-job.1", "training-job.1-2", "training-job.1-3"]
    assert [(run.run_id, run.host) for run in gang.runs] == list(zip(ids, (1, 2, 3), strict=True))
    assert (gang.run_id, gang.next_run_id, len(alone.runs)) == ("training-job.1", "training-job.2", 1)
    assert runs.unsettled_with_jobs(gang.runs[-1].id) == runs.unsettled_with_jobs()[1:]
    assert runs.unsettled_gang(gang) == gang
    state.write_blocking(lambda t: Runs.mark_settled(t, gang))
    assert runs.unsettled_gang(gang) is None
    assert [one.run_id for one, _ in runs.unsettled_with_jobs()] == ["processing-job.1"]


def test_runs_of_before_are_of_training_jobs(tmp_path, monkeypatch):
    scripts = migrate._scripts("state")
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "_scripts", lambda _: [script for script in scripts if script[0] < 11])
        database = Database(tmp_path / "state.db", "state")
        database.write_blocking(
            lambda t: t.execute(
                "INSERT INTO training_run (run_id, account, region, job_name, attempt, state, queued_at)"
                " VALUES ('old', '1', 'r', 'job', 1, 'queued', 1.0)"
            )
        )
        database.close()
    database = Database(tmp_path / "state.db", "state")
    (run,) = Runs(database).unsettled()
    database.close()
    assert (run.run_id, run.job, run.state, run.host) == ("old", TRAINING, "queued", 1)


def test_ids_grow_with_time_and_say_of_what_they_are():
    first, later = first_run_id("train", 1.0), first_run_id("train", 2.0)
    assert first < later
    assert first.startswith("train-")
    assert first.endswith(".1")
