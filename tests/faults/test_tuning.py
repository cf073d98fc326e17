"""The server is killed while it tunes: the same trials go on, none twice, none lost."""

import random

import pytest
from tests.faults.platform import let_pass, until


def test_killed_right_after_the_create(platform):
    platform.create_tuning_job("tune", jobs=3, at_once=2, STEPS=2)
    platform.restart()
    assert platform.tuned("tune")["HyperParameterTuningJobStatus"] == "Completed"
    platform.assert_tried_once("tune", 3, steps=2)
    platform.assert_nothing_left()


def test_killed_while_trials_run(platform):
    platform.create_tuning_job("tune", jobs=3, at_once=2, STEPS=2, HOLD=1)
    first, second = until(lambda: len(trials := platform.trials("tune")) == 2 and trials)
    for trial in (first, second):
        until(lambda trial=trial: "launched" in platform.journal(trial["TrainingJobName"]))
    platform.kill()
    platform.let_go(first["TrainingJobName"])  # it ends while no server is there
    until(platform.run_of(first["TrainingJobName"]).exit_record)
    platform.start()
    third = until(lambda: len(trials := platform.trials("tune")) == 3 and trials)[2]
    until(lambda: "launched" in platform.journal(third["TrainingJobName"]))
    for trial in (second, third):
        platform.let_go(trial["TrainingJobName"])
    assert platform.tuned("tune")["HyperParameterTuningJobStatus"] == "Completed"
    platform.assert_tried_once("tune", 3, steps=2)
    platform.assert_nothing_left()


def test_a_kill_changes_no_point(platform):
    for name in ("undisturbed", "killed"):
        platform.create_tuning_job(name, jobs=4, at_once=2, seed=5, STEPS=1)
        if name == "killed":
            until(lambda: platform.trials("killed"))
            platform.restart()
        platform.tuned(name)
    points = [
        [trial["TunedHyperParameters"] for trial in platform.trials(name)]
        for name in ("undisturbed", "killed")
    ]
    assert points[0] == points[1]


def test_stopped_while_the_server_dies(platform):
    platform.create_tuning_job("tune", jobs=9, at_once=2, STEPS=1, HOLD=1)
    trials = until(lambda: len(found := platform.trials("tune")) == 2 and found)
    for trial in trials:
        until(lambda trial=trial: len(platform.log(trial["TrainingJobName"])) == 2)
    platform.client("sagemaker").stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="tune")
    platform.restart()
    job = platform.tuned("tune")
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert job["TrainingJobStatusCounters"]["Stopped"] == 2
    assert [trial["TrainingJobStatus"] for trial in platform.trials("tune")] == ["Stopped", "Stopped"]
    platform.assert_nothing_left()


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(20))
def test_killed_again_and_again(platform, seed):
    """Kills at random moments of planning, creation, running and settlement."""
    chance = random.Random(seed)
    platform.create_tuning_job("tune", jobs=6, at_once=2, STEPS=3, PAUSE=0.02)
    for _ in range(4):
        let_pass(chance.uniform(0, 1.0))
        platform.restart()
    assert platform.tuned("tune")["HyperParameterTuningJobStatus"] == "Completed"
    platform.assert_tried_once("tune", 6, steps=3)
    platform.assert_nothing_left()
