"""Who comes before the gateway is there."""

import asyncio

import pytest
from tests.aws.support import request

from wildsage.aws.entrance import Entrance
from wildsage.aws.http import HttpResponse


async def health(_request):
    return HttpResponse(200, [], b"well")


async def gateway(asked):
    return HttpResponse(200, [], f"gateway: {asked.path}".encode())


@pytest.fixture
def entrance():
    return Entrance({"/health": health})


async def ask(entrance, path):
    return (await entrance.answer(request("GET", path))).body


def test_what_is_known_is_answered_at_once_and_everything_else_in_its_turn(entrance):
    async def come_early():
        waiting = [asyncio.create_task(ask(entrance, path)) for path in ("/bucket", "/healthy")]
        assert await ask(entrance, "/health") == b"well"
        assert not any(task.done() for task in waiting)
        entrance.open(gateway)
        return await asyncio.gather(*waiting)

    assert asyncio.run(come_early()) == [b"gateway: /bucket", b"gateway: /healthy"]


def test_whoever_goes_away_takes_nobody_along(entrance):
    async def come_early():
        impatient, patient = (asyncio.create_task(ask(entrance, path)) for path in ("/1", "/2"))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.wait([impatient])
        entrance.open(gateway)
        return await patient

    assert asyncio.run(come_early()) == b"gateway: /2"


def test_behind_the_open_door_the_gateway_answers_all(entrance):
    entrance.open(gateway)
    assert asyncio.run(ask(entrance, "/health")) == b"gateway: /health"
