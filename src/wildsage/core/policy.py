"""IAM policies: read, check and evaluate them. Pure functions of documents and a request.

Source: "Policy evaluation logic" and "IAM JSON policy elements" (IAM User Guide). An explicit Deny wins, then
an Allow, and what no statement mentions is denied.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from wildsage.core.policy_conditions import (
    ConditionError,
    ContextValues,
    check_conditions,
    conditions_hold,
    resolve_variables,
)
from wildsage.core.wildcards import wildcard_match

_VERSIONS = ("2012-10-17", "2008-10-17")
_STATEMENT_MEMBERS = frozenset(
    {
        "Sid",
        "Effect",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Principal",
        "NotPrincipal",
        "Condition",
    }
)


class PolicyError(ValueError):
    """A document that breaks the grammar of policies. The message says where and how."""


class Decision(StrEnum):
    """What an evaluation comes to, in the words of SimulatePrincipalPolicy."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. Of ``X`` and ``NotX`` one is given; `negated` names those that are ``NotX``."""

    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principals: Mapping[str, tuple[str, ...]]
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]
    negated: frozenset[str]


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed document.

    Attributes
    ----------
    source
        What the simulator calls it, e.g. the policy's name.
    """

    statements: tuple[Statement, ...]
    source: str = ""


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Who wants to do what with what.

    Attributes
    ----------
    principals
        By type (``AWS``, ``Service``): all names under which the caller is known. Only resource and trust
        policies ask for it.
    context
        Values by lower-case context key.
    """

    action: str
    resource: str = "*"
    principals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    context: Mapping[str, ContextValues] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The decision, the policies that made it, and the context keys that were asked for in vain."""

    decision: Decision
    sources: tuple[str, ...] = ()
    missing_context: tuple[str, ...] = ()


# Reading


def parse_identity_policy(text: str, source: str = "") -> Policy:
    """Read a policy of a role: it names resources and no principal.

    Raises
    ------
    PolicyError
        Saying what is wrong.
    """
    policy = _parse(text, source)
    for number, statement in enumerate(policy.statements, 1):
        if statement.principals:
            raise PolicyError(f"Policy document should not specify a principal (statement {number}).")
        if not statement.resources:
            raise PolicyError(f"Policy statement must contain resources (statement {number}).")
        for action in statement.actions:
            if action != "*" and ":" not in action:
                raise PolicyError(
                    f"Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: {action!r}"
                )
        for resource in statement.resources:
            if (
                resource != "*"
                and not resource.startswith("arn:")
                and "*" not in resource
                and "$" not in resource
            ):
                raise PolicyError(f'Resource {resource} must be in ARN format or "*".')
    return policy


def parse_trust_policy(text: str, source: str = "") -> Policy:
    """Read the policy that says who may assume a role: it names principals and no resource.

    Raises
    ------
    PolicyError
        Saying what is wrong.
    """
    policy = _parse(text, source)
    for number, statement in enumerate(policy.statements, 1):
        if not statement.principals:
            raise PolicyError(f"AssumeRole policy must contain principals (statement {number}).")
        if statement.resources:
            raise PolicyError(f"Has prohibited field Resource (statement {number}).")
        for action in statement.actions:
            if action != "*" and not action.lower().startswith("sts:"):
                raise PolicyError(
                    f"AssumeRole policy may only specify STS AssumeRole actions, got {action!r}"
                )
    return policy


def parse_resource_policy(text: str, source: str = "") -> Policy:
    """Read the policy of a resource: it names principals.

    Raises
    ------
    PolicyError
        Saying what is wrong.
    """
    return _parse(text, source)


def _parse(text: str, source: str) -> Policy:
    try:
        document = json.loads(text, object_pairs_hook=_unique_members)
    except PolicyError:
        raise
    except (ValueError, RecursionError):
        raise PolicyError("This policy contains invalid Json") from None
    if not isinstance(document, dict):
        raise PolicyError("Syntax errors in policy: it must be a JSON object")
    unknown = set(document) - {"Version", "Id", "Statement"}
    if unknown:
        raise PolicyError(f"Syntax errors in policy: unknown element {min(unknown)!r}")
    if document.get("Version", _VERSIONS[1]) not in _VERSIONS:
        raise PolicyError(f"Syntax errors in policy: Version must be one of {', '.join(_VERSIONS)}")
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise PolicyError("Syntax errors in policy: Statement must be a list of at least one statement")
    return Policy(tuple(_parse_statement(raw, number) for number, raw in enumerate(statements, 1)), source)


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise PolicyError("Syntax errors in policy: an element is given twice")
    return members


def _parse_statement(raw: Any, number: int) -> Statement:
    where = f"Syntax errors in policy, statement {number}"
    if not isinstance(raw, dict):
        raise PolicyError(f"{where}: it must be a JSON object")
    unknown = set(raw) - _STATEMENT_MEMBERS
    if unknown:
        raise PolicyError(f"{where}: unknown element {min(unknown)!r}")
    if raw.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError(f"{where}: Effect must be Allow or Deny, got {raw.get('Effect')!r}")
    for name in ("Action", "Resource", "Principal"):
        if name in raw and f"Not{name}" in raw:
            raise PolicyError(f"{where}: {name} and Not{name} cannot stand together")
    negated = frozenset(name for name in ("Action", "Resource", "Principal") if f"Not{name}" in raw)
    actions = _strings(raw.get("Action", raw.get("NotAction")), f"{where}: Action")
    if not actions:
        raise PolicyError(f"Policy statement must contain actions (statement {number}).")
    try:
        conditions = check_conditions(raw.get("Condition", {}))
    except ConditionError as error:
        raise PolicyError(f"{where}: {error}") from None
    return Statement(
        effect=raw["Effect"],
        actions=actions,
        resources=_strings(raw.get("Resource", raw.get("NotResource", [])), f"{where}: Resource"),
        principals=_principals(raw.get("Principal", raw.get("NotPrincipal")), where),
        conditions=conditions,
        negated=negated,
    )


def _strings(raw: Any, where: str) -> tuple[str, ...]:
    values = [raw] if isinstance(raw, str) else [] if raw is None else raw
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise PolicyError(f"{where} must be a string or a list of strings")
    return tuple(values)


def _principals(raw: Any, where: str) -> Mapping[str, tuple[str, ...]]:
    if raw is None:
        return {}
    if raw == "*":
        return {"*": ("*",)}
    if not isinstance(raw, dict) or not raw:
        raise PolicyError(f'{where}: Principal must be "*" or an object such as {{"Service": "…"}}')
    unknown = set(raw) - {"AWS", "Service", "Federated", "CanonicalUser"}
    if unknown:
        raise PolicyError(f"{where}: Invalid principal in policy: {min(unknown)!r}")
    return {kind: _strings(names, f"{where}: Principal") for kind, names in raw.items()}


# Evaluating


def evaluate(policies: Iterable[Policy], request: AccessRequest) -> Evaluation:
    """Decide whether some policies let a request happen."""
    allowing: list[str] = []
    denying: list[str] = []
    missing: set[str] = set()
    for policy in policies:
        for statement in policy.statements:
            if _matches(statement, request, missing):
                (allowing if statement.effect == "Allow" else denying).append(policy.source)
    absent = tuple(sorted(missing))
    if denying:
        return Evaluation(Decision.EXPLICIT_DENY, tuple(dict.fromkeys(denying)), absent)
    if allowing:
        return Evaluation(Decision.ALLOWED, tuple(dict.fromkeys(allowing)), absent)
    return Evaluation(Decision.IMPLICIT_DENY, (), absent)


def _matches(statement: Statement, request: AccessRequest, missing: set[str]) -> bool:
    action = request.action.lower()
    if any(wildcard_match(pattern.lower(), action) for pattern in statement.actions) == (
        "Action" in statement.negated
    ):
        return False
    if statement.resources and _resource_matches(statement, request) == ("Resource" in statement.negated):
        return False
    if statement.principals and _principal_matches(statement.principals, request) == (
        "Principal" in statement.negated
    ):
        return False
    return conditions_hold(statement.conditions, request.context, missing)


def _resource_matches(statement: Statement, request: AccessRequest) -> bool:
    for pattern in statement.resources:
        resolved = resolve_variables(pattern, request.context)
        if resolved is not None and wildcard_match(resolved, request.resource):
            return True
    return False


def _principal_matches(principals: Mapping[str, Sequence[str]], request: AccessRequest) -> bool:
    for kind, names in principals.items():
        known = {name for names in request.principals.values() for name in names} if kind == "*" else set()
        known |= set(request.principals.get(kind, ()))
        if known and ("*" in names or known & set(names)):
            return True
    return False
