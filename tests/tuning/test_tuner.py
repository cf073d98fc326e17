"""The tuner's loop: which trials there are, when they are stopped, how a tuning job ends."""

import asyncio
import sqlite3

import pytest
from tests.services.sagemaker.tuning import several
from tests.tuning.lab import CONFIG, LIMITS, loss

from wildsage.core.errors import ServiceError, ValidationError
from wildsage.store.events import Events
from wildsage.store.tags import Tags
from wildsage.tuning import conductor

SERIAL = {f"{LIMITS}.MaxParallelTrainingJobs": 1}
GRID = {
    f"{CONFIG}.Strategy": "Grid",
    f"{CONFIG}.ParameterRanges": {
        "CategoricalParameterRanges": [
            {"Name": "x", "Values": ["1", "2", "3"]},
            {"Name": "colour", "Values": ["red", "blue"]},
        ]
    },
    f"{LIMITS}.MaxNumberOfTrainingJobs": None,
}


def carried(lab, work):
    """Run a test's work beside a tuner."""

    async def run():
        async with lab.tuner():
            return await work()

    return asyncio.run(run())


def tuned(lab, changes=None, objective=loss, name="tune", at_once=1):
    """Run a whole tuning job."""

    async def work():
        await lab.create(changes, name)
        return await lab.run(objective, name, at_once=at_once)

    return carried(lab, work)


def test_as_many_run_at_once_as_are_allowed_and_no_more_in_all(lab):
    async def work():
        await lab.create()
        most = 0
        while lab.job().status == "InProgress":
            running = lab.running()
            most = max(most, len(running))
            if len(running) == 2 or len(lab.records()) == 4:
                for one in running:
                    await lab.training.end(one.training_job, loss(one.point))
            await asyncio.sleep(0.002)
        return most

    assert carried(lab, work) == 2
    assert [one.number for one in lab.records()] == [1, 2, 3, 4]
    assert len(lab.training.created) == 4
    job = lab.job()
    assert job.status == "Completed"
    assert job.body["TrainingJobStatusCounters"]["Completed"] == 4
    assert [one.outcome.objective for one in lab.records()] == [loss(point) for point in lab.points()]


def test_training_jobs_are_made_as_the_definition_says(lab):
    async def work():
        await lab.create({"Tags": [{"Key": "team", "Value": "a"}], **SERIAL})
        (first,) = await lab.started(1)
        await lab.ask("Stop", HyperParameterTuningJobName="tune")
        await lab.training.end(first.training_job, status="Stopped")
        await lab.ended()
        return first

    first = carried(lab, work)
    job = lab.resources.get_by_arn(
        f"arn:aws:sagemaker:us-west-2:123456789012:training-job/{first.training_job}"
    )
    assert first.training_job.startswith("tune-001-")
    assert len(first.training_job) == len("tune-001-") + 8
    assert job.body["HyperParameters"] == {
        "epochs": "3",
        "_tuning_objective_metric": "loss",
        **first.point,
    }
    assert job.body["TuningJobArn"] == lab.job().arn
    assert job.body["Tags"] == Tags(lab.resources.database).of(lab.job().arn)
    assert job.body["_Objective"] == "loss"


@pytest.mark.parametrize("strategy", ["Random", "Hyperband", "Bayesian"])
def test_equal_seeds_repeat_the_points(lab, strategy):
    changes = {f"{CONFIG}.Strategy": strategy, f"{LIMITS}.MaxNumberOfTrainingJobs": 7, **SERIAL}
    for name in ("one", "two"):
        assert tuned(lab, changes, name=name).status == "Completed"
    tuned(lab, {**changes, f"{CONFIG}.RandomSeed": 8}, name="three")
    assert lab.points("one") == lab.points("two")
    assert lab.points("one") != lab.points("three")
    names = [one.training_job for name in ("one", "two") for one in lab.records(name)]
    assert len(set(names)) == 14


def test_random_points_do_not_depend_on_the_order_of_ends(lab):
    tuned(lab, {f"{LIMITS}.MaxParallelTrainingJobs": 3}, at_once=3, name="parallel")
    tuned(lab, SERIAL, name="serial")
    assert lab.points("parallel") == lab.points("serial")


def test_bayesian_search_learns(lab):
    changes = {f"{CONFIG}.Strategy": "Bayesian", f"{LIMITS}.MaxNumberOfTrainingJobs": 14, **SERIAL}
    tuned(lab, changes)
    assert min(one.outcome.objective for one in lab.records()) < 0.2


def test_a_grid_is_tried_in_its_order(lab):
    assert tuned(lab, GRID).status == "Completed"
    assert lab.points() == [{"x": x, "colour": colour} for x in "123" for colour in ("red", "blue")]


def test_definitions_take_turns_with_points_of_their_own(lab):
    async def work():
        await lab.create({f"{LIMITS}.MaxNumberOfTrainingJobs": 6, **SERIAL}, base=several())
        return await lab.run(loss)

    assert carried(lab, work).status == "Completed"
    records = lab.records()
    assert [one.definition for one in records] == ["a", "b", "a", "b", "a", "b"]
    assert records[0].point != records[1].point


class TestEndings:
    def test_the_target_is_reached(self, lab):
        async def work():
            await lab.create({f"{CONFIG}.TuningJobCompletionCriteria.TargetObjectiveMetricValue": 5.0})
            first, second = await lab.started(2)
            await lab.training.end(first.training_job, 5.0)
            await lab.until(lambda: lab.training.stops == [second.training_job])
            assert lab.job().status == "InProgress"
            await lab.training.end(second.training_job, 9.0, status="Stopped")
            return await lab.ended()

        job = carried(lab, work)
        assert job.status == "Completed"
        assert len(lab.records()) == 2
        assert job.body["TrainingJobStatusCounters"]["Stopped"] == 1
        # What a trial reached until it was stopped counts.
        assert job.body["ObjectiveStatusCounters"]["Succeeded"] == 2

    def test_the_best_does_not_improve(self, lab):
        criteria = {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}
        changes = {
            f"{CONFIG}.TuningJobCompletionCriteria": criteria,
            f"{LIMITS}.MaxNumberOfTrainingJobs": 20,
        }
        assert tuned(lab, {**changes, **SERIAL}, objective=lambda _point: 1.0).status == "Completed"
        assert len(lab.records()) == 4

    def test_nothing_more_is_expected(self, lab):
        criteria = {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}
        changes = {
            f"{CONFIG}.TuningJobCompletionCriteria": criteria,
            f"{LIMITS}.MaxNumberOfTrainingJobs": 40,
            **SERIAL,
        }
        job = tuned(lab, changes, objective=lambda _point: 2.0)
        assert job.status == "Completed"
        assert 10 < len(lab.records()) < 40
        assert job.created_at < job.body["_ConvergedAt"] <= job.body["HyperParameterTuningEndTime"]

    def test_time_is_up(self, lab, monkeypatch):
        async def work():
            await lab.create({f"{LIMITS}.MaxRuntimeInSeconds": 120})
            first, second = await lab.started(2)
            now = lab.clock.now
            monkeypatch.setattr(lab.clock, "now", lambda: now() + 121)
            await lab.training.end(first.training_job, 1.0)  # it looks again
            await lab.until(lambda: lab.training.stops)
            await lab.training.end(second.training_job, status="Stopped")
            return await lab.ended()

        assert carried(lab, work).status == "Completed"
        assert len(lab.records()) == 2

    def test_it_is_stopped(self, lab):
        async def work():
            await lab.create()
            first, second = await lab.started(2)
            await lab.ask("Stop", HyperParameterTuningJobName="tune")
            await lab.until(lambda: len(lab.training.stops) == 2)
            assert lab.job().status == "Stopping"
            for one in (first, second):
                await lab.training.end(one.training_job, status="Stopped")
            return await lab.ended()

        assert carried(lab, work).status == "Stopped"
        assert len(lab.records()) == 2

    def test_five_failures_before_a_success_are_enough(self, lab):
        async def work():
            await lab.create({f"{LIMITS}.MaxNumberOfTrainingJobs": 9})
            for _ in range(5):
                first = (await lab.started(2))[0]
                reason = "AlgorithmError: it broke, exit code: 1"
                await lab.training.end(first.training_job, status="Failed", reason=reason)
            await lab.until(lambda: lab.training.stops)
            await lab.training.end(lab.running()[0].training_job, status="Stopped")
            return await lab.ended()

        job = carried(lab, work)
        assert job.status == "Failed"
        reason = job.body["FailureReason"]
        assert reason.startswith("No training job succeeded after 5 attempts. For additional details")
        assert "AlgorithmError: it broke" in reason
        assert job.body["TrainingJobStatusCounters"]["NonRetryableError"] == 5

    def test_failures_after_a_success_do_not_end_it(self, lab):
        async def work():
            await lab.create({f"{LIMITS}.MaxNumberOfTrainingJobs": 8, **SERIAL})
            for number in range(8):
                (one,) = await lab.started(1)
                if number == 0:
                    await lab.training.end(one.training_job, 1.0)
                else:
                    await lab.training.end(one.training_job, status="Failed", reason="AlgorithmError: x")
            return await lab.ended()

        assert carried(lab, work).status == "Completed"

    def test_when_all_failed_it_failed(self, lab):
        async def work():
            await lab.create({f"{LIMITS}.MaxNumberOfTrainingJobs": 2})
            for _ in range(2):
                one = (await lab.started(1))[0]
                await lab.training.end(one.training_job, status="Failed", reason="ClientError: x")
            return await lab.ended()

        assert carried(lab, work).status == "Failed"

    def test_training_jobs_without_the_metric_are_no_best(self, lab):
        assert tuned(lab, objective=lambda _point: None).status == "Completed"
        assert lab.job().body["ObjectiveStatusCounters"] == {"Succeeded": 0, "Pending": 0, "Failed": 4}

    def test_a_training_job_that_cannot_be_made_fails_it(self, lab):
        async def work():
            await lab.create()
            first, second = await lab.started(2)
            lab.training.refusal = ValidationError("the role is gone")
            await lab.training.end(first.training_job, 1.0)
            await lab.until(lambda: lab.training.stops)
            await lab.training.end(second.training_job, status="Stopped")
            return await lab.ended()

        job = carried(lab, work)
        assert job.status == "Failed"
        assert "cannot be created: the role is gone" in job.body["FailureReason"]
        assert [one.number for one in lab.records()] == [1, 2]

    def test_a_store_in_trouble_is_waited_for(self, lab, monkeypatch):
        monkeypatch.setattr("wildsage.tuning.conductor._RETRY_SECONDS", 0.01)

        async def work():
            lab.training.refusal = ServiceError("the disk is full", code="InsufficientStorage", status=507)
            await lab.create()
            await lab.until(lambda: len(lab.records()) == 2)
            assert lab.training.created == []
            lab.training.refusal = None
            return await lab.run(loss)

        assert carried(lab, work).status == "Completed"
        assert len(lab.records()) == 4

    def test_a_fault_of_ours_is_said(self, lab, monkeypatch):
        monkeypatch.setattr("wildsage.tuning.conductor._RETRY_SECONDS", 0.01)
        monkeypatch.setattr("wildsage.tuning.view.View.room", property(lambda _view: 1 // 0))

        async def work():
            await lab.create()
            return await lab.ended()

        job = carried(lab, work)
        assert job.status == "Failed"
        assert job.body["FailureReason"].startswith("InternalServerError: ZeroDivisionError")

    def test_a_deleted_training_job_has_failed(self, lab):
        async def work():
            await lab.create(SERIAL)
            (one,) = await lab.started(1)
            key = lab.resources.get_by_arn(
                f"arn:aws:sagemaker:us-west-2:123456789012:training-job/{one.training_job}"
            ).key
            await lab.resources.database.write(lambda t: type(lab.resources).delete(t, key))
            await lab.ask("Stop", HyperParameterTuningJobName="tune")
            return await lab.ended()

        assert carried(lab, work).status == "Stopped"
        assert lab.records()[0].outcome.reason.startswith("the training job was deleted")

    def test_each_status_is_an_event(self, lab):
        tuned(lab)
        events = Events(lab.resources.database).read(0, 100)
        own = [one.subject["status"] for one in events if one.subject["kind"] == "hyper-parameter-tuning-job"]
        assert own == ["InProgress", "Completed"]


class TestEarlyStopping:
    async def curve(self, lab, training_job, values):
        for value in values:
            await lab.training.report(training_job, value)

    def test_a_trial_below_the_median_is_stopped(self, lab):
        changes = {
            f"{CONFIG}.TrainingJobEarlyStoppingType": "Auto",
            f"{LIMITS}.MaxNumberOfTrainingJobs": 5,
            **SERIAL,
        }

        async def work():
            await lab.create(changes)
            for _ in range(3):
                (one,) = await lab.started(1)
                await self.curve(lab, one.training_job, [3.0, 2.0, 1.0])
                await lab.training.end(one.training_job, 1.0)
            (good,) = await lab.started(1)
            await self.curve(lab, good.training_job, [2.9, 1.9])
            assert lab.training.stops == []
            await lab.training.end(good.training_job, 0.5)
            (bad,) = await lab.started(1)
            await self.curve(lab, bad.training_job, [3.1])
            await lab.until(lambda: lab.training.stops == [bad.training_job])
            await lab.training.end(bad.training_job, 3.1, status="Stopped")
            await lab.ended()

        carried(lab, work)
        last = lab.records()[-1].outcome
        assert (last.status, last.objective) == ("Stopped", 3.1)
        assert lab.reports()[5] == (3.1,)
        assert lab.reports()[1] == (3.0, 2.0, 1.0)
        assert lab.job().body["ObjectiveStatusCounters"]["Succeeded"] == 5

    def test_one_whose_stop_failed_is_judged_again(self, lab, monkeypatch):
        changes = {
            f"{CONFIG}.TrainingJobEarlyStoppingType": "Auto",
            f"{LIMITS}.MaxNumberOfTrainingJobs": 4,
            **SERIAL,
        }
        stop, failures = lab.training.stop, [sqlite3.OperationalError("disk I/O error")]

        async def failing(context, request):
            if failures:
                raise failures.pop()
            await stop(context, request)

        async def work():
            await lab.create(changes)
            for _ in range(3):
                (one,) = await lab.started(1)
                await self.curve(lab, one.training_job, [2.0, 1.0])
                await lab.training.end(one.training_job, 1.0)
            (bad,) = await lab.started(1)
            await self.curve(lab, bad.training_job, [2.5])
            await lab.until(lambda: lab.training.stops == [bad.training_job])  # it reports no more
            await lab.training.end(bad.training_job, 2.5, status="Stopped")
            await lab.ended()

        monkeypatch.setattr(lab.training, "stop", failing)
        monkeypatch.setattr(conductor, "_RETRY_SECONDS", 0.01)
        carried(lab, work)
        assert not failures

    def test_what_others_reported_outlives_the_server(self, lab):
        changes = {
            f"{CONFIG}.TrainingJobEarlyStoppingType": "Auto",
            f"{LIMITS}.MaxNumberOfTrainingJobs": 4,
            **SERIAL,
        }

        async def before():
            await lab.create(changes)
            for _ in range(3):
                (one,) = await lab.started(1)
                await self.curve(lab, one.training_job, [2.0, 1.0])
                await lab.training.end(one.training_job, 1.0)
            (bad,) = await lab.started(1)
            return bad.training_job

        bad = carried(lab, before)

        async def after():
            await self.curve(lab, bad, [2.5])
            await lab.until(lambda: lab.training.stops == [bad])
            await lab.training.end(bad, 2.5, status="Stopped")
            await lab.ended()

        carried(lab, after)

    def test_nobody_is_judged_where_it_is_off(self, lab):
        async def work():
            await lab.create({f"{LIMITS}.MaxNumberOfTrainingJobs": 5, **SERIAL})
            for value in (1.0, 1.0, 1.0, 9.0, 9.0):
                (one,) = await lab.started(1)
                await self.curve(lab, one.training_job, [value])
                await lab.training.end(one.training_job, value)
            await lab.ended()

        carried(lab, work)
        assert lab.training.stops == []

    def test_hyperband_lets_a_third_go_on_from_a_rung(self, lab):
        changes = {
            f"{CONFIG}.Strategy": "Hyperband",
            f"{CONFIG}.StrategyConfig.HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 3},
            f"{LIMITS}.MaxNumberOfTrainingJobs": 30,
            **SERIAL,
        }

        async def work():
            await lab.create(changes)
            spent = 0
            for _ in range(30):
                (one,) = await lab.started(1)
                for epoch in range(3):
                    before = len(lab.training.stops)
                    await lab.training.report(one.training_job, loss(one.point) + 3 - epoch)
                    spent += 1
                    await lab.judged(one.number, epoch + 1)
                    if len(lab.training.stops) > before:
                        break
                status = "Stopped" if one.training_job in lab.training.stops else "Completed"
                await lab.training.end(one.training_job, loss(one.point), status=status)
            await lab.ended()
            return spent

        spent = carried(lab, work)
        reached = {number: len(values) for number, values in lab.reports().items()}
        assert {*reached.values()} == {1, 3}
        assert spent < 70
        best = min(lab.records(), key=lambda one: one.outcome.objective)
        assert reached[best.number] == 3


class TestWarmStart:
    def warm(self, kind="IdenticalDataAndAlgorithm"):
        return {
            "WarmStartConfig": {
                "WarmStartType": kind,
                "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "parent"}],
            },
            f"{CONFIG}.Strategy": "Bayesian",
            f"{LIMITS}.MaxNumberOfTrainingJobs": 3,
            **SERIAL,
        }

    @pytest.mark.parametrize("kind", ["IdenticalDataAndAlgorithm", "TransferLearning"])
    def test_a_child_begins_where_its_parent_ended(self, lab, kind):
        parent = {f"{LIMITS}.MaxNumberOfTrainingJobs": 16, f"{CONFIG}.Strategy": "Bayesian", **SERIAL}
        tuned(lab, parent, name="parent")
        tuned(lab, self.warm(kind), name="child")
        cold = {**self.warm(kind), "WarmStartConfig": None}
        tuned(lab, {name: value for name, value in cold.items() if value}, name="cold")

        def best(name):
            return min(one.outcome.objective for one in lab.records(name))

        assert best("child") < 0.5 < best("cold")

    def test_it_is_not_recursive(self, lab):
        many = {f"{LIMITS}.MaxNumberOfTrainingJobs": 12, f"{CONFIG}.Strategy": "Bayesian", **SERIAL}
        tuned(lab, many, name="grandparent")
        once = self.warm()
        once["WarmStartConfig"]["ParentHyperParameterTuningJobs"][0]["HyperParameterTuningJobName"] = (
            "grandparent"
        )
        tuned(lab, {**once, f"{LIMITS}.MaxNumberOfTrainingJobs": 1}, name="parent")
        tuned(lab, self.warm(), name="child")
        # One trial of the parent is known: too few to choose by.
        assert lab.points("child")[0] != lab.points("parent")[0]
        assert min(one.outcome.objective for one in lab.records("child")[:1]) > 0.01
