import asyncio

import pytest

from wildsage.hosting.client import Address, CallTimeoutError, ContainerClient
from wildsage.hosting.container import Container, ContainerEndedError, PingSchedule, UnhealthyError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario, 20))


PINGS = PingSchedule(timeout=0.2)


def container_of(path, *, alive=lambda: True, invocation_timeout=1.0, pings=PINGS):
    client = ContainerClient(Address(path), largest_reply=1000)
    return Container(client, alive, pings=pings, invocation_timeout=invocation_timeout)


def test_a_container_is_healthy_once_it_answers_200(scripted_server):
    async def warming_up(server, reader, writer):
        while await server.read_request(reader) is not None:
            server.requests.append("ping")
            writer.write(OK if len(server.requests) == 4 else UNAVAILABLE)

    async def scenario():
        scripted_server.behaviour = warming_up
        container = container_of(scripted_server.path)
        waiting = asyncio.create_task(container.until_healthy(5))
        await asyncio.sleep(0)  # the first ping finds no socket
        async with scripted_server:
            await waiting
        container.close()
        assert len(scripted_server.requests) == 4

    run(scenario())


def test_a_container_that_is_ready_is_not_waited_for(scripted_server):
    async def scenario():
        container = container_of(scripted_server.path, pings=PingSchedule(first_interval=60))
        async with scripted_server:
            await container.until_healthy(5)
        container.close()

    run(scenario())


def test_a_container_that_ends_is_told_apart_from_one_that_is_slow(tmp_path):
    async def scenario():
        with pytest.raises(ContainerEndedError):
            await container_of(tmp_path / "none", alive=lambda: False).until_healthy(5)
        with pytest.raises(UnhealthyError, match=r"0\.1 s"):
            await container_of(tmp_path / "none").until_healthy(0.1)

    run(scenario())


def test_outstanding_counts_invocations_also_those_that_fail(scripted_server):
    async def scenario():
        arrived = asyncio.Event()

        async def silent(server, reader, writer):
            while await server.read_request(reader) is not None:
                arrived.set()

        scripted_server.behaviour = silent
        container = container_of(scripted_server.path, invocation_timeout=0.1)
        async with scripted_server:
            call = asyncio.create_task(container.invoke(b"x", ()))
            await arrived.wait()
            assert container.outstanding == 1
            with pytest.raises(CallTimeoutError):
                await call
            assert container.outstanding == 0
        container.close()

    run(scenario())
