"""Describe a job once more, for ``wildsage replay``: its run goes on a terminal and registers nothing."""

import asyncio
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from wildsage.core.errors import NotFoundError, ValidationError
from wildsage.jobs.capacity import Capacity
from wildsage.jobs.kinds import KINDS, kind_of
from wildsage.jobs.launch import CannotStartError, Launcher, Rooms
from wildsage.store.resources import Key, Resource
from wildsage.store.run_tokens import RunTokens
from wildsage.supervisor.folder import RunFolder

_PREFIX = "replay-"


class Replays:
    """What the server does for a replay; the container itself belongs to whoever asked."""

    def __init__(self, rooms: Rooms, capacity: Capacity) -> None:
        self._rooms = rooms
        self._capacity = capacity
        self._launcher = Launcher(rooms)

    async def begin(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer ``{"account", "region", "name"}`` with the job file, a token of its role, and what is kept.

        A replay takes no slot: its user waits for it. Inputs are named only if they are not kept. Of a job of several
        hosts it is one: the one that failed and is kept, else the first.

        Raises
        ------
        NotFoundError
            If there is no such job.
        ValidationError
            If its image or its inputs are not there any more.
        """
        rooms = self._rooms
        job = self._find(str(request["account"]), str(request["region"]), str(request["name"]))
        key, kind = job.key, kind_of(job.key)
        hosts = {run.run_id: run.host for run in rooms.runs.of(key)}
        kept = await asyncio.to_thread(rooms.kept.newest_of, hosts)
        run_id = f"{_PREFIX}{uuid.uuid4().hex}"
        number = hosts.get(kept.run_id, 1) - 1 if kept is not None else 0
        try:
            await self._launcher.make_ready(job)
            has_inputs = kept is not None and kept.has_inputs
            log_path = str(rooms.layout.runs / run_id / "log")
            plan = await self._launcher.plan(job, 0, has_files=has_inputs)
            slot = self._capacity.slots_for(plan.cluster.instance_types)[number]
            described = self._launcher.describe(plan, run_id, plan.cluster.hosts[number], slot, log_path)
        except CannotStartError as error:
            raise ValidationError(f"{key.name} cannot be replayed: {error}") from None
        token = await rooms.tokens.issue(run_id, kind.role_of(job))
        said = None if kept is None else {**asdict(kept), "path": str(kept.path)}
        return {"run_id": run_id, "job": described.to_json(), "token": token, "kept": said}

    def _find(self, account: str, region: str, name: str) -> Resource:
        keys = [Key(account, region, kind, name) for kind in KINDS]
        found = [job for job in map(self._rooms.resources.get, keys) if job is not None]
        if not found:
            raise NotFoundError(f"there is no job named {name} in {region}: --region looks in another")
        # The newest: that is the one somebody wants to look at.
        return max(found, key=lambda job: (job.created_at, job.id))

    async def end(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take back what the replay ``{"run_id"}`` was given. May be repeated."""
        run_id = str(request["run_id"])
        if run_id.startswith(_PREFIX):
            await self._rooms.resources.database.write(lambda t: RunTokens.revoke(t, run_id))
            await self._rooms.keys.revoke_bound(run_id)
        return {}

    async def sweep(self) -> None:
        """End the replays whose terminal is gone."""
        for run_id in self._rooms.tokens.run_ids(_PREFIX):
            if not RunFolder(self._rooms.layout.runs / run_id).is_alive():
                await self.end({"run_id": run_id})
        for path in self._rooms.layout.runs.glob(f"{_PREFIX}*"):
            if not RunFolder(path).is_alive():
                with suppress(OSError):
                    await asyncio.to_thread(RunFolder(path).delete)
