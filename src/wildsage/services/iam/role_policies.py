"""What a role may do: its inline policies and the managed ones attached to it."""

from wildsage.core.context import RequestContext
from wildsage.services.iam.directory import Directory, check_identity_policy, shown_document, size_of
from wildsage.services.iam.errors import limit_exceeded, no_such_attachment, no_such_inline_policy
from wildsage.services.iam.pages import PAGES
from wildsage.services.operation import Request, Response, operation
from wildsage.store.database import Transaction
from wildsage.store.resources import Resource

_LARGEST_INLINE_TOTAL = 10240
_MOST_ATTACHED = 20


class RolePolicies:
    """Inline and attached policies of roles."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    @operation("PutRolePolicy")
    async def put_inline(self, context: RequestContext, request: Request) -> Response:
        """Write an inline policy, new or in the place of an old one."""
        check_identity_policy(request["PolicyDocument"])

        def change(_: Transaction, role: Resource) -> None:
            inline = role.body["InlinePolicies"]
            inline[request["PolicyName"]] = request["PolicyDocument"]
            if sum(map(size_of, inline.values())) > _LARGEST_INLINE_TOTAL:
                raise limit_exceeded(
                    f"Maximum policy size of {_LARGEST_INLINE_TOTAL} bytes exceeded for role {request['RoleName']}"
                )

        await self._directory.change_role(context, request["RoleName"], change)
        return {}

    @operation("GetRolePolicy")
    async def get_inline(self, context: RequestContext, request: Request) -> Response:
        """Return an inline policy."""
        role, name = self._directory.role(context.account, request["RoleName"]), request["PolicyName"]
        document = role.body["InlinePolicies"].get(name)
        if document is None:
            raise no_such_inline_policy(request["RoleName"], name)
        return {
            "RoleName": role.body["RoleName"],
            "PolicyName": name,
            "PolicyDocument": shown_document(document),
        }

    @operation("ListRolePolicies")
    async def list_inline(self, context: RequestContext, request: Request) -> Response:
        """List the names of the inline policies."""
        names = sorted(self._directory.role(context.account, request["RoleName"]).body["InlinePolicies"])
        return PAGES.answer(request, "PolicyNames", names, position=lambda name: name, show=lambda name: name)

    @operation("DeleteRolePolicy")
    async def delete_inline(self, context: RequestContext, request: Request) -> Response:
        """Delete an inline policy."""

        def change(_: Transaction, role: Resource) -> None:
            if role.body["InlinePolicies"].pop(request["PolicyName"], None) is None:
                raise no_such_inline_policy(request["RoleName"], request["PolicyName"])

        await self._directory.change_role(context, request["RoleName"], change)
        return {}

    @operation("AttachRolePolicy")
    async def attach(self, context: RequestContext, request: Request) -> Response:
        """Attach a managed policy; once more is no error. Those of AWS need not be created."""
        arn = request["PolicyArn"]

        def change(_: Transaction, role: Resource) -> None:
            self._directory.policy_document(context.account, arn)
            attached = role.body["AttachedPolicies"]
            if arn in attached:
                return
            if len(attached) >= _MOST_ATTACHED:
                raise limit_exceeded(f"Cannot exceed quota for PoliciesPerRole: {_MOST_ATTACHED}")
            attached.append(arn)

        await self._directory.change_role(context, request["RoleName"], change)
        return {}

    @operation("DetachRolePolicy")
    async def detach(self, context: RequestContext, request: Request) -> Response:
        """Detach a managed policy."""

        def change(_: Transaction, role: Resource) -> None:
            if request["PolicyArn"] not in role.body["AttachedPolicies"]:
                raise no_such_attachment(request["PolicyArn"])
            role.body["AttachedPolicies"].remove(request["PolicyArn"])

        await self._directory.change_role(context, request["RoleName"], change)
        return {}

    @operation("ListAttachedRolePolicies")
    async def list_attached(self, context: RequestContext, request: Request) -> Response:
        """List the attached policies below a path, ordered by ARN."""
        role = self._directory.role(context.account, request["RoleName"])
        prefix = request.get("PathPrefix", "/")
        attached = [arn for arn in sorted(role.body["AttachedPolicies"]) if _path_of(arn).startswith(prefix)]
        return PAGES.answer(
            request,
            "AttachedPolicies",
            attached,
            position=lambda arn: arn,
            show=lambda arn: {"PolicyName": arn.rsplit("/", 1)[-1], "PolicyArn": arn},
        )


def _path_of(arn: str) -> str:
    """Return what is between ``policy`` and the name."""
    return arn.split(":policy", 1)[-1].rsplit("/", 1)[0] + "/"
