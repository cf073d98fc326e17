"""GetCallerIdentity, AssumeRole, GetSessionToken, GetAccessKeyInfo."""

from typing import Any

from wildsage.core.arns import ROLE_ARN, Arn
from wildsage.core.context import RequestContext
from wildsage.core.credentials import AccessKey
from wildsage.core.errors import AccessDeniedError, ServiceError, ValidationError
from wildsage.core.policy import AccessRequest
from wildsage.services.iam.directory import Directory
from wildsage.services.operation import Request, Response, operation
from wildsage.store.access_keys import AccessKeys
from wildsage.store.resources import Resource, Resources

_ASSUMED_SECONDS = 3600
_SESSION_SECONDS = 43200


class Sessions:
    """Sessions of roles."""

    def __init__(self, resources: Resources, keys: AccessKeys) -> None:
        self._directory = Directory(resources)
        self._keys = keys

    @operation("GetCallerIdentity")
    async def caller(self, context: RequestContext, request: Request) -> Response:  # noqa: ARG002 - the shape of every handler
        """Say who signed the request. No permission is needed."""
        role = self._directory.role_of_principal(context.account, context.principal_arn)
        session = context.principal_arn.rsplit("/", 1)[-1]
        return {
            "UserId": context.account if role is None else f"{role.body['RoleId']}:{session}",
            "Account": context.account,
            "Arn": context.principal_arn,
        }

    @operation("AssumeRole")
    async def assume(self, context: RequestContext, request: Request) -> Response:
        """Give temporary credentials of a role that trusts the caller."""
        arn, name = request["RoleArn"], request["RoleSessionName"]
        if not ROLE_ARN.fullmatch(arn):
            raise ValidationError(
                f"{arn} is invalid: RoleArn must be the ARN of a role", code="ValidationError"
            )
        role = self._directory.find_role(context.account, arn.rsplit("/", 1)[-1])
        if role is None or role.arn != arn or not self._is_trusted(context, role, request):
            raise AccessDeniedError(
                f"User: {context.principal_arn} is not authorized to perform: sts:AssumeRole on resource: {arn}",
                code="AccessDenied",
            )
        lifetime = request.get("DurationSeconds", _ASSUMED_SECONDS)
        if lifetime > role.body["MaxSessionDuration"]:
            raise ValidationError(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role:"
                f" {lifetime} > {role.body['MaxSessionDuration']}",
                code="ValidationError",
            )
        session = str(
            Arn(context.partition, "sts", "", context.account, f"assumed-role/{role.body['RoleName']}/{name}")
        )
        key = await self._keys.issue(context.account, session, now=context.clock.now(), lifetime=lifetime)
        response: Response = {
            "Credentials": _show(key),
            "AssumedRoleUser": {"AssumedRoleId": f"{role.body['RoleId']}:{name}", "Arn": session},
        }
        if "SourceIdentity" in request:
            response["SourceIdentity"] = request["SourceIdentity"]
        return response

    @operation("GetSessionToken")
    async def session_token(self, context: RequestContext, request: Request) -> Response:
        """Give temporary credentials of the owner; a job cannot lengthen its own so."""
        if context.principal_arn != self._keys.owner.principal_arn:
            raise AccessDeniedError(
                "Cannot call GetSessionToken with session credentials", code="AccessDenied"
            )
        key = await self._keys.issue(
            context.account,
            context.principal_arn,
            now=context.clock.now(),
            lifetime=request.get("DurationSeconds", _SESSION_SECONDS),
        )
        return {"Credentials": _show(key)}

    @operation("GetAccessKeyInfo")
    async def key_info(self, context: RequestContext, request: Request) -> Response:  # noqa: ARG002 - the shape of every handler
        """Say to which account an access key belongs."""
        key = self._keys.find(request["AccessKeyId"])
        if key is None:
            raise ServiceError(
                f"The access key {request['AccessKeyId']} is not known here",
                code="ValidationError",
                status=400,
            )
        return {"Account": key.account}

    def _is_trusted(self, context: RequestContext, role: Resource, request: Request) -> bool:
        caller = self._directory.role_of_principal(context.account, context.principal_arn)
        root = str(Arn(context.partition, "iam", "", context.account, "root"))
        names = (context.account, root, context.principal_arn, *(() if caller is None else (caller.arn,)))
        values: dict[str, tuple[str, ...]] = {
            "aws:principalaccount": (context.account,),
            "aws:principalarn": (context.principal_arn if caller is None else caller.arn,),
            "sts:rolesessionname": (request["RoleSessionName"],),
        }
        for member, key in (("ExternalId", "sts:externalid"), ("SourceIdentity", "sts:sourceidentity")):
            if member in request:
                values[key] = (request[member],)
        return self._directory.trusts(role, AccessRequest("sts:AssumeRole", role.arn, {"AWS": names}, values))


def _show(key: AccessKey) -> dict[str, Any]:
    return {
        "AccessKeyId": key.access_key_id,
        "SecretAccessKey": key.secret_access_key,
        "SessionToken": key.session_token,
        "Expiration": key.expires_at,
    }
