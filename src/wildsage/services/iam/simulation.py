"""The policy simulator: SimulatePrincipalPolicy and SimulateCustomPolicy evaluate, they do not guess."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.policy import (
    AccessRequest,
    Decision,
    Evaluation,
    Policy,
    PolicyError,
    evaluate,
    parse_identity_policy,
    parse_resource_policy,
)
from wildsage.core.policy_conditions import ContextValues
from wildsage.services.iam.directory import ROLE, Directory, evaluate_within
from wildsage.services.iam.errors import invalid_input, no_such_role
from wildsage.services.iam.pages import PAGES
from wildsage.services.operation import Request, Response, operation
from wildsage.store.resources import Resource

_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9*?]+")


@dataclass(frozen=True, slots=True)
class _Simulation:
    """Policies as they would meet a request. `types` tells the simulator's word for each source."""

    policies: list[Policy]
    boundary: list[Policy] | None
    resource_policy: Policy | None
    types: dict[str, str]


FindRole = Callable[[RequestContext, str], Awaitable[Resource | None]]
"""Returns the role of an ARN. It may make an unknown one: a client that validates a role before it uses it
names it here first."""


class Simulator:
    """What would happen if …: nothing is called."""

    def __init__(self, directory: Directory, find_role: FindRole | None = None) -> None:
        self._directory = directory
        self._find_role = find_role or self._known_role

    @operation("SimulatePrincipalPolicy")
    async def simulate_principal(self, context: RequestContext, request: Request) -> Response:
        """Evaluate the policies of a role, and those given besides, for actions on resources."""
        arn: str = request["PolicySourceArn"]
        found = await self._find_role(context, arn)
        if found is None:
            raise no_such_role(arn)
        grants = self._directory.grants(found)
        types = {grant.name: "IAM Policy" for grant in grants}
        given = _read(request.get("PolicyInputList", []), "PolicyInputList")
        boundary = self._directory.boundary(found)
        if "PermissionsBoundaryPolicyInputList" in request:
            boundary = _read(
                request["PermissionsBoundaryPolicyInputList"], "PermissionsBoundaryPolicyInputList"
            )
        simulation = _Simulation(
            [*(grant.policy for grant in grants), *given], boundary, _resource_policy(request), types
        )
        return _answer(request, simulation, request.get("CallerArn", arn))

    async def _known_role(self, context: RequestContext, arn: str) -> Resource | None:
        found = self._directory.resources.get_by_arn(arn)
        return found if found and (found.key.kind, found.key.account) == (ROLE, context.account) else None

    @operation("SimulateCustomPolicy")
    async def simulate_custom(self, context: RequestContext, request: Request) -> Response:
        """Evaluate the given policies for actions on resources."""
        boundary = request.get("PermissionsBoundaryPolicyInputList")
        simulation = _Simulation(
            _read(request["PolicyInputList"], "PolicyInputList"),
            None if boundary is None else _read(boundary, "PermissionsBoundaryPolicyInputList"),
            _resource_policy(request),
            {},
        )
        return _answer(request, simulation, request.get("CallerArn", context.principal_arn))


def _read(documents: list[str], member: str) -> list[Policy]:
    try:
        return [parse_identity_policy(text, f"{member}.{number}") for number, text in enumerate(documents, 1)]
    except PolicyError as error:
        raise invalid_input(f"{member}: {error}") from None


def _resource_policy(request: Request) -> Policy | None:
    if "ResourcePolicy" not in request:
        return None
    if "CallerArn" not in request and "PolicySourceArn" not in request:
        raise invalid_input("ResourcePolicy needs a CallerArn: its statements name principals")
    try:
        return parse_resource_policy(request["ResourcePolicy"], "ResourcePolicy")
    except PolicyError as error:
        raise invalid_input(f"ResourcePolicy: {error}") from None


def _answer(request: Request, simulation: _Simulation, caller: str) -> Response:
    """Evaluate each action on each resource; only those of the page that was asked for."""
    actions: list[str] = request["ActionNames"]
    for action in actions:
        if not _ACTION.fullmatch(action):
            raise invalid_input(f"Invalid action name {action[:128]!r}: name it as in s3:GetObject")
    context = _context(request.get("ContextEntries", []))
    cases = [(action, resource) for action in actions for resource in request.get("ResourceArns") or ["*"]]

    def show(case: tuple[int, tuple[str, str]]) -> dict[str, Any]:
        action, resource = case[1]
        principals = {"AWS": (caller, caller.split(":")[4])} if caller.count(":") >= 5 else {}
        return _result(simulation, AccessRequest(action, resource, principals, context))

    return PAGES.answer(
        request, "EvaluationResults", list(enumerate(cases)), position=lambda case: case[0], show=show
    )


def _context(entries: list[dict[str, Any]]) -> dict[str, ContextValues]:
    context: dict[str, ContextValues] = {}
    for entry in entries:
        name, values = entry.get("ContextKeyName"), entry.get("ContextKeyValues", [])
        if not name or not values:
            raise invalid_input(f"A context entry has a ContextKeyName and ContextKeyValues, got {entry}")
        if not entry.get("ContextKeyType", "string").endswith("List") and len(values) > 1:
            raise invalid_input(f"{name} has {len(values)} values: its ContextKeyType must be a list type")
        context[name.lower()] = tuple(values)
    return context


def _result(simulation: _Simulation, request: AccessRequest) -> dict[str, Any]:
    found = evaluate_within(simulation.policies, simulation.boundary, request)
    if simulation.resource_policy is not None:
        found = _with_resource_policy(found, evaluate([simulation.resource_policy], request))
    result: dict[str, Any] = {
        "EvalActionName": request.action,
        "EvalResourceName": request.resource,
        "EvalDecision": found.decision.value,
        "MatchedStatements": [
            {"SourcePolicyId": source, "SourcePolicyType": simulation.types.get(source, "none")}
            for source in found.sources
        ],
        "MissingContextValues": list(dict.fromkeys(found.missing_context)),
    }
    if simulation.boundary is not None:
        allowed = evaluate(simulation.boundary, request).decision is Decision.ALLOWED
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed}
    return result


def _with_resource_policy(identity: Evaluation, resource: Evaluation) -> Evaluation:
    """Within one account either side may allow, and either may deny."""
    for decision in (Decision.EXPLICIT_DENY, Decision.ALLOWED):
        deciding = [side for side in (identity, resource) if side.decision is decision]
        if deciding:
            sources = tuple(source for side in deciding for source in side.sources)
            return Evaluation(decision, sources, identity.missing_context + resource.missing_context)
    return identity
