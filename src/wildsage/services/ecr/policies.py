"""Policies of repositories and the rules of their images' lives: texts that are checked, kept and shown."""

import json
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.policy import PolicyError, parse_resource_policy
from wildsage.services.ecr.common import ecr_error, invalid, within
from wildsage.services.ecr.registry import Registries, Repository
from wildsage.services.operation import Request, Response, operation

_POLICY = "policyText"
_LIFECYCLE = "lifecyclePolicyText"
_ABSENT = {
    _POLICY: ("RepositoryPolicyNotFoundException", "Repository policy"),
    _LIFECYCLE: ("LifecyclePolicyNotFoundException", "Lifecycle policy"),
}


class RepositoryPolicies:
    """SetRepositoryPolicy, PutLifecyclePolicy, and what reads and removes them."""

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    @operation("SetRepositoryPolicy")
    async def set(self, context: RequestContext, request: Request) -> Response:
        """Keep the policy of a repository."""
        try:
            parse_resource_policy(request[_POLICY])
        except PolicyError as error:
            raise invalid(
                f"Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided' ({error})"
            ) from None
        return await self._put(context, request, _POLICY)

    @operation("GetRepositoryPolicy")
    async def get(self, context: RequestContext, request: Request) -> Response:
        """Return the policy of a repository."""
        return self._get(self._registries.requested(context, request), _POLICY)

    @operation("DeleteRepositoryPolicy")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove the policy of a repository, and return it."""
        return await self._delete(context, request, _POLICY)

    @operation("PutLifecyclePolicy")
    async def put_lifecycle(self, context: RequestContext, request: Request) -> Response:
        """Keep the rules of when images are to go."""
        try:
            rules = json.loads(request[_LIFECYCLE])["rules"]
            priorities = [rule["rulePriority"] for rule in rules]
            complete = all({"selection", "action"} <= rule.keys() for rule in rules)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            priorities, complete = [], False
        if not complete or not priorities or len({str(one) for one in priorities}) != len(priorities):
            raise invalid(
                "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation"
                ' failure: it is {"rules": […]}, each rule with a rulePriority of its own, selection and action\''
            )
        return await self._put(context, request, _LIFECYCLE)

    @operation("GetLifecyclePolicy")
    async def get_lifecycle(self, context: RequestContext, request: Request) -> Response:
        """Return the rules of when images are to go."""
        return self._get(self._registries.requested(context, request), _LIFECYCLE)

    @operation("DeleteLifecyclePolicy")
    async def delete_lifecycle(self, context: RequestContext, request: Request) -> Response:
        """Remove the rules of when images are to go, and return them."""
        return await self._delete(context, request, _LIFECYCLE)

    async def _put(self, context: RequestContext, request: Request, member: str) -> Response:
        repository = self._registries.own(context, request)
        await self._registries.change(
            context, repository, lambda body: body.update({member: request[member]})
        )
        return _answer(repository, member, request[member])

    async def _delete(self, context: RequestContext, request: Request, member: str) -> Response:
        repository = self._registries.own(context, request)
        answer = self._get(repository, member)
        await self._registries.change(context, repository, lambda body: _drop(body, member))
        return answer

    def _get(self, repository: Repository, member: str) -> Response:
        if member not in repository.body:
            code, what = _ABSENT[member]
            raise ecr_error(code, f"{what} does not exist for {within(repository.name, repository.registry)}")
        return _answer(repository, member, repository.body[member])


def _drop(body: dict[str, Any], member: str) -> None:
    body.pop(member, None)


def _answer(repository: Repository, member: str, text: str) -> Response:
    return {"registryId": repository.registry, "repositoryName": repository.name, member: text}
