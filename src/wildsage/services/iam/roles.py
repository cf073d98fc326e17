"""Roles: CreateRole, GetRole, ListRoles, UpdateRole, DeleteRole, trust policy, boundary and tags."""

from typing import Any

from wildsage.core.context import RequestContext
from wildsage.services.iam.directory import (
    LARGEST_ACCOUNT,
    ROLE,
    Directory,
    check_trust_policy,
    iam_arn,
    new_id,
    role_key,
    shown_document,
    size_of,
)
from wildsage.services.iam.errors import (
    already_exists,
    delete_conflict,
    invalid_input,
    limit_exceeded,
    no_such_role,
)
from wildsage.services.iam.pages import PAGES
from wildsage.services.iam.tagging import put_tags
from wildsage.services.operation import Request, Response, operation
from wildsage.services.tag_rules import check_tags
from wildsage.store.database import Transaction
from wildsage.store.resources import AlreadyExistsError, Body, Resource, Resources
from wildsage.store.tags import Tags

_DEFAULT_SESSION_SECONDS = 3600
_LARGEST_TRUST_POLICY = 4096


class Roles:
    """Roles of the account. They are global: every region sees the same ones."""

    def __init__(self, directory: Directory, tags: Tags) -> None:
        self._directory = directory
        self._tags = tags

    @operation("CreateRole")
    async def create(self, context: RequestContext, request: Request) -> Response:
        """Create a role."""
        name, path = request["RoleName"], request.get("Path", "/")
        _check_trust(request["AssumeRolePolicyDocument"])
        check_tags(request.get("Tags", []), invalid_input, ignore_case=True)
        if "PermissionsBoundary" in request:
            self._directory.policy_document(context.account, request["PermissionsBoundary"])
        if len(self._directory.roles(context.account)) >= LARGEST_ACCOUNT:
            raise limit_exceeded(f"Cannot exceed quota for RolesPerAccount: {LARGEST_ACCOUNT}")
        arn = iam_arn(context, ROLE, path, name)
        body = new_role_body(
            name, path, request["AssumeRolePolicyDocument"], int(request.get("MaxSessionDuration", 3600))
        )
        for member in ("Description", "PermissionsBoundary"):
            if member in request:
                body[member] = request[member]

        def store(transaction: Transaction) -> None:
            at = context.clock.now()
            Resources.insert(
                transaction, role_key(context.account, name), arn=arn, status="", at=at, body=body
            )
            put_tags(transaction, arn, request.get("Tags", []))

        try:
            await self._directory.write(store)
        except AlreadyExistsError:
            raise already_exists(f"Role with name {name} already exists.") from None
        return {"Role": self._detailed(self._directory.role(context.account, name))}

    @operation("GetRole")
    async def get(self, context: RequestContext, request: Request) -> Response:
        """Return a role."""
        role = self._directory.role(context.account, request["RoleName"])
        return {"Role": {**self._detailed(role), "RoleLastUsed": {}}}

    @operation("ListRoles")
    async def list(self, context: RequestContext, request: Request) -> Response:
        """List the roles below a path, ordered by name."""
        prefix = request.get("PathPrefix", "/")
        roles = [
            role for role in self._directory.roles(context.account) if role.body["Path"].startswith(prefix)
        ]
        return PAGES.answer(request, "Roles", roles, position=lambda role: role.key.name, show=_summary)

    @operation("UpdateRole")
    async def update(self, context: RequestContext, request: Request) -> Response:
        """Change description and longest session. A member that is absent goes back to its default."""

        def change(_: Transaction, role: Resource) -> None:
            role.body["Description"] = request.get("Description", "")
            role.body["MaxSessionDuration"] = request.get("MaxSessionDuration", _DEFAULT_SESSION_SECONDS)

        await self._directory.change_role(context, request["RoleName"], change)
        return {}

    @operation("UpdateAssumeRolePolicy")
    async def update_trust(self, context: RequestContext, request: Request) -> Response:
        """Replace the policy that says who may assume the role."""
        _check_trust(request["PolicyDocument"])

        def change(_: Transaction, role: Resource) -> None:
            role.body["AssumeRolePolicyDocument"] = request["PolicyDocument"]

        await self._directory.change_role(context, request["RoleName"], change)
        return {}

    @operation("PutRolePermissionsBoundary")
    async def put_boundary(self, context: RequestContext, request: Request) -> Response:
        """Limit a role to what a policy allows."""
        self._directory.policy_document(context.account, request["PermissionsBoundary"])

        def change(_: Transaction, role: Resource) -> None:
            role.body["PermissionsBoundary"] = request["PermissionsBoundary"]

        await self._directory.change_role(context, request["RoleName"], change)
        return {}

    @operation("DeleteRolePermissionsBoundary")
    async def delete_boundary(self, context: RequestContext, request: Request) -> Response:
        """Remove the limit; a role without one is no error."""
        await self._directory.change_role(
            context, request["RoleName"], lambda _, role: role.body.pop("PermissionsBoundary", None)
        )
        return {}

    @operation("DeleteRole")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Delete a role that has no policies any more."""
        key = role_key(context.account, request["RoleName"])

        def remove(transaction: Transaction) -> None:
            role = Resources.fetch(transaction, key)
            if role is None:
                raise no_such_role(request["RoleName"])
            if role.body["AttachedPolicies"]:
                raise delete_conflict("Cannot delete entity, must detach all policies first.")
            if role.body["InlinePolicies"]:
                raise delete_conflict("Cannot delete entity, must delete policies first.")
            Resources.delete(transaction, key)
            Tags.remove_all(transaction, role.arn)

        await self._directory.write(remove)
        return {}

    @operation("TagRole")
    async def tag(self, context: RequestContext, request: Request) -> Response:
        """Add tags; a key that exists gets the new value."""
        role = self._directory.role(context.account, request["RoleName"])
        check_tags(request["Tags"], invalid_input, ignore_case=True)
        await self._tags.database.write(lambda transaction: put_tags(transaction, role.arn, request["Tags"]))
        return {}

    @operation("UntagRole")
    async def untag(self, context: RequestContext, request: Request) -> Response:
        """Remove tags by key; absent ones are no error."""
        role = self._directory.role(context.account, request["RoleName"])
        await self._tags.database.write(
            lambda transaction: Tags.remove(transaction, role.arn, request["TagKeys"])
        )
        return {}

    @operation("ListRoleTags")
    async def list_tags(self, context: RequestContext, request: Request) -> Response:
        """List a role's tags, ordered by key."""
        role = self._directory.role(context.account, request["RoleName"])
        return PAGES.answer(
            request, "Tags", self._tags.of(role.arn), position=lambda tag: tag["Key"], show=lambda tag: tag
        )

    def _detailed(self, role: Resource) -> dict[str, Any]:
        shown = _summary(role)
        if "PermissionsBoundary" in role.body:
            shown["PermissionsBoundary"] = {
                "PermissionsBoundaryType": "Policy",
                "PermissionsBoundaryArn": role.body["PermissionsBoundary"],
            }
        tags = self._tags.of(role.arn)
        return {**shown, "Tags": tags} if tags else shown


def new_role_body(name: str, path: str, trust: str, longest_session: int = _DEFAULT_SESSION_SECONDS) -> Body:
    """Return the body of a role without policies."""
    return {
        "RoleName": name,
        "Path": path,
        "RoleId": new_id("AROA"),
        "AssumeRolePolicyDocument": trust,
        "MaxSessionDuration": longest_session,
        "InlinePolicies": {},
        "AttachedPolicies": [],
    }


def _check_trust(document: str) -> None:
    check_trust_policy(document)
    if size_of(document) > _LARGEST_TRUST_POLICY:
        raise limit_exceeded(f"Cannot exceed quota for ACLSizePerRole: {_LARGEST_TRUST_POLICY}")


def _summary(role: Resource) -> dict[str, Any]:
    shown = {
        "Path": role.body["Path"],
        "RoleName": role.body["RoleName"],
        "RoleId": role.body["RoleId"],
        "Arn": role.arn,
        "CreateDate": float(int(role.created_at)),
        "AssumeRolePolicyDocument": shown_document(role.body["AssumeRolePolicyDocument"]),
        "MaxSessionDuration": role.body["MaxSessionDuration"],
    }
    if role.body.get("Description"):
        shown["Description"] = role.body["Description"]
    return shown
