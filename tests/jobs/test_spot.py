"""The times at which capacity is taken back, and what an attempt costs."""

import asyncio
import statistics
from types import SimpleNamespace

import pytest

from wildsage.core.errors import ValidationError
from wildsage.jobs.attempts import Attempts, wait_left
from wildsage.jobs.spot import Interruptions, SpotMarket
from wildsage.store.resources import Key, Resource
from wildsage.store.runs import Run
from wildsage.supervisor.folder import RunFolder
from wildsage.supervisor.journal import Journal

KEY = Key("123456789012", "us-west-2", "training-job", "job")


def job(*, is_spot=True, **body):
    return Resource(
        1, KEY, "arn:job", "InProgress", 1000.0, 1000.0, {"EnableManagedSpotTraining": is_spot, **body}
    )


def test_without_a_rate_and_without_spot_nothing_is_taken_back():
    assert SpotMarket().interruption(job(), 1) is None
    assert SpotMarket(per_hour=10).interruption(job(is_spot=False), 1) is None


def test_a_seed_repeats_what_it_did():
    market = SpotMarket(per_hour=60, seed=3)
    times = [market.interruption(job(), attempt) for attempt in range(1, 4)]
    assert times == [SpotMarket(per_hour=60, seed=3).interruption(job(), attempt) for attempt in range(1, 4)]
    assert (
        len(
            {
                *times,
                *(SpotMarket(per_hour=60, seed=4).interruption(job(), attempt) for attempt in range(1, 4)),
            }
        )
        == 6
    )


def test_the_rate_is_held_and_has_no_memory():
    market = SpotMarket(per_hour=120)
    times = [market.interruption(job(), attempt) for attempt in range(4000)]
    assert statistics.mean(times) == pytest.approx(30, rel=0.05)
    # Of those that lasted for the mean already, the rest takes as long again.
    assert statistics.mean(time - 30 for time in times if time > 30) == pytest.approx(30, rel=0.1)


def test_capacity_that_is_taken_back_within_its_first_hour_costs_nothing():
    attempts = Attempts().interrupted(3599.0).interrupted(3600.0).ended(100.0, interrupted=False)
    assert attempts == Attempts(interruptions=2, training_seconds=7299.0, billable_seconds=3700.0)


def test_what_the_platform_loses_costs_time_and_one_retry():
    attempts = Attempts().lost(10.0)
    assert attempts == Attempts(retries=1, training_seconds=10.0)
    assert Attempts.of(job(**attempts.members())) == attempts
    assert attempts.left_of(60) == 50
    assert attempts.left_of(None) is None


def test_the_wait_time_begins_with_the_job():
    limited = job(StoppingCondition={"MaxRuntimeInSeconds": 5, "MaxWaitTimeInSeconds": 60})
    assert wait_left(limited, 1010.0) == 50.0
    assert wait_left(limited, 2000.0) == 0.0
    assert wait_left(job(StoppingCondition={"MaxRuntimeInSeconds": 5}), 1010.0) is None


def test_a_container_that_has_ended_has_no_capacity_that_could_be_taken_back(tmp_path):
    run = Run(1, "run", KEY, 1, 1, "launched", 1, None)
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    journal = Journal(folder.path / "journal.jsonl")
    interruptions = Interruptions(
        SimpleNamespace(get=lambda _: job(SecondaryStatus="Uploading")),
        SimpleNamespace(of=lambda _: [run]),
        SimpleNamespace(runs=tmp_path),
    )
    asked = {"account": KEY.account, "region": KEY.region, "name": KEY.name}
    journal.write("launched")
    assert asyncio.run(interruptions.interrupt(asked))["attempt"] == 1
    journal.write("exited", exit_code=0)
    with pytest.raises(ValidationError, match="no capacity now that could be taken back: it is Uploading"):
        asyncio.run(interruptions.interrupt(asked))
