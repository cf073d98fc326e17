"""Runs that nobody watches, or nobody carries any more."""

import os
import signal

from tests.jobs.platform import play, statuses, supervisor_of

from wildsage.supervisor.folder import RunFolder


def test_a_job_goes_on_while_nobody_reconciles(platform, tmp_path):
    """The server may die at any time: its supervisors are not its children."""
    platform.image(
        tmp_path,
        "steps",
        "for i in 1 2 3 4 5 6 7 8 9; do echo step=$i; sleep 0.1; done; echo w > /opt/ml/model/w",
    )

    async def first():
        metric = {"Name": "step", "Regex": "step=(.*)"}
        await platform.create("job", "steps", AlgorithmSpecification={"MetricDefinitions": [metric]})
        await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")

    async def second():
        return await platform.ended("job")

    play(platform, first)
    job = play(platform, second)
    assert job["TrainingJobStatus"] == "Completed"
    assert statuses(job).count("Training") == 1
    assert platform.log("job") == [f"step={number}" for number in range(1, 10)]
    points = platform.rooms.logs.database.read("SELECT value FROM job_metric ORDER BY id")
    assert [row["value"] for row in points] == [float(number) for number in range(1, 10)]


def test_a_lost_run_is_launched_once_more_then_fails(platform, tmp_path):
    platform.image(tmp_path, "slow", "echo begin; while :; do sleep 0.05; done")

    async def story():
        await platform.create("job", "slow")
        for attempt in (1, 2):
            await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")
            await platform.until("job", lambda _, seen=attempt: platform.log("job").count("begin") == seen)
            (folder,) = [folder for folder in platform.run_folders() if folder.is_alive()]
            os.kill(supervisor_of(folder), signal.SIGKILL)
            await platform.until("job", lambda job: job["SecondaryStatus"] != "Training")
        return await platform.ended("job")

    job = play(platform, story)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: the process that carried the job is gone")
    assert "Restarting" in statuses(job)
    assert platform.log("job") == ["begin", "begin"]


def test_a_supervisor_that_never_begins_is_given_up(platform, tmp_path, monkeypatch):
    platform.image(tmp_path, "good", "exit 0")
    launches = []
    monkeypatch.setattr(RunFolder, "launch", lambda folder: launches.append(folder.path))

    async def story():
        await platform.create("job", "good")
        job = await platform.ended("job")
        await platform.emptied()
        return job

    job = play(platform, story)
    assert job["TrainingJobStatus"] == "Failed"
    assert "the process that carried the job is gone" in job["FailureReason"]
    assert len(launches) == 2 * 4  # two attempts, each launched and launched again three times
