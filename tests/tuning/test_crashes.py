"""The tuner dies at every point at which it persists something, and goes on: no trial is lost, none is there twice."""

import asyncio
import contextlib

import pytest
from tests.tuning.lab import LIMITS, Lab, loss

from wildsage.store.database import Database
from wildsage.store.runs import TRAINING_JOB

JOBS = 6
CHANGES = {f"{LIMITS}.MaxNumberOfTrainingJobs": JOBS, f"{LIMITS}.MaxParallelTrainingJobs": 2}


class DeadError(BaseException):
    """The server is gone: nothing that it began goes on."""


class Fuse:
    """Lets a server write until its n-th time, which happens (`after`) or not, and nobody is told of it."""

    def __init__(self, database, number, side):
        self._database, self._write = database, database.write
        self._left, self._side = number, side
        self.blown = asyncio.Event()

    async def write(self, work):
        if self.blown.is_set():
            raise DeadError
        self._left -= 1
        if self._left > 0:
            return await self._write(work)
        self.blown.set()
        if self._side == "after":
            await self._write(work)
        raise DeadError

    def __enter__(self):
        self._database.write = self.write
        return self

    def __exit__(self, *_error):
        self._database.write = self._write


async def finish(lab):
    """End training jobs as they come, until the tuning job is over."""
    await lab.run(loss, at_once=1)


async def run(lab, number, side):
    """Run a tuning job on a server that dies once. False: it was over before that."""
    database = lab.resources.database
    await lab.create(CHANGES)
    with Fuse(database, number, side) as fuse:
        async with lab.tuner():
            work = asyncio.create_task(finish(lab))
            blown = asyncio.create_task(fuse.blown.wait())
            await asyncio.wait((work, blown), return_when=asyncio.FIRST_COMPLETED)
            for task in (work, blown):
                task.cancel()
            await asyncio.gather(work, blown, return_exceptions=True)
        has_died = fuse.blown.is_set()
    async with lab.tuner():
        await finish(lab)
    return has_died


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The points of a run without a crash."""
    root = tmp_path_factory.mktemp("undisturbed")
    with contextlib.closing(Database(root / "state.db", "state")) as state:
        telemetry = Database(root / "telemetry.db", "telemetry")
        lab = Lab(state, telemetry, root)
        assert not asyncio.run(run(lab, 10_000, "before"))
        telemetry.close()
        return lab.points()


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 24))
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_no_trial_is_lost_or_doubled(lab, undisturbed, number, side):
    has_died = asyncio.run(run(lab, number, side))

    assert has_died or number > 19, "there is no such point: lower the range"
    assert lab.job().status == "Completed"
    records = lab.records()
    assert [one.number for one in records] == list(range(1, JOBS + 1))
    assert lab.points() == undisturbed
    made = [one.key.name for one in lab.resources.everywhere(TRAINING_JOB)]
    assert sorted(made) == sorted(one.training_job for one in records)
    assert all(one.outcome.objective == loss(one.point) for one in records)
    assert lab.job().body["TrainingJobStatusCounters"]["Completed"] == JOBS
