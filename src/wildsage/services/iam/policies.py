"""Customer managed policies and their versions; AWS's own policies are there without having been made."""

from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import AccessDeniedError
from wildsage.services.iam.directory import (
    LARGEST_ACCOUNT,
    POLICY,
    Directory,
    check_identity_policy,
    iam_arn,
    new_id,
    policy_key,
    shown_document,
    size_of,
    version_of,
)
from wildsage.services.iam.errors import (
    already_exists,
    delete_conflict,
    invalid_input,
    limit_exceeded,
    no_such_policy,
    no_such_version,
)
from wildsage.services.iam.managed import ManagedPolicy
from wildsage.services.iam.pages import PAGES
from wildsage.services.iam.tagging import put_tags
from wildsage.services.operation import Request, Response, operation
from wildsage.services.tag_rules import check_tags
from wildsage.store.database import Transaction
from wildsage.store.resources import AlreadyExistsError, Body, Resource, Resources
from wildsage.store.tags import Tags

_LARGEST_POLICY = 6144
_MOST_VERSIONS = 5


class Policies:
    """Managed policies. A policy has up to five versions, and one of them is in force."""

    def __init__(self, directory: Directory, tags: Tags) -> None:
        self._directory = directory
        self._tags = tags

    @operation("CreatePolicy")
    async def create(self, context: RequestContext, request: Request) -> Response:
        """Create a policy with its first version."""
        name, path = request["PolicyName"], request.get("Path", "/")
        _check_document(request["PolicyDocument"])
        check_tags(request.get("Tags", []), invalid_input, ignore_case=True)
        if len(self._directory.policies(context.account)) >= LARGEST_ACCOUNT:
            raise limit_exceeded(f"Cannot exceed quota for PoliciesPerAccount: {LARGEST_ACCOUNT}")
        arn, at = iam_arn(context, POLICY, path, name), context.clock.now()
        body = {
            "PolicyName": name,
            "Path": path,
            "PolicyId": new_id("ANPA"),
            "Description": request.get("Description", ""),
            "DefaultVersionId": "v1",
            "LastVersion": 1,
            "Versions": [
                {"VersionId": "v1", "Document": request["PolicyDocument"], "CreateDate": float(int(at))}
            ],
        }

        def store(transaction: Transaction) -> None:
            Resources.insert(
                transaction, policy_key(context.account, name), arn=arn, status="", at=at, body=body
            )
            put_tags(transaction, arn, request.get("Tags", []))

        try:
            await self._directory.write(store)
        except AlreadyExistsError:
            raise already_exists(
                f"A policy called {name} already exists. Duplicate names are not allowed."
            ) from None
        policy = self._directory.policy(context.account, arn)
        shown = self._show(policy, 0, 0)
        tags = self._tags.of(arn)
        return {"Policy": {**shown, "Tags": tags} if tags else shown}

    @operation("GetPolicy")
    async def get(self, context: RequestContext, request: Request) -> Response:
        """Return a policy without its documents."""
        arn = request["PolicyArn"]
        attached, boundaries = self._directory.uses(context.account)
        managed = self._directory.managed.find(arn)
        if managed is not None:
            return {"Policy": _show_managed(managed, attached[arn], boundaries[arn])}
        shown = self._show(self._directory.policy(context.account, arn), attached[arn], boundaries[arn])
        return {"Policy": {**shown, "Tags": self._tags.of(arn)}}

    @operation("ListPolicies")
    async def list(self, context: RequestContext, request: Request) -> Response:
        """List policies of the account and of AWS, ordered by name."""
        attached, boundaries = self._directory.uses(context.account)
        scope, usage = request.get("Scope", "All"), request.get("PolicyUsageFilter")
        shown: list[dict[str, Any]] = []
        if scope in ("All", "Local"):
            own = self._directory.policies(context.account)
            shown += [self._show(policy, attached[policy.arn], boundaries[policy.arn]) for policy in own]
        if scope in ("All", "AWS"):
            shown += [
                _show_managed(policy, attached[policy.arn], boundaries[policy.arn])
                for policy in self._directory.managed.all(context.partition)
            ]
        for policy in shown:
            policy.pop("Description", None)
        prefix = request.get("PathPrefix", "/")
        kept = [
            policy
            for policy in shown
            if policy["Path"].startswith(prefix)
            and (not request.get("OnlyAttached") or policy["AttachmentCount"])
            and (usage != "PermissionsBoundary" or policy["PermissionsBoundaryUsageCount"])
            and (usage != "PermissionsPolicy" or policy["AttachmentCount"])
        ]
        return PAGES.answer(request, "Policies", kept, position=_list_position, show=lambda policy: policy)

    @operation("DeletePolicy")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Delete a policy that is attached nowhere and has no version besides the one in force."""
        arn = request["PolicyArn"]
        self._refuse_managed(context, arn, "iam:DeletePolicy")
        key = self._directory.policy(context.account, arn).key

        def remove(transaction: Transaction) -> None:
            policy = self._fetch(transaction, key, arn)
            attached, boundaries = self._directory.uses(context.account)
            if attached[arn] or boundaries[arn]:
                raise delete_conflict("Cannot delete a policy attached to entities.")
            if len(policy.body["Versions"]) > 1:
                raise delete_conflict("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")  # fmt: skip
            Resources.delete(transaction, key)
            Tags.remove_all(transaction, arn)

        await self._directory.write(remove)
        return {}

    # Versions

    @operation("CreatePolicyVersion")
    async def create_version(self, context: RequestContext, request: Request) -> Response:
        """Add a version, and put it in force where ``SetAsDefault`` says so."""
        _check_document(request["PolicyDocument"])
        default = bool(request.get("SetAsDefault"))
        created: Body = {"Document": request["PolicyDocument"], "CreateDate": float(int(context.clock.now()))}

        def change(body: Body) -> None:
            if len(body["Versions"]) >= _MOST_VERSIONS:
                raise limit_exceeded(
                    f"A managed policy can have up to {_MOST_VERSIONS} versions."
                    " Before you create a new version, you must delete an existing version."
                )
            body["LastVersion"] += 1
            created["VersionId"] = f"v{body['LastVersion']}"
            body["Versions"].append(created)
            if default:
                body["DefaultVersionId"] = created["VersionId"]

        await self._change(context, request["PolicyArn"], "iam:CreatePolicyVersion", change)
        return {
            "PolicyVersion": {
                "VersionId": created["VersionId"],
                "IsDefaultVersion": default,
                "CreateDate": created["CreateDate"],
            }
        }

    @operation("GetPolicyVersion")
    async def get_version(self, context: RequestContext, request: Request) -> Response:
        """Return a version with its document."""
        arn, version_id = request["PolicyArn"], request["VersionId"]
        body = self._body(context, arn)
        version = version_of(body, version_id)
        if version is None:
            raise no_such_version(arn, version_id)
        return {"PolicyVersion": _show_version(body, version, with_document=True)}

    @operation("ListPolicyVersions")
    async def list_versions(self, context: RequestContext, request: Request) -> Response:
        """List versions, the newest first."""
        body = self._body(context, request["PolicyArn"])
        return PAGES.answer(
            request,
            "Versions",
            body["Versions"][::-1],
            position=lambda version: -int(version["VersionId"][1:]),
            show=lambda version: _show_version(body, version, with_document=False),
        )

    @operation("SetDefaultPolicyVersion")
    async def set_default_version(self, context: RequestContext, request: Request) -> Response:
        """Put a version in force."""
        arn, version_id = request["PolicyArn"], request["VersionId"]

        def change(body: Body) -> None:
            if version_of(body, version_id) is None:
                raise no_such_version(arn, version_id)
            body["DefaultVersionId"] = version_id

        await self._change(context, arn, "iam:SetDefaultPolicyVersion", change)
        return {}

    @operation("DeletePolicyVersion")
    async def delete_version(self, context: RequestContext, request: Request) -> Response:
        """Delete a version that is not in force."""
        arn, version_id = request["PolicyArn"], request["VersionId"]

        def change(body: Body) -> None:
            version = version_of(body, version_id)
            if version is None:
                raise no_such_version(arn, version_id)
            if version_id == body["DefaultVersionId"]:
                raise delete_conflict("Cannot delete the default version of a policy.")
            body["Versions"].remove(version)

        await self._change(context, arn, "iam:DeletePolicyVersion", change)
        return {}

    def _body(self, context: RequestContext, arn: str) -> Body:
        """Return the body of any policy; one of AWS's has a single version."""
        managed = self._directory.managed.find(arn)
        if managed is None:
            return self._directory.policy(context.account, arn).body
        version = {"VersionId": "v1", "Document": managed.document, "CreateDate": managed.created_at}
        return {"DefaultVersionId": "v1", "Versions": [version]}

    async def _change(self, context: RequestContext, arn: str, action: str, change: Any) -> None:
        self._refuse_managed(context, arn, action)
        key = self._directory.policy(context.account, arn).key

        def work(transaction: Transaction) -> None:
            policy = self._fetch(transaction, key, arn)
            change(policy.body)
            Resources.update(transaction, key, at=context.clock.now(), body=policy.body)

        await self._directory.write(work)

    @staticmethod
    def _fetch(transaction: Transaction, key: Any, arn: str) -> Resource:
        policy = Resources.fetch(transaction, key)
        if policy is None or policy.arn != arn:
            raise no_such_policy(arn)
        return policy

    def _refuse_managed(self, context: RequestContext, arn: str, action: str) -> None:
        if self._directory.managed.find(arn) is not None:
            raise AccessDeniedError(
                f"User: {context.principal_arn} is not authorized to perform: {action} on resource:"
                f" policy {arn}: it belongs to AWS. Create a policy of your own",
                code="AccessDenied",
            )

    @staticmethod
    def _show(policy: Resource, attachments: int, boundaries: int) -> dict[str, Any]:
        body = policy.body
        shown = {
            "PolicyName": body["PolicyName"],
            "PolicyId": body["PolicyId"],
            "Arn": policy.arn,
            "Path": body["Path"],
            "DefaultVersionId": body["DefaultVersionId"],
            "AttachmentCount": attachments,
            "PermissionsBoundaryUsageCount": boundaries,
            "IsAttachable": True,
            "CreateDate": float(int(policy.created_at)),
            "UpdateDate": float(int(policy.modified_at)),
        }
        return {**shown, "Description": body["Description"]} if body["Description"] else shown


def _list_position(policy: dict[str, Any]) -> list[str]:
    return [policy["PolicyName"].lower(), policy["Arn"]]


def _show_managed(policy: ManagedPolicy, attachments: int, boundaries: int) -> dict[str, Any]:
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": "v1",
        "AttachmentCount": attachments,
        "PermissionsBoundaryUsageCount": boundaries,
        "IsAttachable": True,
        "Description": policy.description
        or "A policy of AWS that Wildsage does not know: it grants nothing here.",
        "CreateDate": policy.created_at,
        "UpdateDate": policy.created_at,
    }


def _show_version(body: Body, version: Body, *, with_document: bool) -> dict[str, Any]:
    shown = {
        "VersionId": version["VersionId"],
        "IsDefaultVersion": version["VersionId"] == body["DefaultVersionId"],
        "CreateDate": version["CreateDate"],
    }
    return {**shown, "Document": shown_document(version["Document"])} if with_document else shown


def _check_document(document: str) -> None:
    check_identity_policy(document)
    if size_of(document) > _LARGEST_POLICY:
        raise limit_exceeded(f"Cannot exceed quota for PolicySize: {_LARGEST_POLICY}")
