"""The server and hosts die while a job of several hosts runs: it ends once, with what all hosts made."""

import os
import random
import signal
from pathlib import Path

import pytest
from tests.faults.platform import let_pass, until

from wildsage.compute.select import choose

pytestmark = pytest.mark.skipif(not choose().private, reason="hosts find each other in a sandbox only")

STEPS = 20


def assert_all_ran_once(platform, name, hosts):
    lives = {}
    for host in range(1, hosts + 1):
        lines = platform.log(name, host)
        lives[f"algo-{host}"] = life = lines[0].removeprefix("begin ")
        assert lines == [
            f"begin {life}", *(f"step {step} loss={step}.25;" for step in range(STEPS)), f"end {life}"
        ]  # fmt: skip
    assert sorted(platform.metrics(name)) == sorted([step + 0.25 for step in range(STEPS)] * hosts)
    model = platform.model(name)
    del model["inputs.sha256"]
    assert model == lives, "what each host made"
    steps = [step["Status"] for step in platform.job(name)["SecondaryStatusTransitions"]]
    assert [steps.count(step) for step in ("Training", "Uploading", "Completed")] == [1, 1, 1]
    platform.assert_nothing_left()


def kill_again_and_again(platform, seed):
    chance = random.Random(seed)
    platform.create_job("job", count=2, STEPS=STEPS, PAUSE=0.02, NAMED=1)
    for _ in range(3):
        let_pass(chance.uniform(0, 0.7))
        platform.restart()
    assert platform.ended("job", 60)["TrainingJobStatus"] == "Completed"
    assert_all_ran_once(platform, "job", 2)


def test_the_server_is_killed_at_three_moments(platform):
    kill_again_and_again(platform, "once")


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(20))
def test_the_server_is_killed_again_and_again(platform, seed):
    kill_again_and_again(platform, seed)


def test_killed_with_the_server_a_host_takes_the_attempt_with_it(platform):
    platform.create_job("job", count=2, STEPS=STEPS, HOLD=1, NAMED=1)
    until(lambda: all(len(platform.log("job", host)) == STEPS + 1 for host in (1, 2)))
    platform.kill()
    for pid in platform.supervisors():
        if str(platform.run_of("job", 2).path).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    platform.start()
    until(lambda: platform.run_of("job").path.name.endswith(".2"))
    until(
        lambda: all(
            "launched" in [event.kind for event in platform.run_of("job", host).events()] for host in (1, 2)
        )
    )
    for host in (1, 2):
        (platform.run_of("job", host).ml / "go").touch()
    assert platform.ended("job", 60)["TrainingJobStatus"] == "Completed"
    assert [line.split()[0] for line in platform.log("job", 2)].count("begin") == 2
    assert platform.model("job").keys() == {"inputs.sha256", "algo-1", "algo-2"}
    platform.assert_nothing_left()
