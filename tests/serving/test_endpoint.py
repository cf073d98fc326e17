import asyncio
import errno
import signal
import time
from dataclasses import replace

import pytest

from wildsage.hosting.client import CallTimeoutError, ConnectionLostError
from wildsage.serving.router import EndpointNotFoundError, RouteKey
from wildsage.store.resources import Resources
from wildsage.supervisor.folder import RunFolder


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario, 60))


def body_of(house, name):
    return house.resources.get(house.key(name)).body


def test_an_endpoint_comes_into_service(house):
    async def scenario():
        async with house.serving():
            await house.create("first", house.plan(VERSION=7))
            await house.until_status("first", "InService")
            assert (await house.who("first"))[0] == "7"
        (variant,) = body_of(house, "first")["ProductionVariants"]
        assert variant["CurrentInstanceCount"] == variant["DesiredInstanceCount"] == 1
        assert "FailureReason" not in body_of(house, "first")

    run(scenario())


def test_an_endpoint_answers_before_anybody_reads_that_it_is_in_service(house, monkeypatch):
    transition, routed = Resources.transition, []

    def watched(transaction, key, *, to, **rest):
        if to == "InService":
            routed.append(house.router._try_choose(RouteKey(key.account, key.region, key.name), None))
        return transition(transaction, key, to=to, **rest)

    async def scenario():
        monkeypatch.setattr(Resources, "transition", watched)
        async with house.serving():
            await house.create("early", house.plan())
            await house.until_status("early", "InService")
        assert [variant for variant, _ in routed] == ["AllTraffic"]

    run(scenario())


def test_logs_go_to_the_endpoints_group_and_a_stream_for_each_worker(house):
    async def scenario():
        async with house.serving():
            await house.create("logging", house.plan(2, VERSION=3))
            await house.until_status("logging", "InService")
            group = house.logs.group("123456789012", "us-west-2", "/aws/sagemaker/Endpoints/logging")
            streams = house.logs.streams(group, "AllTraffic/i-0")
            assert len(streams) == 2
            for stream in streams:
                await house.until(lambda s=stream: house.logs.read_forward(s, 0, 10))
                assert house.logs.read_forward(stream, 0, 1)[0].message == "version 3"

    run(scenario())


def test_a_container_that_ends_at_its_start_fails_the_endpoint_with_code_and_words(house):
    async def scenario():
        async with house.serving():
            await house.create("broken", house.plan(CRASH=3))
            await house.until_status("broken", "Failed")
            reason = body_of(house, "broken")["FailureReason"]
            assert reason.startswith(
                "The primary container for production variant AllTraffic did not pass the ping health check."
                " Please check CloudWatch logs for this endpoint."
            )
            assert "exit code 3" in reason
            assert "cannot load the model: no such tree" in reason
            assert reason.endswith(
                "Next step: see what the container said: `wildsage logs broken`, then `wildsage explain broken`."
            )
            await house.until(lambda: not house.placements.of(house.key("broken")))
            assert not list(house.layout.runs.iterdir())
            with pytest.raises(EndpointNotFoundError):
                await house.call("broken")
            await house.delete("broken")
            await house.until_status("broken", None)

    run(scenario())


def test_a_container_that_never_answers_fails_the_endpoint_after_its_time(house):
    async def scenario():
        async with house.serving():
            await house.create("mute", replace(house.plan(SILENT=1), startup_timeout=0.5))
            await house.until_status("mute", "Failed")
            reason = body_of(house, "mute")["FailureReason"]
            assert "not answered with 200 within 0.5 s" in reason
            assert reason.endswith("or raise ContainerStartupHealthCheckTimeoutInSeconds.")

    run(scenario())


def test_a_worker_that_is_killed_under_load_costs_its_own_invocation_at_most(house):
    async def scenario():
        failures, answered, pids = [], [], set()

        async def load(until):
            while time.monotonic() < until:
                try:
                    pids.add((await house.who("busy"))[1])
                    answered.append(time.monotonic())
                except ConnectionLostError as error:
                    failures.append(error)

        async with house.serving():
            await house.create("busy", house.plan())
            await house.until_status("busy", "InService")
            (target,) = house.container_processes("busy").values()
            clients = [asyncio.create_task(load(time.monotonic() + 1.6)) for _ in range(4)]
            await house.until(lambda: len(answered) > 50)
            (worker,) = house.reconciler._endpoints[house.key("busy")]._fleet._workers.values()
            in_flight = worker.outstanding
            killed_at = time.monotonic()
            await house.signal("busy", signal.SIGKILL)
            await asyncio.gather(*clients)
            assert target
            assert len(failures) <= max(in_flight, 4)
            back = min(moment for moment in answered if moment > killed_at + 0.05) - killed_at
            assert back < 2.0
            assert len(pids) <= 2
            assert house.status("busy") == "InService"

    run(scenario())


def test_an_invocation_that_ends_the_container_is_not_repeated_on_another(house):
    async def scenario():
        async with house.serving():
            await house.create("poison", house.plan(2))
            await house.until_status("poison", "InService")
            pids = set(house.container_processes("poison").values())
            await house.who("poison")  # leaves an idle connection that the next call takes
            with pytest.raises(ConnectionLostError):
                await house.call("poison", b"exit 1")
            assert len(pids & set(house.container_processes("poison").values())) == 1

    run(scenario())


def test_a_hung_worker_is_replaced_after_the_time_of_one_invocation(house):
    async def scenario():
        async with house.serving(timing=replace(house.timing, invocation=0.4, health=30)):
            await house.create("stuck", house.plan())
            await house.until_status("stuck", "InService")
            first = house.placements.of(house.key("stuck"))[0].run_id
            await house.signal("stuck", signal.SIGSTOP)
            with pytest.raises(CallTimeoutError):
                await house.call("stuck")
            assert (await house.who("stuck"))[0] == "1"  # waits for the replacement
            await house.until(
                lambda: first not in {p.run_id for p in house.placements.of(house.key("stuck"))}
            )

    run(scenario())


def test_a_worker_that_hangs_without_invocations_is_found_by_its_health(house):
    async def scenario():
        timing = replace(house.timing, pings=replace(house.timing.pings, timeout=0.1), health=0.05)
        async with house.serving(timing=timing):
            await house.create("idle", house.plan())
            await house.until_status("idle", "InService")
            first = house.placements.of(house.key("idle"))[0].run_id
            await house.signal("idle", signal.SIGSTOP)
            await house.until(lambda: first not in {p.run_id for p in house.placements.of(house.key("idle"))})
            assert (await house.who("idle"))[0] == "1"

    run(scenario())


def test_a_slow_model_is_not_taken_for_a_hung_one(house):
    async def scenario():
        async with house.serving(timing=replace(house.timing, invocation=0.2)):
            await house.create("slow", house.plan())
            await house.until_status("slow", "InService")
            _, process = await house.who("slow")
            with pytest.raises(CallTimeoutError):
                await house.call("slow", b"sleep 0.5")
            assert (await house.who("slow"))[1] == process

    run(scenario())


def test_a_restarted_server_answers_from_the_same_processes(house):
    async def scenario():
        async with house.serving():
            await house.create("lasting", house.plan(2))
            await house.until_status("lasting", "InService")
            before = house.container_processes("lasting")
        assert len(before) == 2
        started = time.monotonic()
        async with house.serving():
            await house.who("lasting")
            assert time.monotonic() - started < 2.0
            await house.until(lambda: house.container_processes("lasting") == before)
            assert house.status("lasting") == "InService"
            assert len(house.placements.of(house.key("lasting"))) == 2

    run(scenario())


def test_a_restarted_server_replaces_what_died_meanwhile_and_goes_on_with_a_creation(house):
    async def scenario():
        async with house.serving():
            await house.create("hurt", house.plan())
            await house.until_status("hurt", "InService")
        await house.signal("hurt", signal.SIGKILL)
        dead = [RunFolder(house.layout.runs / p.run_id) for p in house.placements.of(house.key("hurt"))]
        await house.until(lambda: not any(folder.is_alive() for folder in dead))
        await house.create("young", house.plan())
        async with house.serving():
            assert (await house.who("hurt"))[0] == "1"
            await house.until_status("young", "InService")

    run(scenario())


def test_an_update_swaps_the_model_without_a_failed_invocation(house):
    async def scenario():
        versions = []

        async def load():
            while not versions or versions[-1] != "2":
                versions.append((await house.who("live"))[0])

        async with house.serving():
            await house.create("live", house.plan(VERSION=1))
            await house.until_status("live", "InService")
            clients = [asyncio.create_task(load()) for _ in range(4)]
            await house.update("live", house.plan(VERSION=2))
            await house.until_status("live", "InService")
            await asyncio.gather(*clients)
            assert set(versions) == {"1", "2"}
            assert body_of(house, "live")["EndpointConfigName"] == "config-2"
            await house.until(lambda: len(house.placements.of(house.key("live"))) == 1)
            assert [item.generation for item in house.deployments.of(house.key("live"))] == [2]

    run(scenario())


def test_an_invocation_under_way_is_answered_by_the_worker_that_leaves(house):
    async def scenario():
        async with house.serving():
            await house.create("drained", house.plan(VERSION=1))
            await house.until_status("drained", "InService")
            slow = asyncio.create_task(house.call("drained", b"sleep 1.5"))
            await house.update("drained", house.plan(VERSION=2))
            await house.until_status("drained", "InService")
            assert not slow.done()
            assert (await slow).body.startswith(b"1 ")

    run(scenario())


def test_an_update_that_does_not_come_up_keeps_the_old_model(house):
    async def scenario():
        async with house.serving():
            await house.create("safe", house.plan(VERSION=1))
            await house.until_status("safe", "InService")
            _, process = await house.who("safe")
            await house.update("safe", house.plan(CRASH=4))
            await house.until_status("safe", "InService")
            assert "exit code 4" in body_of(house, "safe")["FailureReason"]
            assert body_of(house, "safe")["EndpointConfigName"] == "config-1"
            assert await house.who("safe") == ("1", process)
            assert [item.generation for item in house.deployments.of(house.key("safe"))] == [1]

    run(scenario())


def test_a_failed_endpoint_can_be_updated_into_service(house):
    async def scenario():
        async with house.serving():
            await house.create("second-try", house.plan(CRASH=1))
            await house.until_status("second-try", "Failed")
            await house.update("second-try", house.plan(VERSION=5))
            await house.until_status("second-try", "InService")
            assert (await house.who("second-try"))[0] == "5"
            assert "FailureReason" not in body_of(house, "second-try")

    run(scenario())


def test_instances_are_added_and_taken_away_around_the_ones_that_stay(house):
    async def scenario():
        async with house.serving():
            await house.create("elastic", house.plan(1))
            await house.until_status("elastic", "InService")
            first = set(house.container_processes("elastic").values())
            await house.resize("elastic", 3)
            await house.until_status("elastic", "InService")
            assert len(house.container_processes("elastic")) == 3
            assert first < set(house.container_processes("elastic").values())
            await house.resize("elastic", 1)
            await house.until_status("elastic", "InService")
            await house.until(lambda: len(house.placements.of(house.key("elastic"))) == 1)
            assert body_of(house, "elastic")["ProductionVariants"][0]["CurrentInstanceCount"] == 1

    run(scenario())


def test_a_deleted_endpoint_leaves_nothing_and_its_name_is_free(house):
    async def scenario():
        async with house.serving():
            await house.create("gone", house.plan(2))
            await house.until_status("gone", "InService")
            await house.delete("gone")
            await house.until_status("gone", None)
            assert not house.placements.of(house.key("gone"))
            assert not house.deployments.of(house.key("gone"))
            assert not list(house.layout.runs.iterdir())
            with pytest.raises(EndpointNotFoundError):
                await house.call("gone")
            await house.create("gone", house.plan(VERSION=9))
            await house.until_status("gone", "InService")
            assert (await house.who("gone"))[0] == "9"

    run(scenario())


def test_an_endpoint_can_be_deleted_while_it_is_created(house):
    async def scenario():
        async with house.serving():
            await house.create("unwanted", house.plan(SILENT=1))
            await house.until(lambda: house.container_processes("unwanted"))
            await house.delete("unwanted")
            await house.until_status("unwanted", None)

    run(scenario())


def test_a_crash_loop_ends_in_failed_with_its_reason(house):
    async def scenario():
        async with house.serving(patience=0.2):
            flag = house.flags / "broken"
            await house.create("looping", house.plan(CRASH=9, CRASH_IF=flag))
            await house.until_status("looping", "InService")
            flag.touch()
            await house.signal("looping", signal.SIGKILL)
            await house.until_status("looping", "Failed")
            assert "exit code 9" in body_of(house, "looping")["FailureReason"]
            await house.until(lambda: not house.placements.of(house.key("looping")))

    run(scenario())


def test_a_worker_that_cannot_start_again_does_not_end_the_others(house):
    async def scenario():
        async with house.serving():
            flag = house.flags / "broken"
            await house.create("half", house.plan(2, CRASH=9, CRASH_IF=flag))
            await house.until_status("half", "InService")
            flag.touch()
            with pytest.raises(ConnectionLostError):
                await house.call("half", b"exit 1")
            fleet = house.reconciler._endpoints[house.key("half")]._fleet
            deployment = house.deployments.of(house.key("half"))[0]
            await house.until(lambda: fleet.failure(deployment, 5) is not None)
            assert (await house.who("half"))[0] == "1"
            assert house.status("half") == "InService"

    run(scenario())


def test_a_server_that_restarts_within_an_update_serves_the_old_and_goes_on(house):
    async def scenario():
        async with house.serving():
            await house.create("midway", house.plan(VERSION=1))
            await house.until_status("midway", "InService")
            _, process = await house.who("midway")
            await house.update("midway", house.plan(VERSION=2, SILENT=1))
            await house.until(lambda: len(house.container_processes("midway")) == 2)
            before = house.container_processes("midway")
        async with house.serving():
            assert await house.who("midway") == ("1", process)
            assert house.container_processes("midway") == before
            assert house.status("midway") == "Updating"

    run(scenario())


def test_too_many_open_files_end_no_worker(house, monkeypatch):
    """While nobody can tell whether a worker lives it stays, and one that leaves is seen out later."""
    trouble = []
    is_alive = RunFolder.is_alive

    def limited(folder):
        if trouble:
            trouble.append(folder)
            raise OSError(errno.EMFILE, "Too many open files")
        return is_alive(folder)

    monkeypatch.setattr(RunFolder, "is_alive", limited)

    async def scenario():
        async with house.serving():
            await house.create("flooded", house.plan())
            await house.until_status("flooded", "InService")
            who = await house.who("flooded")
            trouble.append(None)
            await house.until(lambda: len(trouble) > 3)
            assert await house.who("flooded") == who
            await house.delete("flooded")
            await house.until(lambda: len(trouble) > 8)
            trouble.clear()
            await house.until_status("flooded", None)
            assert list(house.layout.runs.iterdir()) == []

    run(scenario())
