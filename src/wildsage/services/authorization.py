"""May this principal do that, and may this role be handed to a service."""

import logging
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from wildsage.core.arns import ROLE_ARN, Arn
from wildsage.core.clock import Clock
from wildsage.core.context import RequestContext
from wildsage.core.errors import AccessDeniedError, ValidationError
from wildsage.core.permission import Permission
from wildsage.core.policy import AccessRequest, Decision, Policy, evaluate
from wildsage.services.iam.directory import CHANGED, Directory, evaluate_within
from wildsage.services.iam.execution_roles import (
    SAGEMAKER,
    TRUST_SAGEMAKER,
    create_execution_role,
    ensure_default_role,
)
from wildsage.services.operation import Request
from wildsage.services.permissions import Permissions
from wildsage.store.resources import Resource, Resources

_PLAIN_CODE = frozenset({"s3", "sts", "iam"})
"""They say ``AccessDenied``, all others ``AccessDeniedException``."""
_MOST_STANDINGS = 4096

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the policies of a principal come to, as of one generation of roles and policies.

    Attributes
    ----------
    denials
        The statements that deny, of all of them.
    may_refuse
        Whether anything can be denied at all. Where not, nothing is evaluated.
    """

    generation: int
    account: str
    role: Resource | None
    grants: Sequence[Policy] = ()
    boundary: list[Policy] | None = None
    denials: Sequence[Policy] = ()
    may_refuse: bool = False


class Authorizer:
    """Everything done for somebody is asked here first.

    The account of the caller is the account of what it reaches for. Within it, an explicit Deny of the
    role behind the caller wins; what no policy of the role mentions is allowed, and written to the debug
    log. Policies are read once after each change of any of them: a request of a principal that nothing is
    denied to costs no SQL.

    Parameters
    ----------
    deny_by_default
        True: what no policy of the role mentions is denied, as on AWS.
    """

    def __init__(self, resources: Resources, *, deny_by_default: bool = False) -> None:
        self._directory = Directory(resources)
        self._permissions = Permissions(self._directory)
        self._deny_by_default = deny_by_default
        self._standings: dict[str, _Standing] = {}
        self._generation = 0
        resources.database.listen(CHANGED, self._forget)

    def authorize_operation(
        self, context: RequestContext, service: str, operation: str, request: Request
    ) -> None:
        """Let the principal of `context` call an operation with this request, or raise as `authorize` does."""
        standing = self._standing(context)
        if standing.may_refuse or _log.isEnabledFor(logging.DEBUG):
            code = "AccessDenied" if service in _PLAIN_CODE else AccessDeniedError.code
            for permission in self._permissions.of(context, service, operation, request):
                self._require(context, standing, permission, code)

    def authorize(self, context: RequestContext, permission: Permission) -> None:
        """Let the principal of `context` do something, or raise.

        Raises
        ------
        AccessDeniedError
            Naming principal, action and resource.
        """
        self._require(context, self._standing(context), permission, "AccessDenied")

    def _require(
        self, context: RequestContext, standing: _Standing, permission: Permission, code: str
    ) -> None:
        reason = self._reason_against(context, standing, permission)
        if reason:
            raise AccessDeniedError(
                f"User: {context.principal_arn} is not authorized to perform: {permission.action}"
                f" on resource: {permission.resource} {reason}",
                code=code,
            )

    def _reason_against(self, context: RequestContext, standing: _Standing, permission: Permission) -> str:
        action, resource = permission.action, permission.resource
        if standing.account != context.account:
            return f"because it belongs to account {standing.account}, not {context.account}"
        if standing.role is None:
            _log.debug("%s may %s on %s: it has no role here", context.principal_arn, action, resource)
            return ""
        known = {
            "aws:principalarn": (standing.role.arn,),
            "aws:principalaccount": (context.account,),
            "aws:requestedregion": (context.region,),
            "aws:currenttime": (str(context.clock.now()),),
            "aws:epochtime": (str(int(context.clock.now())),),
        }
        asked = AccessRequest(action, resource, context={**known, **permission.values})
        if self._deny_by_default or _log.isEnabledFor(logging.DEBUG):
            decision = evaluate_within(standing.grants, standing.boundary, asked).decision
        else:
            # A tenth of the time: nobody asks whether it is allowed.
            decision = evaluate(standing.denials, asked).decision
        if decision is Decision.EXPLICIT_DENY:
            return "with an explicit deny in an identity-based policy"
        if decision is Decision.IMPLICIT_DENY and self._deny_by_default:
            return f"because no identity-based policy allows the {action} action"
        _log.debug("%s may %s on %s: %s", context.principal_arn, action, resource, decision.value)
        return ""

    def _standing(self, context: RequestContext) -> _Standing:
        standing = self._standings.get(context.principal_arn)
        if standing is None or standing.generation != self._generation or standing.account != context.account:
            if len(self._standings) >= _MOST_STANDINGS:
                self._standings.clear()
            standing = self._standings[context.principal_arn] = self._read_standing(context)
        return standing

    def _read_standing(self, context: RequestContext) -> _Standing:
        generation = self._generation  # before reading: a change meanwhile makes the result an old one
        account = Arn.parse(context.principal_arn).account
        if account != context.account:
            return _Standing(generation, account, None, may_refuse=True)
        role = self._directory.role_of_principal(account, context.principal_arn)
        if role is None:
            return _Standing(generation, account, None)
        grants = [grant.policy for grant in self._directory.grants(role)]
        boundary = self._directory.boundary(role)
        denials = [
            Policy((statement,), policy.source)
            for policy in (*grants, *(boundary or ()))
            for statement in policy.statements
            if statement.effect == "Deny"
        ]
        may_refuse = bool(denials) or self._deny_by_default
        return _Standing(generation, account, role, grants, boundary, denials, may_refuse)

    def _forget(self) -> None:
        # Called by the thread that commits, before the change is acknowledged.
        self._generation += 1


class Roles:
    """The roles that requests hand to SageMaker (``RoleArn``, ``ExecutionRoleArn``).

    Parameters
    ----------
    create_roles
        Make an unknown role of the own account on sight (``wildsage up --create-roles``).
    """

    def __init__(self, resources: Resources, clock: Clock, *, create_roles: bool = False) -> None:
        self._directory = Directory(resources)
        self._clock = clock
        self._create_roles = create_roles
        self._passable: set[tuple[str, str, str]] = set()
        resources.database.listen(CHANGED, self._forget)

    def _forget(self) -> None:
        # Called by the thread that commits, before the change is acknowledged.
        self._passable = set()

    async def ensure_default_role(self, account: str) -> str:
        """Make the account's default execution role unless it is there, and return its ARN."""
        return await ensure_default_role(self._directory, account, now=self._clock.now())

    async def require_passable(
        self, context: RequestContext, role_arn: str, *, member: str = "RoleArn", service: str = SAGEMAKER
    ) -> None:
        """Raise unless the role exists in the caller's account and trusts `service`.

        Parameters
        ----------
        member
            The request member that names the role.

        Raises
        ------
        ValidationError
            With AWS's texts. Where the role is unknown, the server's log has the command that makes it.
        """
        asked, passable = (context.account, role_arn, service), self._passable
        if asked in passable:
            return
        found = ROLE_ARN.fullmatch(role_arn)
        if found is None:
            raise ValidationError(
                f"{member}: {role_arn!r} is not the ARN of a role (arn:aws:iam::ACCOUNT:role/NAME)"
            )
        if found["account"] != context.account:
            raise ValidationError(
                f"{member}: Cross-account pass role is not allowed."
                f" {role_arn} is not a role of account {context.account}"
            )
        role = await self.find(context, role_arn)
        if role is None:
            raise _not_assumable(role_arn, service)
        values = {"aws:sourceaccount": (context.account,), "aws:principalservicename": (service,)}
        if not self._directory.trusts(
            role, AccessRequest("sts:AssumeRole", "*", {"Service": (service,)}, values)
        ):
            raise _not_assumable(role_arn, service)
        if len(passable) < _MOST_STANDINGS:
            # Into the set that goes with what was read: a change meanwhile made a new one.
            passable.add(asked)

    async def find(self, context: RequestContext, role_arn: str) -> Resource | None:
        """Return the role of an ARN that a request of its account names.

        An unknown one is made on sight where the server does so; elsewhere None is returned, and the
        server's log has the command that makes it.
        """
        found = ROLE_ARN.fullmatch(role_arn)
        if found is None or found["account"] != context.account:
            return None
        role = self._directory.find_role(context.account, found["name"])
        if role is None and self._create_roles:
            _log.warning("%s does not exist: it is made on sight (--create-roles)", role_arn)
            await create_execution_role(
                self._directory, context.account, role_arn, now=self._clock.now(),
                description=f"Made by Wildsage on sight, for a request of {context.principal_arn}.",
            )  # fmt: skip
            role = self._directory.find_role(context.account, found["name"])
        if role is not None and _without_partition(role.arn) == _without_partition(role_arn):
            return role
        self._log_advice(context, role_arn, found["name"], found["path"], "" if role is None else role.arn)
        return None

    def _log_advice(
        self, context: RequestContext, role_arn: str, name: str, path: str, existing: str
    ) -> None:
        if existing:
            _log.warning("%s does not exist; the role of this name is %s", role_arn, existing)
            return
        command = ["aws", "iam", "create-role", "--role-name", name]
        command += ["--path", path] if path != "/" else []
        command += ["--assume-role-policy-document", TRUST_SAGEMAKER]
        _log.warning(
            "%s does not exist in account %s. Make it: wildsage run -- %s   (or let every such role be made: wildsage up --create-roles)",
            role_arn,
            context.account,
            shlex.join(command),
        )


def _without_partition(arn: str) -> str:
    """A script for another partition may name the role with its own."""
    return arn.split(":", 2)[2]


def _not_assumable(role_arn: str, service: str) -> ValidationError:
    return ValidationError(
        f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal"
        f" '{service}' to assume the role."
    )
