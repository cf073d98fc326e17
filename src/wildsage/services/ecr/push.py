"""PutImage, and the token that clients log in with. No layer can be uploaded: an image here is its manifest."""

import base64
import hashlib
import json
import secrets

from wildsage.core.context import RequestContext
from wildsage.core.errors import ServiceError
from wildsage.core.wildcards import wildcard_match
from wildsage.services.ecr.common import IMAGE, ecr_error, invalid, within
from wildsage.services.ecr.image import show_image
from wildsage.services.ecr.registry import (
    MANIFEST_TYPE,
    Image,
    Registries,
    Repository,
    image_key,
    image_of,
)
from wildsage.services.operation import Request, Response, operation
from wildsage.store.database import Transaction
from wildsage.store.resources import Resource, Resources

_TOKEN_SECONDS = 12 * 3600.0


class Pushes:
    """What ``docker push`` ends with."""

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    @operation("PutImage")
    async def put(self, context: RequestContext, request: Request) -> Response:
        """Keep the manifest of an image, or give one that is there another tag."""
        repository = self._registries.own(context, request)
        manifest, tag = request["imageManifest"], request.get("imageTag")
        media_type = _media_type(request)
        digest = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
        if request.get("imageDigest", digest) != digest:
            raise ecr_error(
                "ImageDigestDoesNotMatchException",
                f"The digest of the manifest is {digest}, not {request['imageDigest']}",
            )
        self._refuse_registered(repository, tag)
        await self._registries.change(context, repository, lambda _body: None)

        def store(transaction: Transaction) -> Image:
            at, key = context.clock.now(), image_key(context, repository.name, digest)
            _move_tag(transaction, context, repository, tag, digest)
            present = Resources.fetch(transaction, key)
            tags = [] if present is None else present.body["tags"]
            if present is not None and (tag is None or tag in tags):
                raise _exists(repository, digest, tag)
            body = {"manifest": manifest, "mediaType": media_type, "tags": [*tags, *([tag] if tag else [])]}
            if present is None:
                arn = f"{repository.arn}/image/{digest}"
                Resources.insert(transaction, key, arn=arn, status="", at=at, body=body)
            else:
                Resources.update(transaction, key, at=at, body=body)
            return Image(digest, tuple(body["tags"]), manifest, media_type, at)

        image = await self._registries.resources.database.write(store)
        return {"image": show_image(repository, image, tag)}

    @operation("GetAuthorizationToken")
    async def token(self, context: RequestContext, request: Request) -> Response:
        """Return what ``docker login`` takes. No registry answers under the address: nothing checks it."""
        password = secrets.token_urlsafe(48)
        suffix = "amazonaws.com.cn" if context.partition == "aws-cn" else "amazonaws.com"
        return {
            "authorizationData": [
                {
                    "authorizationToken": base64.b64encode(f"AWS:{password}".encode()).decode(),
                    "expiresAt": context.clock.now() + _TOKEN_SECONDS,
                    "proxyEndpoint": f"https://{registry}.dkr.ecr.{context.region}.{suffix}",
                }
                for registry in request.get("registryIds", [context.account])
            ]
        }

    def _refuse_registered(self, repository: Repository, tag: str | None) -> None:
        name = f"{repository.name}:{tag}"
        if tag and any(image.name == name for image in self._registries.registered.list()):
            raise ecr_error(
                "ImageTagAlreadyExistsException",
                f"The tag {tag} is of the image {name}, which was registered with `wildsage images add`:"
                " remove it first (BatchDeleteImage, or `wildsage images remove`)",
            )


def _move_tag(
    transaction: Transaction, context: RequestContext, repository: Repository, tag: str | None, digest: str
) -> None:
    """Take a tag from the image that has it, unless it is to stay there."""
    holder = _holder(transaction, context, repository, tag)
    if tag is None or holder is None or image_of(holder).digest == digest:
        return
    if _is_immutable(repository, tag):
        raise ecr_error(
            "ImageTagAlreadyExistsException",
            f"The image tag '{tag}' already exists in the '{repository.name}' repository and cannot be"
            " overwritten because the tag is immutable.",
        )
    left = [one for one in holder.body["tags"] if one != tag]
    Resources.update(transaction, holder.key, at=context.clock.now(), body={**holder.body, "tags": left})


def _holder(
    transaction: Transaction, context: RequestContext, repository: Repository, tag: str | None
) -> Resource | None:
    images = Resources.fetch_below(transaction, context.account, context.region, IMAGE, f"{repository.name}@")
    return next((image for image in images if tag in image.body["tags"]), None)


def _is_immutable(repository: Repository, tag: str) -> bool:
    filters = repository.body.get("imageTagMutabilityExclusionFilters", [])
    excluded = any(wildcard_match(one["filter"], tag) for one in filters)
    immutable: bool = repository.body["imageTagMutability"].startswith("IMMUTABLE")
    return immutable != excluded


def _media_type(request: Request) -> str:
    try:
        manifest = json.loads(request["imageManifest"])
        media_type = request.get("imageManifestMediaType") or manifest.get("mediaType", MANIFEST_TYPE)
    except (ValueError, AttributeError, RecursionError):
        manifest, media_type = {}, None
    if not isinstance(media_type, str) or manifest.get("schemaVersion") not in (1, 2):
        raise invalid(
            "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax':"
            " it is an object with schemaVersion 2"
        )
    return media_type


def _exists(repository: Repository, digest: str, tag: str | None) -> ServiceError:
    return ecr_error(
        "ImageAlreadyExistsException",
        f"Image with digest '{digest}' and tag '{tag}' already exists in"
        f" {within(repository.name, repository.registry)}",
    )
