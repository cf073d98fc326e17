"""PutObject, GetObject, HeadObject, GetObjectAttributes."""

from email.utils import formatdate
from itertools import accumulate
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ServiceError
from wildsage.services.operation import STATUS, Request, Response, operation
from wildsage.services.s3.attributes import (
    attributes_of,
    checksum_members,
    encryption_members,
    object_members,
)
from wildsage.services.s3.common import (
    find_content,
    invalid_argument,
    invalid_request,
    own_bucket,
    stored_version,
    version_members,
)
from wildsage.services.s3.conditions import check_read, content_range, parse_range, write_condition
from wildsage.services.s3.integrity import claims_of, receive
from wildsage.store.buckets import Buckets
from wildsage.store.object_index import NewObject, ObjectRecord, Piece, spans

_RESPONSE_OVERRIDES = {
    f"Response{name}": name
    for name in (
        "CacheControl",
        "ContentDisposition",
        "ContentEncoding",
        "ContentLanguage",
        "ContentType",
    )
}


class ObjectContent:
    """Objects stored, read and removed as a whole or in ranges."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    @operation("PutObject")
    async def put(self, context: RequestContext, request: Request) -> Response:
        """Store an object; acknowledged when it is on disk."""
        bucket = own_bucket(self._buckets, context, request)
        attributes = attributes_of(context, bucket, request)
        claims_of(request)
        blob = await receive(self._buckets.objects, request)
        if blob.checksums:
            attributes["Checksums"] = dict(blob.checksums)
        new = NewObject(
            bucket=bucket.name,
            key=request["Key"],
            etag=blob.md5,
            attributes=attributes,
            storage_class=request.get("StorageClass", "STANDARD"),
            condition=write_condition(request),
        )
        record = await self._buckets.place(new, blob)
        return {
            "ETag": f'"{record.etag}"',
            **checksum_members(attributes),
            **encryption_members(attributes),
            **stored_version(record),
        }

    @operation("GetObject")
    async def get(self, context: RequestContext, request: Request) -> Response:
        """Return an object's bytes, all or a range; what is sent is one version, whatever happens meanwhile."""
        response, start, length, pieces = self._described(context, request)
        # No await between reading the row and this: until it is read, the content might be removed.
        response["Body"] = await self._buckets.objects.read(spans(pieces, start, length))
        return response

    @operation("HeadObject")
    async def head(self, context: RequestContext, request: Request) -> Response:
        """Return what GetObject would, without the bytes."""
        return self._described(context, request)[0]

    def _described(self, context: RequestContext, request: Request) -> tuple[Response, int, int, list[Piece]]:
        bucket = own_bucket(self._buckets, context, request)
        record, pieces = find_content(self._buckets, bucket, request["Key"], request.get("VersionId"))
        response, start, length = _described(record, pieces, request)
        return response | version_members(bucket, record), start, length, pieces

    @operation("GetObjectAttributes")
    async def get_attributes(self, context: RequestContext, request: Request) -> Response:
        """Return the attributes that the request names."""
        bucket = own_bucket(self._buckets, context, request)
        record, pieces = find_content(self._buckets, bucket, request["Key"], request.get("VersionId"))
        known = {
            "ETag": record.etag,
            "Checksum": checksum_members(record.attributes) or None,
            "ObjectParts": _parts(record, pieces, request),
            "StorageClass": record.storage_class,
            "ObjectSize": record.size,
        }
        asked = set(request["ObjectAttributes"])
        return {
            "LastModified": record.modified_at,
            **version_members(bucket, record),
            **{name: value for name, value in known.items() if name in asked},
        }


def is_multipart(record: ObjectRecord) -> bool:
    """Tell whether the object came in parts; its ETag counts them."""
    return "-" in record.etag


def _described(record: ObjectRecord, pieces: list[Piece], request: Request) -> tuple[Response, int, int]:
    """Return the response of a read without its body, and which bytes the body has."""
    check_read(record, request)
    response: Response = object_members(record)
    response |= {
        name: request[override] for override, name in _RESPONSE_OVERRIDES.items() if override in request
    }
    if "ResponseExpires" in request:
        response["Expires"] = formatdate(request["ResponseExpires"], usegmt=True)
    number = request.get("PartNumber")
    if number is not None and "Range" in request:
        raise invalid_request("Cannot specify both Range header and partNumber query parameter")
    chosen = parse_range(request.get("Range"), record.size) if number is None else _part_range(pieces, number)
    start, length = chosen or (0, record.size)
    response["ContentLength"] = length
    if chosen is not None and record.size:
        response["ContentRange"] = content_range(start, length, record.size)
        response[STATUS] = 206
    if is_multipart(record) and number is not None:
        response["PartsCount"] = len(pieces)
    if request.get("ChecksumMode") == "ENABLED":
        response |= _checksums(record, pieces, number, whole=length == record.size)
    return response, start, length


def _checksums(
    record: ObjectRecord, pieces: list[Piece], number: int | None, *, whole: bool
) -> dict[str, Any]:
    """Return the checksums of what is sent: clients compare them with the body."""
    if number is None:
        return checksum_members(record.attributes) if whole else {}
    algorithms = record.attributes.get("Checksums", {})
    part = {name: text for name, text in pieces[number - 1].checksums.items() if name in algorithms}
    kind = record.attributes.get("ChecksumType", "FULL_OBJECT")
    return checksum_members({"Checksums": part, "ChecksumType": kind})


def _part_range(pieces: list[Piece], number: int) -> tuple[int, int]:
    if not 1 <= number <= len(pieces):
        raise ServiceError(
            f"The requested partnumber is not satisfiable: {number} of {len(pieces)}",
            code="InvalidPartNumber",
            status=416,
            members={"PartNumberRequested": number, "ActualPartCount": len(pieces)},
        )
    ends = list(accumulate(piece.size for piece in pieces))
    length = pieces[number - 1].size
    return ends[number - 1] - length, length


def _parts(record: ObjectRecord, pieces: list[Piece], request: Request) -> dict[str, Any] | None:
    if not is_multipart(record):
        return None
    after, limit = int(request.get("PartNumberMarker", 0)), min(request.get("MaxParts", 1000), 1000)
    if after < 0 or limit < 0:
        raise invalid_argument("PartNumberMarker and MaxParts must not be negative")
    chosen = [piece for piece in pieces if piece.number > after][:limit]
    answer: dict[str, Any] = {
        "TotalPartsCount": len(pieces),
        "PartNumberMarker": after,
        "NextPartNumberMarker": chosen[-1].number if chosen else after,
        "MaxParts": limit,
        "IsTruncated": bool(chosen) and chosen[-1].number < pieces[-1].number,
    }
    algorithms = record.attributes.get("Checksums", {})
    answer["Parts"] = [
        {
            "PartNumber": piece.number,
            "Size": piece.size,
            **{f"Checksum{name}": text for name, text in piece.checksums.items() if name in algorithms},
        }
        for piece in chosen
    ]
    return answer
