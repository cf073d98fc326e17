"""Which questions a tuning job has for the search."""

import asyncio
from dataclasses import replace

from tests.services.sagemaker.tuning import several
from tests.tuning.lab import CONFIG, LIMITS

from wildsage.search.trial import Status
from wildsage.store.tuning_trials import Outcome, TrialRecord
from wildsage.tuning.view import Parents, View

DONE = Outcome("Completed", 1.5, "", 1.0, 2.0, 3.0)
LOST = Outcome("Completed", None, "", 1.0, 2.0, 3.0)


def record(number, outcome=None, definition=""):
    state = "running" if outcome is None else "ended"
    return TrialRecord(
        number, definition, f"t-{number}", {"x": str(number), "colour": "red"}, 1.0, state, outcome
    )


def view_of(lab, records, changes=None, base="curve"):
    asyncio.run(lab.create(changes, base=base))
    return View(lab.job(), tuple(records))


def test_the_search_sees_what_ended_and_what_runs(lab):
    view = view_of(lab, [record(1, DONE), record(2, LOST), record(3)])
    question = view.question(view.definitions[0], {1: (3.0, 1.5), 3: (2.0,)})
    assert [one.status for one in question.trials] == [Status.FINISHED, Status.FAILED, Status.RUNNING]
    assert [one.reports for one in question.trials] == [(3.0, 1.5), (), (2.0,)]
    assert (question.strategy, question.goal, question.seed) == ("Random", "Minimize", 7)


def test_room_is_what_both_limits_leave(lab):
    changes = {f"{LIMITS}.MaxNumberOfTrainingJobs": 4, f"{LIMITS}.MaxParallelTrainingJobs": 3}
    view = view_of(lab, [record(1, DONE), record(2)], changes)
    assert view.room == 2
    assert View(view.job, (*view.records, record(3, DONE))).room == 1
    assert view.allotted() == {"": 2}


def test_a_search_does_not_go_beyond_its_points(lab):
    changes = {
        f"{CONFIG}.ParameterRanges": {
            "CategoricalParameterRanges": [{"Name": "x", "Values": ["1", "2", "3"]}]
        },
        f"{LIMITS}.MaxNumberOfTrainingJobs": None,
        f"{LIMITS}.MaxParallelTrainingJobs": 9,
        f"{LIMITS}.MaxRuntimeInSeconds": 600,
    }
    assert view_of(lab, [record(1, DONE)], changes).room == 2


def test_definitions_have_seeds_of_their_own_and_take_turns(lab):
    changes = {f"{LIMITS}.MaxNumberOfTrainingJobs": 9, f"{LIMITS}.MaxParallelTrainingJobs": 4}
    view = view_of(lab, [record(1, DONE, "a")], changes, several())
    first, second = view.definitions
    assert view.allotted() == {"a": 2, "b": 2}
    assert view.question(first).seed != view.question(second).seed
    assert len(view.question(first).trials) == 1
    assert view.question(second).trials == ()


def test_names_differ_between_tuning_jobs_of_one_name(lab):
    view = view_of(lab, [])
    later = View(replace(view.job, created_at=view.job.created_at + 1), ())
    names = {one.trial(1, "", {}, 1.0).training_job for one in (view, view, later)}
    assert len(names) == 2
    assert all(name.startswith("tune-001-") for name in names)


async def end_with(lab, name, *records):
    """Store trials of a tuning job, the first of them ended, and let it end."""
    key = lab.job(name).key

    def fill(transaction):
        lab.trials.plan(transaction, key, records)
        lab.trials.end(transaction, key, records[0].number, DONE)
        lab.resources.transition(transaction, key, to="Completed", at=lab.clock.now())

    await lab.resources.database.write(fill)


def warm_start(kind, *names):
    parents = [{"HyperParameterTuningJobName": name} for name in names]
    return {"WarmStartConfig": {"WarmStartType": kind, "ParentHyperParameterTuningJobs": parents}}


def test_a_parents_static_hyperparameters_count_as_points(lab):
    async def work():
        await lab.create(name="parent")
        await end_with(lab, "parent", record(1), record(2))
        await lab.create(warm_start("TransferLearning", "parent"), name="child")

    asyncio.run(work())
    parents = Parents.of(lab.job("child"), lab.resources, lab.trials)
    ((trial,),) = parents.transfer
    assert trial.values == {"epochs": "3", "_tuning_objective_metric": "loss", "x": "1", "colour": "red"}
    assert parents.identical == ()


def test_of_a_parents_parent_nothing_is_taken_unless_it_is_named(lab):
    kind = "IdenticalDataAndAlgorithm"

    async def work():
        await lab.create(name="first")
        await end_with(lab, "first", record(1))
        await lab.create(warm_start(kind, "first"), name="second")
        await end_with(lab, "second", record(2))
        await lab.create(warm_start(kind, "second"), name="third")
        await lab.create(warm_start(kind, "second", "first"), name="both")

    asyncio.run(work())
    known = [
        [one.values["x"] for one in Parents.of(lab.job(name), lab.resources, lab.trials).identical]
        for name in ("third", "both")
    ]
    assert known == [["2"], ["2", "1"]]
