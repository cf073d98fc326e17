"""What only an ephemeral server answers, to the program that started it: new accounts, and what happened.

Tests ask it: an account of their own, and why the job they waited for failed.
"""

import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from wildsage.aws.http import HttpRequest, HttpResponse
from wildsage.core.clock import Clock
from wildsage.jobs.kinds import KINDS
from wildsage.services.authorization import Roles
from wildsage.serving.deployments import ENDPOINT
from wildsage.store.access_keys import DEFAULT_EXECUTION_ROLE, OWNER_SESSION, AccessKeys
from wildsage.store.log_groups import GroupNotFoundError
from wildsage.store.logs import LogStreams
from wildsage.store.resources import Resource, Resources

PATH = "/_wildsage/ephemeral"
_LIFETIME_SECONDS = 365 * 24 * 3600.0
_LOG_LINES = 60
_FIRST_ACCOUNT = 200_000_000_000


class Ephemeral:
    """Answers ``POST PATH/accounts`` and ``GET PATH/happened/SINCE`` to whoever knows the token."""

    def __init__(
        self,
        token: str,
        *,
        clock: Clock,
        keys: AccessKeys,
        roles: Roles,
        resources: Resources,
        logs: LogStreams,
    ) -> None:
        self._token = token
        self._clock = clock
        self._keys = keys
        self._roles = roles
        self._resources = resources
        self._logs = logs
        self._next_account = _FIRST_ACCOUNT

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        if not hmac.compare_digest(request.headers.get("authorization").encode(), self._token.encode()):
            return _json(403, {"message": "This token is not that of the server."})
        match request.method, request.path.removeprefix(f"{PATH}/").split("/"):
            case "POST", ["accounts"]:
                return _json(200, await self._new_account())
            case "GET", ["happened", since]:
                return _json(200, list(self._happened(float(since))))
        return _json(404, {"message": f"There is nothing at {request.method} {request.path}."})

    async def _new_account(self) -> dict[str, str | None]:
        account, self._next_account = str(self._next_account), self._next_account + 1
        role = await self._roles.ensure_default_role(account)
        key = await self._keys.issue(
            account,
            f"arn:aws:sts::{account}:assumed-role/{DEFAULT_EXECUTION_ROLE}/{OWNER_SESSION}",
            now=self._clock.now(),
            lifetime=_LIFETIME_SECONDS,
        )
        return {
            "account": account,
            "role": role,
            "access_key_id": key.access_key_id,
            "secret_access_key": key.secret_access_key,
            "session_token": key.session_token,
        }

    def _happened(self, since: float) -> Iterator[Mapping[str, Any]]:
        """Yield what changed since a moment and what it logged; an endpoint counts where it logged only."""
        for kind in KINDS.values():
            for job in self._resources.everywhere(kind.name, modified_after=since):
                lines = self._log(job, kind.log_group, f"{job.key.name}/", since)
                yield _show(kind.noun, job, lines)
        for endpoint in self._resources.everywhere(ENDPOINT):
            lines = self._log(endpoint, f"/aws/sagemaker/Endpoints/{endpoint.key.name}", "", since)
            if lines or endpoint.modified_at >= since:
                yield _show("endpoint", endpoint, lines)

    def _log(self, resource: Resource, group: str, prefix: str, since: float) -> list[str]:
        try:
            found = self._logs.group(resource.key.account, resource.key.region, group)
        except GroupNotFoundError:
            return []
        frames = (
            frame
            for stream in self._logs.streams(found, prefix)
            for frame in self._logs.read_backward(stream, None, _LOG_LINES)
        )
        return [frame.message for frame in frames if frame.timestamp_ms >= since * 1000]


def _show(kind: str, resource: Resource, lines: Iterable[str]) -> Mapping[str, Any]:
    return {
        "kind": kind,
        "name": resource.key.name,
        "account": resource.key.account,
        "region": resource.key.region,
        "status": resource.status,
        "reason": resource.body.get("FailureReason", ""),
        "log": list(lines),
    }


def _json(status: int, content: object) -> HttpResponse:
    return HttpResponse(status, [("content-type", "application/json")], json.dumps(content).encode())
