"""Jobs that wait for capacity, with a reconciler at work."""

import asyncio
from dataclasses import replace

from tests.jobs.platform import play, statuses

from wildsage.jobs.capacity import Capacity
from wildsage.jobs.reconciler import JobReconciler
from wildsage.services.sagemaker.training_job import TrainingJobs


def test_a_job_that_waits_says_so_and_can_be_stopped(platform, tmp_path):
    platform.image(tmp_path, "slow", "trap 'exit 0' TERM; while :; do sleep 0.05; done")

    async def story():
        for name in ("one", "two", "three"):
            await platform.create(name, "slow")
        waiting = await platform.until("three", lambda job: job["SecondaryStatus"] == "Pending")
        await platform.jobs.stop(platform.context, {"TrainingJobName": "three"})
        three = await platform.ended("three")
        for name in ("one", "two"):
            await platform.jobs.stop(platform.context, {"TrainingJobName": name})
        await platform.ended("one")
        await platform.ended("two")
        return waiting, three

    waiting, three = play(platform, story)
    assert waiting["SecondaryStatusTransitions"][-1]["StatusMessage"] == "Waiting for capacity (1 ahead)"
    assert three["TrainingJobStatus"] == "Stopped"
    assert "TrainingStartTime" not in three


def carried():
    """The runs that have a task."""
    return sum(task.get_name().startswith("run-") for task in asyncio.all_tasks())


def test_jobs_that_wait_have_no_task_until_their_turn_or_stop(platform, tmp_path):
    platform.image(tmp_path, "slow", "trap 'exit 0' TERM; while :; do sleep 0.05; done")
    platform.image(tmp_path, "quick", "exit 0")

    async def story(reconciler, capacity):
        platform.jobs = TrainingJobs(platform.resources, replace(platform.rules, ahead=capacity.ahead_for))
        reconciler.start()
        for name in ("one", "two"):
            await platform.create(name, "slow")
            await platform.until(name, lambda job: job["SecondaryStatus"] == "Training")
        for name in ("first", "second", "third"):
            await platform.create(name, "quick")
        while capacity.ahead() < 3:
            await asyncio.sleep(0.01)
        assert carried() == 2
        waiting = await platform.describe("third")
        await platform.jobs.stop(platform.context, {"TrainingJobName": "second"})
        stopped = await platform.ended("second")
        while capacity.ahead() > 2:  # its turn is left right behind its end
            await asyncio.sleep(0.01)
        await platform.jobs.stop(platform.context, {"TrainingJobName": "one"})
        first = await platform.ended("first")
        await platform.jobs.stop(platform.context, {"TrainingJobName": "two"})
        third = await platform.ended("third")
        while carried():
            await asyncio.sleep(0.01)
        assert capacity.used == 0
        return waiting, stopped, first, third

    async def run():
        capacity = Capacity(2)
        reconciler = JobReconciler(platform.rooms, capacity)
        try:
            return await asyncio.wait_for(story(reconciler, capacity), 40)
        finally:
            await reconciler.stop()

    waiting, stopped, first, third = asyncio.run(run())
    assert statuses(waiting) == ["Starting", "Pending"]
    assert statuses(stopped) == ["Starting", "Pending", "Stopping", "Stopped"]
    assert [job["TrainingJobStatus"] for job in (first, third)] == ["Completed", "Completed"]
    assert first["TrainingStartTime"] <= third["TrainingStartTime"]


def test_a_server_that_ends_begins_nothing_that_waits_and_the_next_one_does(platform, tmp_path):
    platform.image(tmp_path, "quick", "exit 0")
    names = ("a", "b", "c")

    async def wait_and_end():
        capacity = Capacity(2)
        full = capacity.request(capacity.slot_for(96)), capacity.request(capacity.slot_for(96))
        platform.jobs = TrainingJobs(platform.resources, replace(platform.rules, ahead=capacity.ahead_for))
        reconciler = JobReconciler(platform.rooms, capacity)
        reconciler.start()
        for name in names:
            await platform.create(name, "quick")
        while capacity.ahead() < len(names):
            await asyncio.sleep(0.01)
        for turn in full:
            capacity.leave(turn)  # the turns of two have come, and the server ends before it notices
        await reconciler.stop()
        await asyncio.sleep(0)
        assert carried() == 0
        assert (capacity.used, capacity.ahead()) == (0, 0)
        return [(await platform.describe(name))["SecondaryStatus"] for name in names]

    assert asyncio.run(wait_and_end()) == ["Pending"] * 3

    async def story():
        return [(await platform.ended(name))["TrainingJobStatus"] for name in names]

    assert play(platform, story) == ["Completed"] * 3
