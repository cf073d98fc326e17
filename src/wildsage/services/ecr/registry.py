"""What is in a registry: records, and what `wildsage.images` knows.

The registry of the own account holds the repositories that clients made and those of the images that were
registered with `wildsage images add`. Any other registry holds the images of the platform: built-in
algorithms and frameworks run under the account and region of every registry.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import AccessDeniedError
from wildsage.images.platform import PlatformImages
from wildsage.images.registered import RegisteredImages
from wildsage.services.ecr.common import (
    IMAGE,
    REPOSITORY,
    ecr_error,
    registry_of,
    repository_arn,
)
from wildsage.services.operation import Request
from wildsage.store.database import Transaction
from wildsage.store.resources import Key, Resource, Resources

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
_NEW: dict[str, Any] = {
    "imageTagMutability": "MUTABLE",
    "imageScanningConfiguration": {"scanOnPush": False},
    "encryptionConfiguration": {"encryptionType": "AES256"},
}


@dataclass(frozen=True, slots=True)
class Image:
    """An image of a repository.

    Attributes
    ----------
    manifest
        As a client put it; of an image that runs here one without layers.
    pushed_at
        None for one that no client put.
    """

    digest: str
    tags: tuple[str, ...]
    manifest: str
    media_type: str
    pushed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository; `record` is None where no client made it, `is_own` tells whether it is the caller's."""

    registry: str
    name: str
    arn: str
    record: Resource | None
    is_own: bool

    @property
    def body(self) -> dict[str, Any]:
        """What is recorded of it, or what a new one has."""
        return dict(_NEW) if self.record is None else self.record.body


class Registries:
    """Reads registries; writes repositories of the own account."""

    def __init__(self, resources: Resources, registered: RegisteredImages, platform: PlatformImages) -> None:
        self.resources = resources
        self.registered = registered
        self._platform = platform

    def repositories(self, context: RequestContext, registry: str) -> list[Repository]:
        """Return the repositories of a registry."""
        records: dict[str, Resource] = {}
        if registry == context.account:
            found = self.resources.below(context.account, context.region, REPOSITORY)
            records = {one.key.name: one for one in found}
            names = records.keys() | {image.repository for image in self.registered.list()}
        else:
            names = {*self._platform.repositories()}
        return [
            Repository(
                registry,
                name,
                repository_arn(context, registry, name),
                records.get(name),
                registry == context.account,
            )
            for name in sorted(names)
        ]

    def find(self, context: RequestContext, registry: str, name: str) -> Repository:
        """Return a repository.

        Raises
        ------
        ServiceError
            If there is none of this name.
        """
        found = (one for one in self.repositories(context, registry) if one.name == name)
        repository = next(found, None)
        if repository is None:
            raise ecr_error(
                "RepositoryNotFoundException",
                f"The repository with name '{name}' does not exist in the registry with id '{registry}'",
            )
        return repository

    def requested(self, context: RequestContext, request: Request) -> Repository:
        """Return the repository that a request names."""
        return self.find(context, registry_of(context, request), request["repositoryName"])

    def own(self, context: RequestContext, request: Request) -> Repository:
        """Return the repository that a request is to change.

        Raises
        ------
        AccessDeniedError
            If it is in another account's registry.
        """
        registry = registry_of(context, request)
        require_own(context, registry)
        return self.find(context, registry, request["repositoryName"])

    def images(self, context: RequestContext, repository: Repository) -> list[Image]:
        """Return the images of a repository, by digest."""
        name = repository.name
        if not repository.is_own:
            listed = [(one.digest, one.tags) for one in self._platform.images(name)]
        else:
            tags: dict[str, list[str]] = {}
            for one in self.registered.list():
                if one.repository == name:
                    tags.setdefault(one.digest, []).append(one.tag)
            listed = [(digest, tuple(sorted(names))) for digest, names in tags.items()]
        records = self.resources.below(context.account, context.region, IMAGE, f"{name}@")
        put = [image_of(one) for one in records] if repository.is_own else []
        found = [_without_layers(digest, names) for digest, names in listed] + put
        return sorted(found, key=lambda image: image.digest)

    def tagged(self, repository: Repository, known: list[Image], tag: str) -> Image | None:
        """Return the one of the known images with a tag, of the platform also one whose tags have no end."""
        image = next((image for image in known if tag in image.tags), None)
        if image is None and not repository.is_own:
            digest = self._platform.digest(repository.name, tag)
            return _without_layers(digest, (tag,)) if digest else None
        return image

    async def change(
        self, context: RequestContext, repository: Repository, change: Callable[[dict[str, Any]], None]
    ) -> None:
        """Apply `change` to what is recorded of a repository; of one that no client made, from now on."""
        key, at = repository_key(context, repository.name), context.clock.now()

        def store(transaction: Transaction) -> None:
            record = Resources.fetch(transaction, key)
            body = dict(_NEW) if record is None else dict(record.body)
            change(body)
            if record is None:
                Resources.insert(transaction, key, arn=repository.arn, status="", at=at, body=body)
            else:
                Resources.update(transaction, key, at=at, body=body)

        await self.resources.database.write(store)


def require_own(context: RequestContext, registry: str) -> None:
    """Raise unless a registry is the caller's."""
    if registry != context.account:
        raise AccessDeniedError(
            f"User: {context.principal_arn} may not change the registry {registry}:"
            f" it belongs to another account than {context.account}"
        )


def repository_key(context: RequestContext, name: str) -> Key:
    """Return the key of a repository."""
    return Key(context.account, context.region, REPOSITORY, name)


def image_key(context: RequestContext, repository: str, digest: str) -> Key:
    """Return the key of an image that a client put."""
    return Key(context.account, context.region, IMAGE, f"{repository}@{digest}")


def image_of(record: Resource) -> Image:
    """Return the image of a record."""
    body = record.body
    return Image(
        record.key.name.partition("@")[2],
        tuple(body["tags"]),
        body["manifest"],
        body["mediaType"],
        record.created_at,
    )


def _without_layers(digest: str, tags: tuple[str, ...]) -> Image:
    config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 0, "digest": digest}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": []}
    return Image(digest, tags, json.dumps(manifest), MANIFEST_TYPE)
