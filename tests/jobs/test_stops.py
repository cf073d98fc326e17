"""Jobs that are stopped, or run over their time, wherever they are."""

import asyncio
import os
import signal

import pytest
from tests.jobs.platform import play, statuses, supervisor_of

from wildsage.core.errors import ValidationError
from wildsage.store.logs import LogStreams


def test_stop_keeps_what_was_made_so_far(platform, tmp_path):
    platform.image(
        tmp_path,
        "slow",
        "echo early > /opt/ml/model/w; trap 'echo leaving; exit 0' TERM; echo ready; while :; do sleep 0.05; done",
    )

    async def story():
        await platform.create("job", "slow")
        await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")
        await platform.jobs.stop(platform.context, {"TrainingJobName": "job"})
        job = await platform.ended("job")
        with pytest.raises(ValidationError, match="is in status Stopped"):
            await platform.jobs.stop(platform.context, {"TrainingJobName": "job"})
        return job

    job = play(platform, story)
    assert job["TrainingJobStatus"] == "Stopped"
    assert statuses(job)[-3:] == ["Stopping", "Uploading", "Stopped"]
    assert platform.buckets.head("out", "models/job/output/model.tar.gz") is not None


def test_a_job_over_its_time_is_stopped(platform, tmp_path):
    platform.image(tmp_path, "slow", "sleep 60")

    async def story():
        await platform.create("job", "slow", StoppingCondition={"MaxRuntimeInSeconds": 1})
        return await platform.ended("job")

    job = play(platform, story)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_job_is_stopped_while_its_environment_is_prepared(platform, tmp_path, monkeypatch):
    platform.image(tmp_path, "good", "exit 0")
    begun, cancelled = asyncio.Event(), []

    async def prepare(_launcher, _run, _job):
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    monkeypatch.setattr("wildsage.jobs.launch.Launcher.is_prepared", lambda _launcher, _job: False)
    monkeypatch.setattr("wildsage.jobs.launch.Launcher.prepare", prepare)

    async def story():
        await platform.create("job", "good")
        await begun.wait()
        await platform.jobs.stop(platform.context, {"TrainingJobName": "job"})
        return await platform.ended("job")

    job = play(platform, story)
    assert job["TrainingJobStatus"] == "Stopped"
    assert cancelled == [True]
    assert platform.run_folders() == []


def test_a_run_that_is_lost_while_it_stops_is_stopped(platform, tmp_path):
    platform.image(tmp_path, "deaf", "trap '' TERM; echo begin; while :; do sleep 0.05; done")

    async def story():
        await platform.create("job", "deaf")
        await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")
        await platform.until("job", lambda _: platform.log("job") == ["begin"])
        await platform.jobs.stop(platform.context, {"TrainingJobName": "job"})
        (folder,) = platform.run_folders()
        os.kill(supervisor_of(folder), signal.SIGKILL)
        return await platform.ended("job")

    job = play(platform, story)
    assert job["TrainingJobStatus"] == "Stopped"
    assert "FailureReason" not in job


def test_lines_without_end_hide_neither_a_stop_nor_the_end(platform, tmp_path, monkeypatch):
    """The tailer of a run that lives reads one portion at a time."""
    platform.image(tmp_path, "slow", "trap 'exit 0' TERM; echo begin; while :; do sleep 0.05; done")
    scan = LogStreams.scan

    async def behind(logs, *arguments):
        """There is always more while the container lives."""
        return await scan(logs, *arguments) or any(folder.is_alive() for folder in platform.run_folders())

    monkeypatch.setattr(LogStreams, "scan", behind)

    async def story():
        await platform.create("job", "slow")
        await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")
        await platform.until("job", lambda _: platform.log("job") == ["begin"])
        await platform.jobs.stop(platform.context, {"TrainingJobName": "job"})
        return await platform.ended("job")

    assert play(platform, story)["TrainingJobStatus"] == "Stopped"
