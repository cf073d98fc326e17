"""Slots: who runs, who waits, nothing is lost by a cancellation."""

import asyncio

import pytest

from wildsage.jobs.capacity import Capacity, Slot


def test_two_jobs_fit_however_large_their_instances():
    capacity = Capacity(4)
    assert capacity.slot_for(96) == Slot(2)
    assert capacity.slot_for(1) == Slot(1)


def test_slots_are_granted_in_the_order_of_arrival():
    async def play():
        capacity = Capacity(2)
        one = Slot(1)
        await capacity.take(one)
        await capacity.take(one)
        order = []

        async def wait(name):
            await capacity.take(one)
            order.append(name)

        waiting = [asyncio.create_task(wait(name)) for name in "abc"]
        await asyncio.sleep(0)
        assert capacity.ahead() == 3
        waiting[1].cancel()
        await asyncio.gather(waiting[1], return_exceptions=True)
        capacity.give_back(one)
        capacity.give_back(one)
        await asyncio.gather(waiting[0], waiting[2])
        assert capacity.ahead() == 0
        return order

    assert asyncio.run(play()) == ["a", "c"]


def test_a_grant_that_meets_a_cancellation_is_returned():
    async def play():
        capacity = Capacity(2)
        two = Slot(2)
        await capacity.take(two)
        waiting = asyncio.create_task(capacity.take(two))
        await asyncio.sleep(0)
        capacity.give_back(two)  # granted, but the task has not run yet
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.wait_for(capacity.take(two), 1)

    asyncio.run(play())


def test_runs_that_are_alive_after_a_restart_are_counted():
    async def play():
        capacity = Capacity(2)
        assert capacity.take_now(Slot(1))
        assert capacity.take_now(Slot(1))
        assert not capacity.take_now(Slot(1))
        waiting = asyncio.create_task(capacity.take(Slot(1)))
        await asyncio.sleep(0)
        capacity.give_back(Slot(1))
        assert not waiting.done()
        capacity.give_back(Slot(1))
        await asyncio.wait_for(waiting, 1)

    asyncio.run(play())


def test_who_waited_behind_a_job_that_gave_up_is_granted():
    async def play():
        capacity = Capacity(4)
        await capacity.take(Slot(2))
        await capacity.take(Slot(1))
        large = asyncio.create_task(capacity.take(Slot(2)))
        await asyncio.sleep(0)
        small = asyncio.create_task(capacity.take(Slot(1)))
        await asyncio.sleep(0)
        assert not small.done()  # one core is free, but it is not its turn
        large.cancel()
        await asyncio.wait_for(small, 1)

    asyncio.run(play())


def test_a_cancellation_that_meets_a_return_is_a_cancellation():
    async def play():
        capacity = Capacity(2)
        await capacity.take(Slot(2))
        waiting = asyncio.create_task(capacity.take(Slot(2)))
        await asyncio.sleep(0)
        waiting.cancel()
        capacity.give_back(Slot(2))  # passes over the one that was cancelled
        (result,) = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(result, asyncio.CancelledError)
        await asyncio.wait_for(capacity.take(Slot(2)), 1)

    asyncio.run(play())


def test_a_run_may_not_take_all_of_the_memory():
    assert Capacity(8).slot_for(4).memory_bytes is None
    assert Capacity(8, 100 * 2**30).slot_for(4).memory_bytes == pytest.approx(90 * 2**30, abs=10)


def test_who_asks_is_told_how_many_are_ahead():
    async def play():
        capacity = Capacity(2)
        assert capacity.ahead_for("ml.m5.large") is None
        grants = [capacity.request(Slot(1)) for _ in range(4)]
        assert [grant.done() for grant in grants] == [True, True, False, False]
        assert capacity.ahead_for("ml.m5.large") == 2
        capacity.withdraw(Slot(1), grants[2])
        capacity.withdraw(Slot(1), grants[0])
        assert grants[3].done()
        assert capacity.ahead_for("ml.m5.large") == 0  # nobody waits, and nothing is free
        capacity.give_back(Slot(1))
        assert capacity.ahead_for("ml.m5.large") is None

    asyncio.run(play())
