"""The endpoint at which a container asks for the credentials of its role, as AWS's SDKs expect it."""

import json

from wildsage.aws.http import HttpRequest, HttpResponse
from wildsage.core.clock import Clock, iso8601
from wildsage.store.access_keys import AccessKeys
from wildsage.store.run_tokens import RunTokens

_LIFETIME_SECONDS = 3600.0


class ContainerCredentials:
    """Answers ``GET PATH/RUN`` with temporary credentials to whoever holds the run's token.

    Each answer is a new key, which ends with the run or after an hour. Clients keep it until shortly
    before that.
    """

    def __init__(self, tokens: RunTokens, keys: AccessKeys, clock: Clock) -> None:
        self._tokens = tokens
        self._keys = keys
        self._clock = clock

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request. A wrong token and an unknown run look the same."""
        run_id = request.path.rpartition("/")[2]
        role = self._tokens.role_of(run_id, request.headers.get("authorization"))
        if role is None or request.method != "GET":
            return _json(403, {"code": "AccessDenied", "message": "This token is not that of a running job."})
        key = await self._keys.issue(
            role.account,
            role.session_arn,
            now=self._clock.now(),
            lifetime=_LIFETIME_SECONDS,
            bound_to=run_id,
        )
        return _json(
            200,
            {
                "AccessKeyId": key.access_key_id,
                "SecretAccessKey": key.secret_access_key,
                "Token": key.session_token,
                "Expiration": iso8601(key.expires_at or 0.0),
                "RoleArn": role.role_arn,
            },
        )


def _json(status: int, content: dict[str, str | None]) -> HttpResponse:
    return HttpResponse(status, [("content-type", "application/json")], json.dumps(content).encode())
