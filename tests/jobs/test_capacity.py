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
        running = [capacity.request(Slot(1)) for _ in range(2)]
        first, second, third = (capacity.request(Slot(1)) for _ in range(3))
        assert [turn.ahead for turn in (first, second, third)] == [0, 1, 2]
        assert capacity.ahead() == 3
        capacity.leave(second)
        capacity.leave(running[0])
        assert (first.came.done(), third.came.done()) == (True, False)
        capacity.leave(running[1])
        assert third.came.done()
        assert capacity.ahead() == 0

    asyncio.run(play())


def test_parties_have_turns_and_a_single_job_waits_for_none_of_them():
    async def play():
        capacity = Capacity(2)
        running = [capacity.request(Slot(1), party="a") for _ in range(2)]
        many = [capacity.request(Slot(1), party="a") for _ in range(50)]
        few = [capacity.request(Slot(1), party="b") for _ in range(2)]
        single = capacity.request(Slot(1))
        granted, order = running, []
        for _ in range(5):
            capacity.leave(granted.pop(0))
            (turn,) = (one for one in (*many[:5], *few, single) if one.came.done() and one not in order)
            granted.append(turn)
            order.append(turn)
        assert order == [few[0], many[0], single, few[1], many[1]]

    asyncio.run(play())


def test_single_jobs_that_keep_coming_do_not_starve_a_party():
    async def play():
        capacity = Capacity(2)
        running = [capacity.request(Slot(1)) for _ in range(2)]
        trial = capacity.request(Slot(1), party="a")
        running += [capacity.request(Slot(1)) for _ in range(3)]
        capacity.leave(running[0])
        assert trial.came.done()
        again = capacity.request(Slot(1), party="a")
        capacity.leave(trial)
        assert running[2].came.done()
        for turn in running[1:4]:
            capacity.leave(turn)
        assert again.came.done()

    asyncio.run(play())


def test_a_party_is_counted_by_its_cores_and_from_what_is_alive():
    async def play():
        capacity = Capacity(4)
        alive = capacity.take_now(Slot(2), party="a")
        small = capacity.take_now(Slot(1), party="b")
        other = capacity.take_now(Slot(1))
        first, second = capacity.request(Slot(1), party="a"), capacity.request(Slot(1), party="b")
        capacity.leave(other)
        assert (first.came.done(), second.came.done()) == (False, True)
        capacity.leave(alive)
        assert first.came.done()
        for turn in (small, first, second):
            capacity.leave(turn)
        assert capacity.used == 0
        one, two = capacity.request(Slot(2), party="a"), capacity.request(Slot(2), party="b")
        assert one.came.done()
        assert two.came.done()

    asyncio.run(play())


def test_a_turn_that_came_gives_its_slot_back_once():
    async def play():
        capacity = Capacity(2)
        turn = capacity.request(Slot(2))
        capacity.leave(turn)
        capacity.leave(turn)
        assert capacity.used == 0

    asyncio.run(play())


def test_runs_that_are_alive_after_a_restart_are_counted():
    async def play():
        capacity = Capacity(2)
        alive = [capacity.take_now(Slot(1)) for _ in range(3)]
        assert all(turn.came.done() for turn in alive)
        assert capacity.used == 3
        waiting = capacity.request(Slot(1))
        capacity.leave(alive[0])
        assert not waiting.came.done()
        capacity.leave(alive[1])
        assert waiting.came.done()

    asyncio.run(play())


def test_who_waited_behind_a_job_that_gave_up_is_granted():
    async def play():
        capacity = Capacity(4)
        capacity.request(Slot(2))
        capacity.request(Slot(1))
        large, small = capacity.request(Slot(2)), capacity.request(Slot(1))
        assert not small.came.done()  # one core is free, but it is not its turn
        capacity.leave(large)
        assert small.came.done()

    asyncio.run(play())


def test_a_cancellation_that_meets_a_grant_loses_nothing():
    async def play():
        capacity = Capacity(2)
        running, waiting = capacity.request(Slot(2)), capacity.request(Slot(2))
        waiting.came.cancel()  # by a task that awaits it and is cancelled itself
        capacity.leave(running)  # passes over the one that was cancelled
        capacity.leave(waiting)
        assert capacity.request(Slot(2)).came.done()

    asyncio.run(play())


def test_a_run_may_not_take_all_of_the_memory():
    assert Capacity(8).slot_for(4).memory_bytes is None
    assert Capacity(8, 100 * 2**30).slot_for(4).memory_bytes == pytest.approx(90 * 2**30, abs=10)


def test_who_asks_is_told_how_many_are_ahead():
    async def play():
        capacity = Capacity(2)
        assert capacity.ahead_for(["ml.m5.large"]) is None
        turns = [capacity.request(Slot(1)) for _ in range(4)]
        assert [turn.came.done() for turn in turns] == [True, True, False, False]
        assert capacity.ahead_for(["ml.m5.large"]) == 2
        capacity.leave(turns[2])
        capacity.leave(turns[0])
        assert turns[3].came.done()
        assert capacity.ahead_for(["ml.m5.large"]) == 0  # nobody waits, and nothing is free
        capacity.leave(turns[1])
        assert capacity.ahead_for(["ml.m5.large"]) is None

    asyncio.run(play())


def test_hosts_of_a_job_share_half_of_the_machine():
    capacity = Capacity(8, 100 * 2**30)
    assert [slot.cores for slot in capacity.slots_for(["ml.m5.24xlarge"] * 2)] == [2, 2]
    assert [slot.cores for slot in capacity.slots_for(["ml.m5.24xlarge"] * 6)] == [1] * 6
    assert [slot.cores for slot in capacity.slots_for(["ml.m5.24xlarge", "ml.m5.large"])] == [2, 2]
    assert capacity.slots_for(["ml.m5.large"] * 3)[0].memory_bytes == pytest.approx(30 * 2**30, abs=10)


def test_hosts_get_their_slots_together_or_not_at_all():
    async def play():
        capacity = Capacity(4)
        alone = capacity.request(Slot(2))
        gang, next_gang = (capacity.request(*[Slot(1)] * 3) for _ in range(2))
        assert not gang.came.done()
        assert capacity.used == 2
        capacity.leave(alone)
        assert (gang.came.done(), next_gang.came.done()) == (True, False)
        assert capacity.used == 3
        capacity.leave(gang)
        assert next_gang.came.done()

    asyncio.run(play())


def test_more_hosts_than_cores_take_the_machine_and_no_more():
    async def play():
        capacity = Capacity(2)
        types = ["ml.m5.large"] * 7
        assert capacity.ahead_for(types) is None
        gang = capacity.request(*capacity.slots_for(types))
        assert gang.came.done()
        assert len(gang.slots) == 7
        assert capacity.used == 2
        assert capacity.ahead_for(types) == 0
        capacity.leave(gang)
        assert capacity.used == 0

    asyncio.run(play())
