"""CopyObject, and the sources of copies."""

from urllib.parse import unquote

from wildsage.core.context import RequestContext
from wildsage.core.errors import ServiceError
from wildsage.services.operation import Request, Response, operation
from wildsage.services.s3.attributes import (
    HEADERS,
    attributes_of,
    check_upload,
    checksum_members,
    encryption_members,
    headers_of,
    protection_of,
    tags_of,
)
from wildsage.services.s3.common import (
    check_owner,
    find_content,
    invalid_argument,
    invalid_request,
    own_bucket,
    stored_version,
)
from wildsage.services.s3.conditions import check_source, write_condition
from wildsage.services.s3.integrity import LARGEST_UPLOAD, claims_of
from wildsage.services.s3.objects import is_multipart
from wildsage.services.s3.samples import seen_from
from wildsage.store.buckets import Buckets, ContentGoneError
from wildsage.store.object_index import (
    BucketRecord,
    Json,
    NewObject,
    ObjectRecord,
    Piece,
    no_such_bucket,
    spans,
)


class Copies:
    """Copies inside the store."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    @operation("CopyObject")
    async def copy(self, context: RequestContext, request: Request) -> Response:
        """Copy an object. Content is shared where the copy's ETag and checksums are those of the source."""
        bucket = own_bucket(self._buckets, context, request)
        while True:
            origin, source, pieces = find_source(self._buckets, context, request)
            if source.size > LARGEST_UPLOAD:
                raise invalid_request(
                    "The specified copy source is larger than the maximum allowable size for a copy source:"
                    f" {source.size} of {LARGEST_UPLOAD} bytes; use UploadPartCopy"
                )
            attributes = _attributes(context, bucket, request, source)
            _check_self_copy(bucket, request, source)
            new = NewObject(
                bucket=bucket.name,
                key=request["Key"],
                etag=source.etag,
                attributes=attributes,
                storage_class=request.get("StorageClass", "STANDARD"),
                condition=write_condition(request),
            )
            try:
                record = await self._store(new, source, pieces, claims_of(request).algorithm)
            except ContentGoneError:
                continue  # overwritten between the look and the commit
            break
        return {
            "CopyObjectResult": {
                "ETag": f'"{record.etag}"',
                "LastModified": record.modified_at,
                **checksum_members(record.attributes),
            },
            **encryption_members(attributes),
            **stored_version(record),
            **source_version(origin, source),
        }

    async def _store(
        self, new: NewObject, source: ObjectRecord, pieces: list[Piece], algorithm: str | None
    ) -> ObjectRecord:
        known = source.attributes.get("Checksums", {})
        if not is_multipart(source) and (algorithm is None or algorithm in known):
            if known:
                new.attributes["Checksums"] = known
            return await self._buckets.share(new, source)
        # A copy is one upload: its ETag is the MD5 of the whole, even where the source came in parts.
        wanted = algorithm or next(iter(known), None)
        body = await self._buckets.objects.read(spans(pieces, 0, source.size))
        blob = await self._buckets.objects.put(body, [wanted] if wanted else [])
        if blob.checksums:
            new.attributes["Checksums"] = dict(blob.checksums)
        copied = NewObject(new.bucket, new.key, blob.md5, new.attributes, new.storage_class, new.condition)
        return await self._buckets.place(copied, blob)


def find_source(
    buckets: Buckets, context: RequestContext, request: Request
) -> tuple[BucketRecord, ObjectRecord, list[Piece]]:
    """Return bucket, object or version that ``CopySource`` names, and its pieces; it may lie in any region.

    Raises
    ------
    ServiceError
        ``InvalidArgument``, ``NoSuchBucket``, ``NoSuchKey``, ``AccessDenied``, ``PreconditionFailed``, or
        ``InvalidRequest`` for a delete marker.
    """
    name, key, query = split_copy_source(request)
    version_id = unquote(query.removeprefix("versionId=")) if query else None
    bucket = buckets.bucket(name)
    if bucket is None:
        raise no_such_bucket(name)
    check_owner(bucket, seen_from(context, bucket), request.get("ExpectedSourceBucketOwner"))
    try:
        record, pieces = find_content(buckets, bucket, key, version_id)
    except ServiceError as error:
        if error.code != "MethodNotAllowed":
            raise
        raise invalid_request(
            "The source of a copy request may not specifically refer to a delete marker by version id."
        ) from None
    check_source(record, request)
    return bucket, record, pieces


def source_version(origin: BucketRecord, source: ObjectRecord) -> dict[str, str]:
    """Return the member that tells which version was copied."""
    return {"CopySourceVersionId": source.public_version} if origin.versioning else {}


def split_copy_source(request: Request) -> tuple[str, str, str]:
    """Split ``CopySource`` into bucket, key and query string.

    Raises
    ------
    ServiceError
        ``InvalidArgument``.
    """
    path, _, query = request["CopySource"].partition("?")
    name, _, key = unquote(path).removeprefix("/").partition("/")
    if not name or not key or name.startswith("arn:"):
        raise invalid_argument(
            f"Copy Source must mention the source bucket and key: sourcebucket/sourcekey, not {request['CopySource']!r}",
            ArgumentName="x-amz-copy-source",
            ArgumentValue=request["CopySource"],
        )
    return name, key, query


def _attributes(
    context: RequestContext, bucket: BucketRecord, request: Request, source: ObjectRecord
) -> Json:
    replace_tags = request.get("TaggingDirective", "COPY") == "REPLACE"
    if request.get("MetadataDirective", "COPY") == "REPLACE":
        attributes = attributes_of(context, bucket, {**request, "Tagging": None})
    else:
        check_upload(request)
        attributes = {name: source.attributes[name] for name in HEADERS if name in source.attributes}
        # A copy redirects only where it says so itself.
        attributes.pop("WebsiteRedirectLocation", None)
        redirect = {"WebsiteRedirectLocation": request.get("WebsiteRedirectLocation")}
        attributes |= headers_of(redirect)
        attributes |= protection_of(context, bucket, request)
    tags = tags_of(request.get("Tagging")) if replace_tags else source.attributes.get("Tags")
    if tags:
        attributes["Tags"] = tags
    return attributes


def _check_self_copy(bucket: BucketRecord, request: Request, source: ObjectRecord) -> None:
    if (source.bucket, source.key) != (request["Bucket"], request["Key"]) or bucket.versioning:
        return
    changes = (
        "StorageClass",
        "WebsiteRedirectLocation",
        "ServerSideEncryption",
        "SSEKMSKeyId",
        "ChecksumAlgorithm",
    )
    if request.get("MetadataDirective") != "REPLACE" and not any(request.get(name) for name in changes):
        raise invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the"
            " object's metadata, storage class, website redirect location or encryption attributes."
        )
