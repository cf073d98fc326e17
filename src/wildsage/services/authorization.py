"""May this principal do that, and may this role be handed to a service."""

import logging
import re
import shlex
from collections.abc import Mapping

from wildsage.core.arns import Arn
from wildsage.core.clock import Clock
from wildsage.core.context import RequestContext
from wildsage.core.errors import AccessDeniedError, ValidationError
from wildsage.core.policy import AccessRequest, Decision
from wildsage.core.policy_conditions import ContextValues
from wildsage.services.iam.directory import Directory
from wildsage.services.iam.execution_roles import (
    SAGEMAKER,
    TRUST_SAGEMAKER,
    create_execution_role,
    ensure_default_role,
)
from wildsage.store.resources import Resources

_ROLE_ARN = re.compile(
    r"arn:aws[a-z-]*:iam::(?P<account>\d{12}):role(?P<path>/(?:[!-~]+/)?)(?P<name>[\w+=,.@-]{1,64})"
)

_log = logging.getLogger(__name__)


class Authorizer:
    """Everything done for somebody is asked here first.

    The account of the caller is the account of what it reaches for. Within it, an explicit Deny of the
    role behind the caller wins; what no policy of the role mentions is allowed, and written to the debug
    log.

    Parameters
    ----------
    deny_by_default
        True: what no policy of the role mentions is denied, as on AWS.
    """

    def __init__(self, resources: Resources, *, deny_by_default: bool = False) -> None:
        self._directory = Directory(resources)
        self._deny_by_default = deny_by_default

    def authorize(
        self,
        context: RequestContext,
        action: str,
        resource: str,
        values: Mapping[str, ContextValues] | None = None,
        *,
        code: str = "AccessDeniedException",
    ) -> None:
        """Let the principal of `context` perform `action` on `resource`, or raise.

        Parameters
        ----------
        resource
            An ARN, or ``*``.
        values
            Values of condition keys by lower-case name, besides those every request has.
        code
            What the service calls it; S3, STS and IAM say ``AccessDenied``.

        Raises
        ------
        AccessDeniedError
            Naming principal, action and resource.
        """
        reason = self._reason_against(context, action, resource, values or {})
        if reason:
            raise AccessDeniedError(
                f"User: {context.principal_arn} is not authorized to perform: {action} on resource: {resource} {reason}",
                code=code,
            )

    def _reason_against(
        self, context: RequestContext, action: str, resource: str, values: Mapping[str, ContextValues]
    ) -> str:
        principal = context.principal_arn
        owner = Arn.parse(principal).account
        if owner != context.account:
            return f"because it belongs to account {owner}, not {context.account}"
        role = self._directory.role_of_principal(context.account, principal)
        if role is None:
            _log.debug("%s may %s on %s: it has no role here", principal, action, resource)
            return ""
        known = {
            "aws:principalarn": (role.arn,),
            "aws:principalaccount": (context.account,),
            "aws:requestedregion": (context.region,),
            "aws:currenttime": (str(context.clock.now()),),
            "aws:epochtime": (str(int(context.clock.now())),),
        }
        decision = self._directory.decide(
            role, AccessRequest(action, resource, context={**known, **values})
        ).decision
        if decision is Decision.EXPLICIT_DENY:
            return "with an explicit deny in an identity-based policy"
        if decision is Decision.IMPLICIT_DENY and self._deny_by_default:
            return f"because no identity-based policy allows the {action} action"
        _log.debug("%s may %s on %s: %s", principal, action, resource, decision.value)
        return ""


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

    async def ensure_default_role(self, account: str) -> str:
        """Make the account's default execution role unless it is there, and return its ARN."""
        return await ensure_default_role(self._directory.resources, account, now=self._clock.now())

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
        found = _ROLE_ARN.fullmatch(role_arn)
        if found is None:
            raise ValidationError(
                f"{member}: {role_arn!r} is not the ARN of a role (arn:aws:iam::ACCOUNT:role/NAME)"
            )
        if found["account"] != context.account:
            raise ValidationError(
                f"{member}: Cross-account pass role is not allowed: {role_arn} is not of account {context.account}."
            )
        role = self._directory.find_role(context.account, found["name"])
        if role is None and self._create_roles:
            _log.warning("%s does not exist: it is made on sight (--create-roles)", role_arn)
            await create_execution_role(
                self._directory.resources, context.account, role_arn, now=self._clock.now(),
                description=f"Made by Wildsage on sight, for a request of {context.principal_arn}.",
            )  # fmt: skip
            role = self._directory.find_role(context.account, found["name"])
        if role is None or _without_partition(role.arn) != _without_partition(role_arn):
            self._log_advice(
                context, role_arn, found["name"], found["path"], "" if role is None else role.arn
            )
            raise _not_assumable(role_arn, service)
        values = {"aws:sourceaccount": (context.account,), "aws:principalservicename": (service,)}
        if not self._directory.trusts(
            role, AccessRequest("sts:AssumeRole", "*", {"Service": (service,)}, values)
        ):
            raise _not_assumable(role_arn, service)

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
