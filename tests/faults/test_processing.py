"""The server or the supervisor is killed at every moment of a processing job: nothing is lost, nothing runs twice."""

import os
import random
import signal

import pytest
from tests.faults.platform import let_pass, until

pytestmark = pytest.mark.faults

MODES = ["EndOfJob", "Continuous"]


def test_killed_right_after_the_create(platform):
    platform.create_processing_job("job", STEPS=3)
    platform.restart()
    platform.processed("job")
    platform.assert_processed_once("job", steps=3)
    platform.assert_nothing_left()


def test_killed_while_outputs_come(platform):
    """What the supervisor sends while nobody is there is uploaded by the next server, before the job's end."""
    platform.create_processing_job("job", mode="Continuous", STEPS=3, HOLD=1)
    folder = until(lambda: platform.run_of("job"))
    until(lambda: "launched" in platform.journal("job"))
    platform.kill()
    until(lambda: len([path for path in folder.sent.rglob("part-*") if path.is_file()]) == 3)
    platform.start()
    until(lambda: len(platform.outputs("job")) == 3)
    assert platform.processing_job("job")["ProcessingJobStatus"] == "InProgress"
    platform.let_go("job")
    platform.processed("job")
    platform.assert_processed_once("job", steps=3)
    platform.assert_nothing_left()


@pytest.mark.parametrize("mode", ["EndOfJob", pytest.param("Continuous", marks=pytest.mark.faults)])
def test_killed_between_the_end_of_the_container_and_its_settlement(platform, mode):
    platform.create_processing_job("job", mode=mode, STEPS=4, HOLD=1)
    folder = until(lambda: platform.run_of("job"))
    until(lambda: "launched" in platform.journal("job"))
    platform.freeze()
    platform.let_go("job")
    until(folder.exit_record)
    platform.kill()
    platform.start()
    platform.processed("job")
    platform.assert_processed_once("job", steps=4)
    platform.assert_nothing_left()


def test_a_job_whose_supervisor_is_killed_runs_once_more_then_fails(platform):
    """What it had uploaded by then stays."""
    platform.create_processing_job("job", mode="Continuous", STEPS=2, HOLD=1)
    until(lambda: len(platform.outputs("job")) == 2)
    for attempt in (1, 2):
        until(lambda attempt=attempt: len(platform.log("job")) == attempt)
        (supervisor,) = platform.supervisors()
        os.kill(supervisor, signal.SIGKILL)
    job = platform.processed("job")
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: the process that carried the job is gone")
    assert platform.outputs("job") == {"part-0": "part 0\n", "part-1": "part 1\n"}
    platform.assert_nothing_left()


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(20))
def test_killed_again_and_again(platform, seed):
    """Kills at random moments, adoption and settlement among them."""
    chance = random.Random(seed)
    platform.create_processing_job("job", mode=chance.choice(MODES), STEPS=40, PAUSE=0.05)
    for _ in range(3):
        end = platform.processing_job("job")["ProcessingJobStatus"]
        let_pass(chance.uniform(0, 1.5))
        platform.restart()
        assert end in ("InProgress", platform.processing_job("job")["ProcessingJobStatus"])
    platform.processed("job")
    platform.assert_processed_once("job", steps=40)
    platform.assert_nothing_left()
