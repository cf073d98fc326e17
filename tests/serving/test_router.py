import asyncio
from collections import Counter

import pytest

from wildsage.serving.router import (
    EndpointNotFoundError,
    EndpointRoute,
    NoCapacityError,
    RouteKey,
    Router,
    VariantNotFoundError,
    VariantRoute,
)

KEY = RouteKey("1", "us-west-2", "live")


class Target:
    def __init__(self, name, outstanding=0, ready=True):
        self.name, self.outstanding, self.ready = name, outstanding, ready


def route(*targets, name="AllTraffic", weight=1.0):
    return EndpointRoute((VariantRoute(name, weight, targets),))


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario, 10))


def test_the_least_busy_ready_worker_is_chosen():
    async def scenario():
        router = Router()
        router.publish(KEY, route(Target("a", 3), Target("b", 1), Target("c", 0, ready=False)))
        variant, target = await router.choose(KEY)
        assert (variant, target.name) == ("AllTraffic", "b")

    run(scenario())


def test_work_spreads_over_the_workers():
    async def scenario():
        router = Router()
        targets = [Target(name) for name in "abc"]
        router.publish(KEY, route(*targets))
        for _ in range(30):
            _, target = await router.choose(KEY)
            target.outstanding += 1
        assert [target.outstanding for target in targets] == [10, 10, 10]

    run(scenario())


def test_variants_share_by_weight_or_are_asked_for():
    async def scenario():
        router = Router()
        variants = (VariantRoute("a", 3.0, (Target("x"),)), VariantRoute("b", 1.0, (Target("y"),)))
        router.publish(KEY, EndpointRoute(variants))
        counts = Counter([(await router.choose(KEY))[0] for _ in range(2000)])
        assert 1350 < counts["a"] < 1650
        assert (await router.choose(KEY, "b"))[0] == "b"
        with pytest.raises(VariantNotFoundError) as caught:
            await router.choose(KEY, "c")
        assert caught.value.names == ("a", "b")
        router.publish(KEY, EndpointRoute(tuple(VariantRoute(v.name, 0.0, v.targets) for v in variants)))
        assert (await router.choose(KEY))[0] in "ab"

    run(scenario())


def test_an_invocation_waits_for_a_worker_and_not_for_ever():
    async def scenario():
        router = Router(patience=0.05)
        target = Target("a", ready=False)
        router.publish(KEY, route(target))
        with pytest.raises(NoCapacityError, match=r"0\.05 s"):
            await router.choose(KEY)
        router = Router(patience=5)
        router.publish(KEY, route(target))
        waiting = [asyncio.create_task(router.choose(KEY)) for _ in range(3)]
        await asyncio.sleep(0)
        target.ready = True
        router.announce()
        assert {chosen[1].name for chosen in await asyncio.gather(*waiting)} == {"a"}

    run(scenario())


def test_those_who_wait_hear_of_the_endpoints_end():
    async def scenario():
        router = Router(patience=5)
        router.publish(KEY, route(Target("a", ready=False)))
        waiting = asyncio.create_task(router.choose(KEY))
        await asyncio.sleep(0)
        router.withdraw(KEY)
        with pytest.raises(EndpointNotFoundError):
            await waiting

    run(scenario())


def test_the_queue_is_bounded():
    async def scenario():
        router = Router(patience=0.5)
        router.publish(KEY, route(Target("a", ready=False)))
        calls = [asyncio.create_task(router.choose(KEY)) for _ in range(300)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sum(call.done() for call in calls) == 300 - 256
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, NoCapacityError) for result in results)

    run(scenario())


def test_accounts_and_regions_are_apart():
    async def scenario():
        router = Router()
        router.publish(KEY, route(Target("a")))
        for other in (KEY._replace(account="2"), KEY._replace(region="eu-west-1")):
            with pytest.raises(EndpointNotFoundError):
                await router.choose(other)

    run(scenario())
