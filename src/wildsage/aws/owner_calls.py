"""What only the owner of this installation may ask, beside the AWS API: ``POST PATH/CALL`` with JSON both ways.

The request is signed like every other; the key must be the owner's own (``credentials.json``), not one that
was handed out. Failures are a 4xx with ``{"message": …}``.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from wildsage.aws.authentication import Authenticator
from wildsage.aws.http import HttpRequest, HttpResponse
from wildsage.core.clock import Clock
from wildsage.core.credentials import AccessKey
from wildsage.core.errors import ServiceError

OwnerCall = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Takes the members of the request; raises `ServiceError` where it cannot answer."""

_LARGEST_REQUEST = 1 << 20


class OwnerCalls:
    """The handler of ``PATH``.

    Parameters
    ----------
    owner
        The one key that may ask: who assumed the owner's role may not.
    """

    def __init__(self, owner: AccessKey, clock: Clock, calls: Mapping[str, OwnerCall]) -> None:
        self._authenticate = Authenticator({owner.access_key_id: owner}.get, clock)
        self._calls = calls

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one call."""
        try:
            await self._authenticate(request)
            call = self._calls.get(request.path.rpartition("/")[2])
            if call is None or request.method != "POST":
                raise ServiceError(f"There is no call {request.method} {request.path}", status=404)
            reply = await call(await _members(request))
        except ServiceError as error:
            return _json(error.status, {"message": error.message})
        return _json(200, reply)


async def _members(request: HttpRequest) -> Mapping[str, Any]:
    try:
        members = json.loads(await request.body.read(_LARGEST_REQUEST))
    except (ValueError, RecursionError) as error:
        raise ServiceError(f"The request is no JSON: {error}", status=400) from None
    if not isinstance(members, dict):
        raise ServiceError("The request is no JSON object", status=400)
    return members


def _json(status: int, content: Mapping[str, Any]) -> HttpResponse:
    return HttpResponse(status, [("content-type", "application/json")], json.dumps(content).encode())
