"""Roles and policies as they are stored, and what they come to.

A role is a resource of kind ``role``, a customer's policy one of kind ``policy``; both without a region.
Names are kept in lower case in the key, because IAM has no two that differ in case only.
"""

import secrets
from base64 import b32encode
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from wildsage.core.arns import Arn
from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError
from wildsage.core.policy import (
    AccessRequest,
    Decision,
    Evaluation,
    Policy,
    PolicyError,
    evaluate,
    parse_identity_policy,
    parse_trust_policy,
)
from wildsage.services.iam.errors import malformed, no_such_policy, no_such_role
from wildsage.services.iam.managed import ManagedPolicies
from wildsage.store.database import Transaction
from wildsage.store.resources import Body, Key, Query, Resource, Resources

ROLE = "role"
POLICY = "policy"
CHANGED = "identities"
"""Notified with each change of a role or a policy."""
LARGEST_ACCOUNT = 5000
"""As many roles, and as many policies, as an account of AWS can be allowed."""

_read_identity_policy = lru_cache(maxsize=512)(parse_identity_policy)
_read_trust_policy = lru_cache(maxsize=512)(parse_trust_policy)


@dataclass(frozen=True, slots=True)
class Grant:
    """One policy of a role. `arn` is None for an inline policy."""

    name: str
    arn: str | None
    policy: Policy


class Directory:
    """Reads and changes roles and policies. The handlers of IAM and the authorization share it."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.managed = ManagedPolicies()

    # Roles

    def find_role(self, account: str, name: str) -> Resource | None:
        """Return a role, or None."""
        return self.resources.get(role_key(account, name))

    def role(self, account: str, name: str) -> Resource:
        """Return a role.

        Raises
        ------
        NotFoundError
            ``NoSuchEntity``.
        """
        found = self.find_role(account, name)
        if found is None:
            raise no_such_role(name)
        return found

    def role_of_principal(self, account: str, principal_arn: str) -> Resource | None:
        """Return the role behind a role session (or a role's own ARN), or None."""
        arn = Arn.parse(principal_arn)
        if arn.account != account or arn.resource_type not in ("assumed-role", "role"):
            return None
        parts = arn.resource.split("/")
        return self.find_role(account, parts[1] if arn.resource_type == "assumed-role" else parts[-1])

    def roles(self, account: str) -> list[Resource]:
        """Return all roles, ordered by name."""
        return self._all(account, ROLE)

    async def change_role(
        self, context: RequestContext, name: str, change: Callable[[Transaction, Resource], None]
    ) -> None:
        """Change the body of a role in one transaction; what `change` raises undoes it.

        Raises
        ------
        NotFoundError
            ``NoSuchEntity``.
        """

        def work(transaction: Transaction) -> None:
            found = Resources.fetch(transaction, role_key(context.account, name))
            if found is None:
                raise no_such_role(name)
            change(transaction, found)
            Resources.update(transaction, found.key, at=context.clock.now(), body=found.body)

        await self.write(work)

    async def write(self, work: Callable[[Transaction], None]) -> None:
        """Change roles or policies in one transaction, and let everybody know who keeps what it read."""

        def announced(transaction: Transaction) -> None:
            work(transaction)
            transaction.notify(CHANGED)

        await self.resources.database.write(announced)

    # Policies

    def policy(self, account: str, arn: str) -> Resource:
        """Return a customer's policy.

        Raises
        ------
        NotFoundError
            ``NoSuchEntity``.
        """
        found = self.resources.get_by_arn(arn)
        if found is None or found.key.kind != POLICY or found.key.account != account:
            raise no_such_policy(arn)
        return found

    def policy_document(self, account: str, arn: str) -> str:
        """Return the document that is in force of any policy.

        Raises
        ------
        NotFoundError
            ``NoSuchEntity``.
        """
        managed = self.managed.find(arn)
        if managed is not None:
            return managed.document
        body = self.policy(account, arn).body
        documents = {version["VersionId"]: str(version["Document"]) for version in body["Versions"]}
        return documents[body["DefaultVersionId"]]

    def policies(self, account: str) -> list[Resource]:
        """Return the customer's policies, ordered by name."""
        return self._all(account, POLICY)

    def uses(self, account: str) -> tuple[Counter[str], Counter[str]]:
        """Count, by policy ARN, to how many roles it is attached, and of how many it is the boundary."""
        attached: Counter[str] = Counter()
        boundaries: Counter[str] = Counter()
        for role in self.roles(account):
            attached.update(role.body["AttachedPolicies"])
            boundaries.update(
                [role.body["PermissionsBoundary"]] if "PermissionsBoundary" in role.body else []
            )
        return attached, boundaries

    def _all(self, account: str, kind: str) -> list[Resource]:
        query = Query(account, "", kind, sort_by="name", descending=False)
        return self.resources.page(query, None, LARGEST_ACCOUNT)

    # What it comes to

    def grants(self, role: Resource) -> list[Grant]:
        """Return the policies of a role, attached and inline. Unknown policies of AWS grant nothing."""
        account = role.key.account
        grants = [
            Grant(name, None, _read_identity_policy(document, name))
            for name, document in role.body["InlinePolicies"].items()
        ]
        for arn in role.body["AttachedPolicies"]:
            grants += [Grant(policy.source, arn, policy) for policy in self._in_force(account, arn)]
        return grants

    def boundary(self, role: Resource) -> list[Policy] | None:
        """Return the policy beyond which a role's own policies do not reach; None if it has none."""
        arn = role.body.get("PermissionsBoundary")
        return None if arn is None else self._in_force(role.key.account, arn)

    def _in_force(self, account: str, arn: str) -> list[Policy]:
        """Return a managed policy; nothing for one of AWS that is not known, or one that was just deleted."""
        managed = self.managed.find(arn)
        if managed is not None and not managed.known:
            return []
        try:
            document = self.policy_document(account, arn)
        except NotFoundError:
            return []
        return [_read_identity_policy(document, arn.rsplit("/", 1)[-1])]

    def decide(self, role: Resource, request: AccessRequest) -> Evaluation:
        """Decide whether the policies of a role allow a request."""
        return evaluate_within([grant.policy for grant in self.grants(role)], self.boundary(role), request)

    @staticmethod
    def trusts(role: Resource, request: AccessRequest) -> bool:
        """Tell whether a role's trust policy lets a principal assume it."""
        trust = _read_trust_policy(role.body["AssumeRolePolicyDocument"])
        return evaluate([trust], request).decision is Decision.ALLOWED


def evaluate_within(
    policies: Iterable[Policy], boundary: list[Policy] | None, request: AccessRequest
) -> Evaluation:
    """Evaluate policies; where there is a boundary it must allow the request as well."""
    own = evaluate(policies, request)
    if boundary is None or own.decision is Decision.EXPLICIT_DENY:
        return own
    limit = evaluate(boundary, request)
    if limit.decision is Decision.ALLOWED:
        return own
    return Evaluation(limit.decision, limit.sources, own.missing_context + limit.missing_context)


def role_key(account: str, name: str) -> Key:
    """Return the key of a role."""
    return Key(account, "", ROLE, name.lower())


def policy_key(account: str, name: str) -> Key:
    """Return the key of a customer's policy."""
    return Key(account, "", POLICY, name.lower())


def iam_arn(context: RequestContext, kind: str, path: str, name: str) -> str:
    """Build the ARN of a role or a policy: they have no region."""
    return str(Arn(context.partition, "iam", "", context.account, f"{kind}{path}{name}"))


def new_id(prefix: str) -> str:
    """Return a unique identifier of IAM, e.g. ``AROA…`` for a role."""
    return prefix + b32encode(secrets.token_bytes(11)).decode()[:17]


def version_of(body: Body, version_id: str) -> Body | None:
    """Return one version of a customer's policy."""
    return next((version for version in body["Versions"] if version["VersionId"] == version_id), None)


def shown_document(document: str) -> str:
    """Return a document as IAM sends it: percent-encoded."""
    return quote(document, safe="-_.~")


def check_identity_policy(document: str) -> None:
    """Raise ``MalformedPolicyDocument`` unless the document is a policy of a role."""
    try:
        parse_identity_policy(document)
    except PolicyError as error:
        raise malformed(error) from None


def check_trust_policy(document: str) -> None:
    """Raise ``MalformedPolicyDocument`` unless the document says who may assume a role."""
    try:
        parse_trust_policy(document)
    except PolicyError as error:
        raise malformed(error) from None


def size_of(document: str) -> int:
    """Count the characters that count against a quota: white space does not."""
    return sum(1 for character in document if not character.isspace())
