"""A house with endpoints: real supervisors, real containers, a store in a temporary folder."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from wildsage.core.clock import SystemClock
from wildsage.hosting.client import NotConnectedError
from wildsage.hosting.container import PingSchedule
from wildsage.serving.deployments import ENDPOINT, Deployment, Deployments, VariantPlan
from wildsage.serving.fleet import Rooms
from wildsage.serving.orders import Order
from wildsage.serving.placements import Placements
from wildsage.serving.reconciler import ServingReconciler
from wildsage.serving.router import RouteKey, Router
from wildsage.serving.worker import Timing
from wildsage.store.layout import Layout
from wildsage.store.logs import LogStreams
from wildsage.store.resources import Key, Resources
from wildsage.supervisor.contract import JobFile, Mount, Program
from wildsage.supervisor.folder import RunFolder

MODEL_SERVER = Path(__file__).parent / "containers" / "model.py"
ACCOUNT, REGION = "123456789012", "us-west-2"
TIMING = Timing(pings=PingSchedule(timeout=0.5), invocation=5, startup=10, health=0.2, drain=5, backoff=0.05)


class TestDesk:
    """Launches the model server of these tests, with the plan's variables."""

    __test__ = False

    def __init__(self, logs, flags):
        self._logs = logs
        self.flags = flags
        self.settled = []

    async def order(self, placement, plan):
        stream = await self._logs.attach(
            ACCOUNT, REGION, placement.log_group, placement.log_stream, time.time()
        )
        folders = {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent.parent)}
        folders |= {str(MODEL_SERVER.parent), str(self.flags)}
        job = JobFile(
            run_id=placement.run_id,
            purpose="serve",
            program=Program(
                argv=(sys.executable, "-S", str(MODEL_SERVER)),
                environment={**plan.container["Environment"], "PYTHONDONTWRITEBYTECODE": "1"},
                mounts=tuple(Mount(folder, folder) for folder in sorted(folders) if folder != "/usr"),
            ),
            endpoint_url="http://127.0.0.1:9",
            region=REGION,
            credentials_url="http://127.0.0.1:9/credentials",
            log_path=str(stream.path),
            stop_grace_seconds=0.5,
        )
        return Order(job, "token")

    async def settle(self, run_id):
        self.settled.append(run_id)


class House:
    timing = TIMING

    def __init__(self, root, state, telemetry):
        self.layout = Layout(root)
        self.layout.make()
        self.flags = root.parent / "flags"
        self.flags.mkdir()
        self.clock = SystemClock()
        self.state = state
        self.logs = LogStreams(telemetry, self.layout.logs)
        self.resources = Resources(state)
        self.deployments = Deployments(state)
        self.placements = Placements(state)
        self.router = Router()
        self.reconciler = None

    @contextlib.asynccontextmanager
    async def serving(self, timing=TIMING, patience=10.0):
        """A server's life: its end leaves the workers alone."""
        rooms = Rooms(self.layout, self.clock, self.state, self.logs, TestDesk(self.logs, self.flags), timing)
        self.router = Router(patience=patience)
        self.reconciler = ServingReconciler(rooms, self.router)
        before = asyncio.all_tasks()
        await self.reconciler.start()
        try:
            yield self
        finally:
            await self.reconciler.stop()
            assert asyncio.all_tasks() <= before | {asyncio.current_task()}, "a task was leaked"

    def key(self, name):
        return Key(ACCOUNT, REGION, ENDPOINT, name)

    def plan(self, count=1, **environment):
        container = {"Image": "model:1", "Environment": {k: str(v) for k, v in environment.items()}}
        return VariantPlan("AllTraffic", "model", container, "", False, "ml.m5.large", count)

    async def create(self, name, plan):
        key = self.key(name)

        def store(transaction):
            Resources.insert(
                transaction, key, arn=f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/{name}",
                status="Creating", at=self.clock.now(), body={"EndpointConfigName": "config-1"},
            )  # fmt: skip
            Deployments.put(transaction, Deployment(key, 1, "config-1", (plan,)))
            transaction.notify(ENDPOINT)

        await self.state.write(store)

    async def update(self, name, plan, generation=2):
        key = self.key(name)

        def store(transaction):
            Resources.transition(transaction, key, to="Updating", at=self.clock.now())
            Deployments.put(transaction, Deployment(key, generation, f"config-{generation}", (plan,)))
            transaction.notify(ENDPOINT)

        await self.state.write(store)

    async def resize(self, name, count):
        key = self.key(name)
        (deployment,) = self.deployments.of(key)
        plans = [replace(plan, count=count) for plan in deployment.variants]

        def store(transaction):
            Resources.transition(transaction, key, to="Updating", at=self.clock.now())
            Deployments.put(transaction, deployment.with_variants(plans))
            transaction.notify(ENDPOINT)

        await self.state.write(store)

    async def delete(self, name):
        def store(transaction):
            Resources.transition(transaction, self.key(name), to="Deleting", at=self.clock.now())
            transaction.notify(ENDPOINT)

        await self.state.write(store)

    def status(self, name):
        resource = self.resources.get(self.key(name))
        return None if resource is None else resource.status

    async def until(self, condition, seconds=30.0):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            await asyncio.sleep(0.01)

    async def until_status(self, name, status, seconds=30.0):
        await self.until(lambda: self.status(name) == status, seconds)

    async def call(self, name, body=b"who"):
        """Invoke once; as the runtime does, a call that was never sent goes to the next worker."""
        while True:
            _, target = await self.router.choose(RouteKey(ACCOUNT, REGION, name))
            try:
                return await target.invoke(body, ())
            except NotConnectedError:
                target.doubt()
            except Exception:
                target.doubt()
                raise

    async def who(self, name):
        version, process = (await self.call(name)).body.decode().split()
        return version, int(process)

    def container_processes(self, name):
        """Process ids, as this machine counts them, of the model servers of an endpoint."""
        found = {}
        for placement in self.placements.of(self.key(name)):
            needle = str(self.layout.runs / placement.run_id)
            for process in Path("/proc").iterdir():
                if process.name.isdigit():
                    with contextlib.suppress(OSError):
                        arguments = (process / "cmdline").read_bytes().split(b"\0")
                        if (
                            str(MODEL_SERVER).encode() in arguments
                            and arguments[0] == sys.executable.encode()
                        ):
                            mounts = (process / "mountinfo").read_text()
                            if needle in mounts:
                                found[placement.run_id] = int(process.name)
        return found

    async def signal(self, name, number):
        """Send a signal to every model server of an endpoint; one that stops them has done so at return."""
        placed = {placement.run_id for placement in self.placements.of(self.key(name))}
        await self.until(lambda: placed <= self.container_processes(name).keys())
        for process in self.container_processes(name).values():
            os.kill(process, number)
            if number == signal.SIGSTOP:
                await self.until(lambda process=process: _is_stopped(process))

    def end(self):
        """Kill what is left, whatever the test did."""
        for run in self.layout.runs.iterdir():
            folder = RunFolder(run)
            if folder.is_alive():
                folder.request_stop()
        deadline = time.monotonic() + 5
        while any(RunFolder(run).is_alive() for run in self.layout.runs.iterdir()):
            assert time.monotonic() < deadline, "a supervisor does not end"
            time.sleep(0.02)


def _is_stopped(process):
    """Whether all threads of a process are stopped."""
    states = [
        thread.read_text().rpartition(")")[2].split()[0]
        for thread in Path(f"/proc/{process}/task").glob("*/stat")
    ]
    return set(states) == {"T"}


@pytest.fixture
def house(tmp_path, state, telemetry):
    built = House(tmp_path / "data", state, telemetry)
    yield built
    built.end()
