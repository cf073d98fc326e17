"""The server is killed at every moment of a training job; the job runs once and ends once."""

import os
import random
import signal

import pytest
from tests.faults.platform import HALF_THE_MACHINE, let_pass, until

from wildsage.formats.logframes import encode_frame


def test_killed_right_after_the_create(platform):
    platform.create_job("job", STEPS=3)
    platform.restart()
    assert platform.ended("job")["TrainingJobStatus"] == "Completed"
    platform.assert_ran_once("job", steps=3)
    platform.assert_nothing_left()


def test_killed_while_waiting_for_capacity(platform):
    cores = max(2, os.cpu_count() or 1)
    running = [f"runs-{number}" for number in range(cores // (cores // 2))]
    for name in running:
        platform.create_job(name, instance=HALF_THE_MACHINE, HOLD=1)
    for name in running:
        until(lambda name=name: "launched" in platform.journal(name))
    platform.create_job("waits", instance=HALF_THE_MACHINE)
    until(lambda: platform.job("waits")["SecondaryStatus"] == "Pending")
    platform.restart()
    # The runs that live keep their slots: the job goes on waiting.
    until(lambda: platform.job("waits")["SecondaryStatus"] == "Pending")
    assert platform.journal("waits") == []
    for name in running:
        platform.let_go(name)
    for name in [*running, "waits"]:
        assert platform.ended(name)["TrainingJobStatus"] == "Completed"
        platform.assert_ran_once(name)
    platform.assert_nothing_left()


def caught_staging(platform):
    """Stop the server while the inputs of a job are copied; returns the job. On a busy machine one may be too fast."""
    for number in range(10):
        job = f"job-{number}"
        platform.create_job(job, inputs="s3://out/data/")
        until(lambda job=job: "downloading" in platform.journal(job), pause=0.002)
        platform.freeze()
        if "launched" not in platform.journal(job):
            return job
        platform.thaw()
        assert platform.ended(job)["TrainingJobStatus"] == "Completed"
    raise AssertionError("the inputs came too fast for this test")


def test_killed_while_inputs_are_staged(platform):
    content = random.Random(1).randbytes(48 * 1024 * 1024)
    for number in range(2):
        platform.client("s3").put_object(Bucket="out", Key=f"data/{number}", Body=content)
    job = caught_staging(platform)
    platform.kill()
    platform.start()
    assert platform.ended(job)["TrainingJobStatus"] == "Completed"
    platform.assert_ran_once(job, inputs=content * 2)
    platform.assert_nothing_left()


def test_killed_while_training(platform):
    platform.create_job("job", STEPS=200, PAUSE=0.005, HOLD=1)
    until(lambda: len(platform.log("job")) > 50)
    platform.kill()
    seen = len(platform.log("job"))
    until(lambda: len(platform.log("job")) > seen, 5)  # the job does not notice
    platform.start()
    assert platform.job("job")["TrainingJobStatus"] == "InProgress"
    platform.let_go("job")
    assert platform.ended("job")["TrainingJobStatus"] == "Completed"
    platform.assert_ran_once("job", steps=200)
    platform.assert_nothing_left()


def test_killed_between_the_end_of_the_container_and_its_settlement(platform):
    platform.create_job("job", STEPS=5, HOLD=1)
    folder = until(lambda: platform.run_of("job"))
    until(lambda: "launched" in platform.journal("job"))
    platform.freeze()
    platform.let_go("job")
    until(folder.exit_record)
    platform.kill()
    platform.start()
    assert platform.ended("job")["TrainingJobStatus"] == "Completed"
    platform.assert_ran_once("job", steps=5)
    platform.assert_nothing_left()


def test_stopped_while_the_server_dies(platform):
    platform.create_job("job", STEPS=1, HOLD=1)
    until(lambda: len(platform.log("job")) == 2)
    platform.client("sagemaker").stop_training_job(TrainingJobName="job")
    platform.restart()
    assert platform.ended("job")["TrainingJobStatus"] == "Stopped"
    assert platform.metrics("job") == [0.25]
    platform.assert_nothing_left()


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(40))
def test_killed_again_and_again(platform, seed):
    """Kills at random moments, adoption and settlement among them."""
    chance = random.Random(seed)
    platform.create_job("job", STEPS=20, PAUSE=0.01)
    for _ in range(3):
        end = platform.job("job")["TrainingJobStatus"]
        let_pass(chance.uniform(0, 0.5))
        platform.restart()
        assert end in ("InProgress", platform.job("job")["TrainingJobStatus"]), "a terminal state changed"
    assert platform.ended("job")["TrainingJobStatus"] == "Completed"
    platform.assert_ran_once("job", steps=20)
    platform.assert_nothing_left()


def test_the_supervisor_is_killed_while_it_writes(platform):
    """The second attempt goes on in the same log, behind what the first one tore off."""
    platform.create_job("job", STEPS=2, HOLD=1)
    until(lambda: len(platform.log("job")) == 3)
    first = platform.run_of("job")
    (supervisor,) = platform.supervisors()
    os.kill(supervisor, signal.SIGSTOP)
    (segment,) = platform.layout.logs.iterdir()
    with segment.open("ab") as file:
        file.write(encode_frame(1, b"step 2 loss=2.25;")[:-3])
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: platform.run_of("job").path != first.path)
    until(lambda: "launched" in platform.journal("job"))
    platform.let_go("job")
    assert platform.ended("job")["TrainingJobStatus"] == "Completed"
    steps = ["step 0 loss=0.25;", "step 1 loss=1.25;"]
    attempts = "\n".join(platform.log("job")).split("begin ")[1:]
    assert [attempt.splitlines()[1:3] for attempt in attempts] == [steps, steps]
    assert platform.metrics("job") == [0.25, 1.25] * 2
    history = [step["Status"] for step in platform.job("job")["SecondaryStatusTransitions"]]
    assert history.count("Restarting") == 1
    platform.assert_nothing_left()


def test_a_job_outlives_the_deletion_of_its_log_group(platform):
    logs, sagemaker = platform.client("logs"), platform.client("sagemaker")
    platform.create_job("job", STEPS=2, HOLD=1)
    until(lambda: platform.metrics("job") == [0.25, 1.25])
    logs.delete_log_group(logGroupName="/aws/sagemaker/TrainingJobs")
    with pytest.raises(sagemaker.exceptions.ClientError, match="InProgress and cannot be deleted"):
        sagemaker.delete_training_job(TrainingJobName="job")
    platform.restart()
    platform.let_go("job")
    job = platform.ended("job")
    assert job["TrainingJobStatus"] == "Completed"
    assert [metric["Value"] for metric in job["FinalMetricDataList"]] == [1.25]
    platform.create_job("next", STEPS=1)
    assert platform.ended("next")["TrainingJobStatus"] == "Completed"
    platform.assert_ran_once("next", steps=1)
    streams = logs.describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs")["logStreams"]
    assert [stream["logStreamName"].partition("/")[0] for stream in streams] == ["next"]
    assert len(list(platform.layout.logs.iterdir())) == 1
    sagemaker.delete_training_job(TrainingJobName="job")
    platform.assert_nothing_left()
