"""Tags of objects and buckets."""

from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError, ValidationError
from wildsage.services.operation import STATUS, Request, Response, operation
from wildsage.services.s3.common import find_content, own_bucket, version_members
from wildsage.store.buckets import Buckets

Tags = list[dict[str, str]]

MOST_OBJECT_TAGS = 10
MOST_BUCKET_TAGS = 50
_LONGEST_KEY = 128
_LONGEST_VALUE = 256


class Tagging:
    """Sets of tags, replaced and read as a whole."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    @operation("PutObjectTagging")
    async def put_object_tagging(self, context: RequestContext, request: Request) -> Response:
        """Replace an object's tags."""
        tags = request["Tagging"].get("TagSet", [])
        check_tags(tags)
        return await self._set(context, request, tags or None)

    @operation("GetObjectTagging")
    async def get_object_tagging(self, context: RequestContext, request: Request) -> Response:
        """Return an object's tags."""
        bucket = own_bucket(self._buckets, context, request)
        record, _ = find_content(self._buckets, bucket, request["Key"], request.get("VersionId"))
        return {"TagSet": record.attributes.get("Tags", []), **version_members(bucket, record)}

    @operation("DeleteObjectTagging")
    async def delete_object_tagging(self, context: RequestContext, request: Request) -> Response:
        """Remove an object's tags."""
        return await self._set(context, request, None)

    async def _set(self, context: RequestContext, request: Request, tags: Tags | None) -> Response:
        bucket = own_bucket(self._buckets, context, request)
        record, _ = find_content(self._buckets, bucket, request["Key"], request.get("VersionId"))
        await self._buckets.set_attributes(bucket.name, record.key, {"Tags": tags}, record.version_id)
        return version_members(bucket, record)

    @operation("PutBucketTagging")
    async def put_bucket_tagging(self, context: RequestContext, request: Request) -> Response:
        """Replace a bucket's tags."""
        own_bucket(self._buckets, context, request)
        tags = request["Tagging"].get("TagSet", [])
        check_tags(tags, MOST_BUCKET_TAGS)
        await self._buckets.record(request["Bucket"], "tags", tags or None)
        return {STATUS: 204}

    @operation("GetBucketTagging")
    async def get_bucket_tagging(self, context: RequestContext, request: Request) -> Response:
        """Return a bucket's tags."""
        tags = own_bucket(self._buckets, context, request).records.get("tags")
        if not tags:
            raise NotFoundError(
                "The TagSet does not exist",
                code="NoSuchTagSet",
                status=404,
                members={"BucketName": request["Bucket"]},
            )
        return {"TagSet": tags}

    @operation("DeleteBucketTagging")
    async def delete_bucket_tagging(self, context: RequestContext, request: Request) -> Response:
        """Remove a bucket's tags."""
        own_bucket(self._buckets, context, request)
        await self._buckets.record(request["Bucket"], "tags", None)
        return {}


def check_tags(tags: Tags, most: int = MOST_OBJECT_TAGS) -> None:
    """Refuse too many, too long, repeated and reserved tags.

    Raises
    ------
    ValidationError
        ``BadRequest`` or ``InvalidTag``.
    """
    if len(tags) > most:
        raise ValidationError(f"Tags cannot be greater than {most}: {len(tags)} are given", code="BadRequest")
    seen: set[str] = set()
    for tag in tags:
        key, value = tag["Key"], tag["Value"]
        if not 0 < len(key) <= _LONGEST_KEY or key.lower().startswith("aws:"):
            raise ValidationError(f"The TagKey you have provided is invalid: {key!r}", code="InvalidTag")
        if len(value) > _LONGEST_VALUE:
            raise ValidationError(f"The TagValue you have provided is invalid: {value!r}", code="InvalidTag")
        if key in seen:
            raise ValidationError(
                f"Cannot provide multiple Tags with the same key: {key!r}", code="InvalidTag"
            )
        seen.add(key)
