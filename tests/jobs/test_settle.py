"""The end of a job: why it failed, in AWS's form, and what becomes of its folder and its artifacts."""

import asyncio
import errno
import time

import pytest
from tests.jobs.platform import play

from wildsage.jobs.kind import IMAGE_KIND
from wildsage.jobs.settle import failure_reason
from wildsage.store.objects import Objects
from wildsage.store.resources import Key, Resource
from wildsage.supervisor.contract import ExitRecord
from wildsage.supervisor.folder import RunFolder
from wildsage.supervisor.kept import KeptRuns

KEY = Key("1", "r", "training-job", "job")


def reason(kind, **record):
    body = {"RoleArn": "arn:aws:iam::1:role/R", IMAGE_KIND: kind}
    job = Resource(1, KEY, "arn", "InProgress", 10.0, 10.0, body)
    return failure_reason(job, ExitRecord(**{"outcome": "failed", "at": 1.0, "exit_code": 1, **record}))


@pytest.mark.parametrize(
    ("kind", "failure", "start"),
    [
        ("framework", "InstallRequirementsError:\nExitCode 1", "ClientError: InstallRequirementsError:"),
        ("framework", "InstallModuleError:\nExitCode 1", "ClientError: InstallModuleError:"),
        ("framework", "DistributionError: the launcher", "ClientError: DistributionError: the launcher"),
        ("framework", "ExecuteUserScriptError:\nExitCode 1", "AlgorithmError: ExecuteUserScriptError:"),
        ("registered", "DistributionError: mine", "DistributionError: mine"),
    ],
)
def test_who_is_at_fault_shows_in_how_the_reason_begins(kind, failure, start):
    assert reason(kind, failure=failure).startswith(start)


def test_without_a_message_the_end_of_the_log_is_the_reason():
    assert reason("registered", log_tail=("first", "last")).startswith(
        "AlgorithmError: first\nlast, exit code: 1"
    )


def test_what_sparks_launcher_says_failed_is_the_reason():
    tail = (
        "INFO ShutdownHookManager: hook",
        "smspark-submit: the application failed: ValueError: bad",
        "  rows",
    )
    assert reason("framework", log_tail=tail).startswith(
        "AlgorithmError: smspark-submit: the application failed: ValueError: bad\n  rows, exit code: 1"
    )


def test_the_folder_of_a_failed_run_is_kept_elsewhere_and_those_a_crash_left_go(platform, tmp_path):
    platform.image(tmp_path, "bad", "exit 5")
    left = RunFolder(platform.layout.runs / "train-0123.1")
    (left.path / "ml").mkdir(parents=True)
    worker = RunFolder(platform.layout.runs / "serve-0123")
    worker.path.mkdir()

    async def story():
        await platform.create("job", "bad")
        await platform.ended("job")
        while platform.run_folders() != [worker]:
            await asyncio.sleep(0.02)
        while not platform.rooms.kept.list():
            await asyncio.sleep(0.02)
        # What somebody works in is not removed, and a supervisor is not gone with its last word.
        while platform.rooms.kept.list()[0].folder.is_alive():
            await asyncio.sleep(0.02)

    play(platform, story)
    (kept,) = platform.rooms.kept.list()
    assert kept.job == "arn:aws:sagemaker:us-west-2:123456789012:training-job/job"
    assert kept.folder.exit_record().exit_code == 5

    async def deletion():
        await platform.jobs.delete(platform.context, {"TrainingJobName": "job"})

    async def swept():
        while platform.rooms.kept.list():
            await asyncio.sleep(0.02)

    asyncio.run(deletion())
    play(platform, swept)


@pytest.mark.parametrize(("troubles", "is_kept"), [(2, True), (99, False)])
def test_a_folder_that_cannot_be_put_away_at_once_is_tried_again_and_given_up_at_last(
    platform, tmp_path, monkeypatch, caplog, troubles, is_kept
):
    platform.image(tmp_path, "bad", "exit 5")
    monkeypatch.setattr("wildsage.jobs.settle._TIDY_PAUSE_SECONDS", 0.01)
    tried, keep = [], KeptRuns.keep

    def in_trouble(kept, run, *arguments):
        tried.append(True)
        if len(tried) <= troubles:
            raise OSError(errno.EBUSY, "Device or resource busy")
        while run.is_alive():  # its supervisor writes there still, and might be one trouble more
            time.sleep(0.01)
        return keep(kept, run, *arguments)

    monkeypatch.setattr(KeptRuns, "keep", in_trouble)

    async def story():
        await platform.create("job", "bad")
        job = await platform.ended("job")
        while not (platform.rooms.kept.list() or "cannot be put away" in caplog.text):
            await asyncio.sleep(0.02)
        return job

    assert play(platform, story)["TrainingJobStatus"] == "Failed"
    assert len(tried) == (3 if is_kept else 5)
    assert bool(platform.rooms.kept.list()) == is_kept


def test_a_full_disk_is_waited_for(platform, tmp_path, monkeypatch):
    """No space for a stop request, then none for the artifacts: the job is as it should be in the end."""
    platform.image(
        tmp_path, "slow", "trap 'echo w > /opt/ml/model/w; exit 0' TERM; while :; do sleep 0.05; done"
    )
    monkeypatch.setattr("wildsage.jobs.reconciler._RETRY_SECONDS", 0.05)
    trouble = {"stop": 2, "adopt": 2}

    def full(name, function):
        def wrapped(*arguments):
            if trouble[name]:
                trouble[name] -= 1
                raise OSError(errno.ENOSPC, "No space left on device")
            return function(*arguments)

        return wrapped

    monkeypatch.setattr(RunFolder, "request_stop", full("stop", RunFolder.request_stop))
    monkeypatch.setattr(Objects, "_adopt", full("adopt", Objects._adopt))

    async def story():
        await platform.create("job", "slow")
        await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")
        await platform.jobs.stop(platform.context, {"TrainingJobName": "job"})
        return await platform.ended("job")

    job = play(platform, story)
    assert trouble == {"stop": 0, "adopt": 0}
    assert job["TrainingJobStatus"] == "Stopped", job
    assert platform.buckets.head("out", "models/job/output/model.tar.gz") is not None
