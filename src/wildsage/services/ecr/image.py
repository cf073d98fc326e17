"""Images: ListImages, DescribeImages, BatchGetImage, BatchDeleteImage."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.services.ecr.common import PAGES, ecr_error, within
from wildsage.services.ecr.registry import (
    Image,
    Registries,
    Repository,
    image_key,
)
from wildsage.services.operation import Request, Response, operation
from wildsage.store.database import Transaction
from wildsage.store.resources import Resources

_DIGEST = re.compile(r"[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+")

ImageId = dict[str, str]
Failure = dict[str, Any]


class Images:
    """The images of repositories: those that clients put, and those that run here."""

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    @operation("ListImages")
    async def page(self, context: RequestContext, request: Request) -> Response:
        """List the tags of a repository, and the digests of images without one."""
        repository = self._registries.requested(context, request)
        images = _filtered(self._registries.images(context, repository), request)
        ids = [one for image in images for one in _ids(image)]
        return PAGES.answer(
            request,
            "imageIds",
            ids,
            position=lambda one: f"{one['imageDigest']} {one.get('imageTag', '')}",
            show=lambda one: one,
        )

    @operation("DescribeImages")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """List the images of a repository by digest, or those that are named."""
        repository = self._registries.requested(context, request)
        known = self._registries.images(context, repository)
        if "imageIds" in request:
            images = [self._require(repository, known, one) for one in request["imageIds"]]
        else:
            images = known
        by_digest = {image.digest: image for image in _filtered(images, request)}
        return PAGES.answer(
            request,
            "imageDetails",
            by_digest.values(),
            position=lambda image: image.digest,
            show=lambda image: _details(repository, image),
        )

    @operation("BatchGetImage")
    async def get(self, context: RequestContext, request: Request) -> Response:
        """Return the manifests of images."""
        repository = self._registries.requested(context, request)
        accepted = request.get("acceptedMediaTypes")
        known = self._registries.images(context, repository)
        images, failures = [], []
        for one in request["imageIds"]:
            found = self._find(repository, known, one)
            if isinstance(found, Image) and accepted and found.media_type not in accepted:
                found = _failure(
                    one,
                    "ImageNotFound",
                    f"The image is of the type {found.media_type}, which is not accepted",
                )
            if isinstance(found, Image):
                images.append(show_image(repository, found, one.get("imageTag")))
            else:
                failures.append(found)
        return {"images": images, "failures": failures}

    @operation("BatchDeleteImage")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove tags, and images by digest or with their last tag; also those of `wildsage images add`."""
        repository = self._registries.own(context, request)
        removed: list[ImageId] = []
        failures: list[Failure] = []
        for one in request["imageIds"]:
            image = self._find(repository, self._registries.images(context, repository), one)
            if isinstance(image, Image):
                tags = [one["imageTag"]] if "imageTag" in one else list(image.tags)
                removed += _ids(image, tags)
                await self._remove(context, repository, image, tags)
            else:
                failures.append(image)
        return {"imageIds": removed, "failures": failures}

    async def _remove(
        self, context: RequestContext, repository: Repository, image: Image, tags: list[str]
    ) -> None:
        key = image_key(context, repository.name, image.digest)

        def store(transaction: Transaction) -> bool:
            record = Resources.fetch(transaction, key)
            if record is None:
                return False
            left = [tag for tag in record.body["tags"] if tag not in tags]
            if left:
                at = context.clock.now()
                Resources.update(transaction, key, at=at, body={**record.body, "tags": left})
            else:
                Resources.delete(transaction, key)
            return True

        if not await self._registries.resources.database.write(store):
            for tag in tags:
                await asyncio.to_thread(self._registries.registered.remove, f"{repository.name}:{tag}")

    def _find(self, repository: Repository, known: list[Image], one: ImageId) -> Image | Failure:
        """Return the image of an id, or why there is none; `known` are the images of the repository."""
        tag, digest = one.get("imageTag"), one.get("imageDigest")
        if not tag and not digest:
            return _failure(
                one, "MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null"
            )
        if digest and not _DIGEST.fullmatch(digest):
            return _failure(
                one, "InvalidImageDigest",
                f"Invalid request parameters: image digest should satisfy the regex '{_DIGEST.pattern}'",
            )  # fmt: skip
        if tag:
            image = self._registries.tagged(repository, known, tag)
            if image is not None and digest not in (None, image.digest):
                return _failure(
                    one, "ImageTagDoesNotMatchDigest", f"The tag {tag} is of the image {image.digest}"
                )
        else:
            image = next((image for image in known if image.digest == digest), None)
        return image or _failure(one, "ImageNotFound", "Requested image not found")

    def _require(self, repository: Repository, known: list[Image], one: ImageId) -> Image:
        found = self._find(repository, known, one)
        if isinstance(found, Image):
            return found
        shown = ", ".join(f"{name}:'{one.get(name, 'null')}'" for name in ("imageDigest", "imageTag"))
        raise ecr_error(
            "ImageNotFoundException",
            f"The image with imageId {{{shown}}} does not exist within {within(repository.name, repository.registry)}",
        )


def show_image(repository: Repository, image: Image, tag: str | None) -> dict[str, Any]:
    """Return an image as BatchGetImage and PutImage show it, under one of its tags."""
    name = tag or next(iter(image.tags), None)
    return {
        "registryId": repository.registry,
        "repositoryName": repository.name,
        "imageId": {"imageDigest": image.digest, "imageTag": name},
        "imageManifest": image.manifest,
        "imageManifestMediaType": image.media_type,
    }


def _failure(one: ImageId, code: str, reason: str) -> Failure:
    return {"imageId": one, "failureCode": code, "failureReason": reason}


def _ids(image: Image, tags: list[str] | None = None) -> Iterator[ImageId]:
    names = image.tags if tags is None else tags
    if not names:
        yield {"imageDigest": image.digest}
    for tag in names:
        yield {"imageDigest": image.digest, "imageTag": tag}


def _filtered(images: list[Image], request: Request) -> list[Image]:
    wanted = request.get("filter", {})
    if wanted.get("imageStatus", "ANY") not in ("ANY", "ACTIVE"):
        return []  # nothing is ever archived
    status = wanted.get("tagStatus", "ANY")
    return [image for image in images if status == "ANY" or (status == "TAGGED") == bool(image.tags)]


def _details(repository: Repository, image: Image) -> dict[str, Any]:
    return {
        "registryId": repository.registry,
        "repositoryName": repository.name,
        "imageDigest": image.digest,
        "imageTags": list(image.tags) or None,
        "imageSizeInBytes": _size(image.manifest),
        "imagePushedAt": image.pushed_at,
        "imageManifestMediaType": image.media_type,
        "imageStatus": "ACTIVE",
    }


def _size(manifest: str) -> int:
    """Return what the manifest says of the size of its layers."""
    layers = json.loads(manifest).get("layers", [])
    sizes = (
        [layer.get("size", 0) for layer in layers if isinstance(layer, dict)]
        if isinstance(layers, list)
        else []
    )
    return sum(size for size in sizes if isinstance(size, int) and 0 <= size < 1 << 48)
