"""Repositories: CreateRepository, DescribeRepositories, DeleteRepository, their tag mutability, scanning and tags."""

import asyncio
from collections.abc import Callable
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ServiceError
from wildsage.services.ecr.common import (
    IMAGE,
    PAGES,
    ecr_error,
    invalid,
    registry_of,
    repository_arn,
)
from wildsage.services.ecr.registry import Registries, Repository, repository_key, require_own
from wildsage.services.operation import Request, Response, operation
from wildsage.services.tag_rules import check_tags
from wildsage.store.database import Transaction
from wildsage.store.resources import AlreadyExistsError, Resources
from wildsage.store.tags import Tags

_MOST_TAGS = 50
_SETTINGS = (
    "imageTagMutability",
    "imageTagMutabilityExclusionFilters",
    "imageScanningConfiguration",
    "encryptionConfiguration",
)


class Repositories:
    """The repositories of registries."""

    def __init__(self, registries: Registries, tags: Tags) -> None:
        self._registries = registries
        self._tags = tags

    @operation("CreateRepository")
    async def create(self, context: RequestContext, request: Request) -> Response:
        """Make a repository."""
        registry, name = registry_of(context, request), request["repositoryName"]
        require_own(context, registry)
        _check_mutability(request)
        check_tags(request.get("tags", []), _invalid_tag)
        if any(one.name == name for one in self._registries.repositories(context, registry)):
            raise _exists(name, registry)
        arn, at = repository_arn(context, registry, name), context.clock.now()
        fresh = Repository(registry, name, arn, None, is_own=True)
        body = {**fresh.body, **{member: request[member] for member in _SETTINGS if member in request}}

        def store(transaction: Transaction) -> None:
            Tags.put(transaction, arn, request.get("tags", []))
            key = repository_key(context, name)
            Resources.insert(transaction, key, arn=arn, status="", at=at, body=body)

        try:
            await self._tags.database.write(store)
        except AlreadyExistsError:
            raise _exists(name, registry) from None
        return {"repository": _show(context, self._registries.find(context, registry, name))}

    @operation("DescribeRepositories")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """List the repositories of a registry by name, or those that are named."""
        registry = registry_of(context, request)
        if "repositoryNames" in request:
            if "maxResults" in request or "nextToken" in request:
                raise invalid("maxResults and nextToken cannot be given together with repositoryNames")
            found = [self._registries.find(context, registry, name) for name in request["repositoryNames"]]
            return {"repositories": [_show(context, one) for one in found]}
        return PAGES.answer(
            request,
            "repositories",
            self._registries.repositories(context, registry),
            position=lambda one: one.name,
            show=lambda one: _show(context, one),
        )

    @operation("DeleteRepository")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove a repository; with ``force`` also one with images, the registered ones included."""
        repository = self._registries.own(context, request)
        images = self._registries.images(context, repository)
        if images and not request.get("force"):
            raise ecr_error(
                "RepositoryNotEmptyException",
                f"The repository with name '{repository.name}' in registry with id '{repository.registry}'"
                " cannot be deleted because it still contains images",
            )

        def store(transaction: Transaction) -> None:
            where = (context.account, context.region, IMAGE, f"{repository.name}@")
            for image in Resources.fetch_below(transaction, *where):
                Resources.delete(transaction, image.key)
            Resources.delete(transaction, repository_key(context, repository.name))
            Tags.remove_all(transaction, repository.arn)

        await self._tags.database.write(store)
        for one in self._registries.registered.list():
            if one.repository == repository.name:
                await asyncio.to_thread(self._registries.registered.remove, one.name)
        return {"repository": _show(context, repository)}

    @operation("PutImageTagMutability")
    async def put_mutability(self, context: RequestContext, request: Request) -> Response:
        """Say whether a tag may move to another image."""
        _check_mutability(request)
        members = ("imageTagMutability", "imageTagMutabilityExclusionFilters")
        return await self._put(context, request, members)

    @operation("PutImageScanningConfiguration")
    async def put_scanning(self, context: RequestContext, request: Request) -> Response:
        """Record whether images are to be scanned."""
        return await self._put(context, request, ("imageScanningConfiguration",))

    @operation("TagResource")
    async def tag(self, context: RequestContext, request: Request) -> Response:
        """Add tags to a repository; a key that exists gets the new value."""
        repository, tags = self._by_arn(context, request), request["tags"]
        check_tags(tags, _invalid_tag)
        await self._registries.change(context, repository, lambda _body: None)

        def store(transaction: Transaction) -> None:
            if Tags.count_after(transaction, repository.arn, tags) > _MOST_TAGS:
                raise ecr_error(
                    "TooManyTagsException",
                    f"{repository.arn} would have more than {_MOST_TAGS} tags. Remove some first",
                )
            Tags.put(transaction, repository.arn, tags)

        await self._tags.database.write(store)
        return {}

    @operation("UntagResource")
    async def untag(self, context: RequestContext, request: Request) -> Response:
        """Remove tags by key; absent ones are no error."""
        arn = self._by_arn(context, request).arn
        await self._tags.database.write(lambda t: Tags.remove(t, arn, request["tagKeys"]))
        return {}

    @operation("ListTagsForResource")
    async def list_tags(self, context: RequestContext, request: Request) -> Response:
        """Return the tags of a repository."""
        return {"tags": self._tags.of(self._by_arn(context, request).arn)}

    async def _put(self, context: RequestContext, request: Request, members: tuple[str, ...]) -> Response:
        repository = self._registries.own(context, request)
        given = {member: request[member] for member in members if member in request}
        await self._registries.change(context, repository, _replacing(members, given))
        return {"registryId": repository.registry, "repositoryName": repository.name, **given}

    def _by_arn(self, context: RequestContext, request: Request) -> Repository:
        arn: str = request["resourceArn"]
        own = repository_arn(context, context.account, "")
        if not arn.startswith(own):
            raise invalid(
                f"Invalid parameter at 'resourceArn': {arn} is no ARN of a repository of this account and region"
            )
        return self._registries.find(context, context.account, arn.removeprefix(own))


def _replacing(members: tuple[str, ...], given: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        for member in members:
            body.pop(member, None)
        body.update(given)

    return change


def _exists(name: str, registry: str) -> ServiceError:
    return ecr_error(
        "RepositoryAlreadyExistsException",
        f"The repository with name '{name}' already exists in the registry with id '{registry}'",
    )


def _check_mutability(request: Request) -> None:
    excluding = request.get("imageTagMutability", "MUTABLE").endswith("_WITH_EXCLUSION")
    if excluding != ("imageTagMutabilityExclusionFilters" in request):
        raise invalid(
            "imageTagMutabilityExclusionFilters are given with IMMUTABLE_WITH_EXCLUSION and MUTABLE_WITH_EXCLUSION,"
            " and with nothing else"
        )


def _invalid_tag(message: str) -> ServiceError:
    return ecr_error("InvalidTagParameterException", message)


def _show(context: RequestContext, repository: Repository) -> dict[str, Any]:
    registry, name = repository.registry, repository.name
    settings = {member: value for member, value in repository.body.items() if member in _SETTINGS}
    return {
        "repositoryArn": repository.arn,
        "registryId": registry,
        "repositoryName": name,
        "repositoryUri": f"{registry}.dkr.ecr.{context.region}.{_suffix(context)}/{name}",
        "createdAt": None if repository.record is None else repository.record.created_at,
        **settings,
    }


def _suffix(context: RequestContext) -> str:
    return "amazonaws.com.cn" if context.partition == "aws-cn" else "amazonaws.com"
