"""ListObjects, ListObjectsV2, ListObjectVersions."""

import base64
import binascii
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from wildsage.core.context import RequestContext
from wildsage.services.operation import Request, Response, operation
from wildsage.services.s3.common import invalid_argument, own_bucket, owner_of, row_version
from wildsage.store.buckets import Buckets
from wildsage.store.object_index import ObjectRecord
from wildsage.store.object_listing import Listing, list_page, list_versions_page

LARGEST_PAGE = 1000
_BEFORE_ALL = 1 << 62


class Listings:
    """The keys of a bucket, in pages."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    @operation("ListObjectsV2")
    async def list_v2(self, context: RequestContext, request: Request) -> Response:
        """List keys behind ``StartAfter`` or the continuation token."""
        bucket = own_bucket(self._buckets, context, request)
        token = request.get("ContinuationToken")
        after = request.get("StartAfter", "") if token is None else decode_position(token)
        page, shared = self._page(request, after)
        owner = owner_of(bucket.account) if request.get("FetchOwner") else None
        encode = encoder(request)
        return {
            **shared,
            "Contents": [_entry(record, encode, owner) for record in page.objects],
            "KeyCount": len(page),
            "ContinuationToken": token,
            "NextContinuationToken": encode_position(page.last) if page.truncated else None,
            "StartAfter": encode(request.get("StartAfter")),
        }

    @operation("ListObjects")
    async def list_v1(self, context: RequestContext, request: Request) -> Response:
        """List keys behind the marker."""
        bucket = own_bucket(self._buckets, context, request)
        page, shared = self._page(request, request.get("Marker", ""))
        encode = encoder(request)
        owner = owner_of(bucket.account)
        return {
            **shared,
            "Contents": [_entry(record, encode, owner) for record in page.objects],
            "Marker": encode(request.get("Marker", "")),
            "NextMarker": encode(page.last) if page.truncated and request.get("Delimiter") else None,
        }

    @operation("ListObjectVersions")
    async def list_versions(self, context: RequestContext, request: Request) -> Response:
        """List versions and delete markers, by key, the newest first."""
        bucket = own_bucket(self._buckets, context, request)
        marker = request.get("KeyMarker", "")
        if request.get("VersionIdMarker") and not marker:
            raise invalid_argument("A version-id marker cannot be specified without a key marker.")
        after = (marker, self._sequence(request))
        prefix, delimiter = request.get("Prefix", ""), request.get("Delimiter", "")
        limit = page_size(request, "MaxKeys")
        page = list_versions_page(self._buckets, bucket.name, prefix, delimiter, after, limit)
        encode = encoder(request)
        owner = owner_of(bucket.account)
        return {
            **_shared(request, page, limit),
            "Versions": [
                {**_entry(record, encode, owner), **_version(record)}
                for record in page.objects
                if not record.is_delete_marker
            ],
            "DeleteMarkers": [
                {
                    "Key": encode(record.key),
                    "LastModified": record.modified_at,
                    "Owner": owner,
                    **_version(record),
                }
                for record in page.objects
                if record.is_delete_marker
            ],
            "KeyMarker": encode(marker),
            "VersionIdMarker": request.get("VersionIdMarker", ""),
            "NextKeyMarker": encode(page.last) if page.truncated else None,
            "NextVersionIdMarker": page.last_version if page.truncated else None,
        }

    def _sequence(self, request: Request) -> int | None:
        """Return the sequence of the version that the markers name; None: behind all of the key."""
        version_id = row_version(request.get("VersionIdMarker") or None)
        if version_id is None:
            return None
        if version_id:
            return int(version_id[:8], 16)
        record = self._buckets.version(request["Bucket"], request["KeyMarker"], version_id)
        # Removed since its page was listed: what is left of the key is listed, some of it once more.
        return _BEFORE_ALL if record is None else record.sequence

    def _page(self, request: Request, after: str) -> tuple[Listing, dict[str, Any]]:
        """Return a page, and the members that listings answer."""
        limit = page_size(request, "MaxKeys")
        prefix, delimiter = request.get("Prefix", ""), request.get("Delimiter", "")
        page = list_page(self._buckets, request["Bucket"], prefix, delimiter, after, limit)
        return page, _shared(request, page, limit)


def _shared(request: Request, page: Listing, limit: int) -> dict[str, Any]:
    encode = encoder(request)
    return {
        "Name": request["Bucket"],
        "Prefix": encode(request.get("Prefix", "")),
        "Delimiter": encode(request.get("Delimiter") or None),
        "MaxKeys": limit,
        "IsTruncated": page.truncated,
        "EncodingType": request.get("EncodingType"),
        "CommonPrefixes": [{"Prefix": encode(common)} for common in page.common_prefixes],
    }


def page_size(request: Request, member: str) -> int:
    """Return how many entries a page may have.

    Raises
    ------
    ValidationError
        If the request asks for a negative number.
    """
    asked: int = request.get(member, LARGEST_PAGE)
    if asked < 0:
        raise invalid_argument(f"Argument {member} must be an integer between 0 and 2147483647: {asked}")
    return min(asked, LARGEST_PAGE)


Encode = Callable[[str | None], str | None]


def encoder(request: Request) -> Encode:
    """Return a function that writes keys as the request's ``EncodingType`` says."""
    if request.get("EncodingType") != "url":
        return lambda text: text
    return lambda text: text and quote(text, safe="/-_.~*")


def encode_position(last: str) -> str:
    """Return the token of the page behind an entry."""
    return base64.urlsafe_b64encode(last.encode()).decode()


def decode_position(token: str) -> str:
    """Return the entry that a token stands for, or raise ``InvalidArgument``."""
    try:
        last = base64.urlsafe_b64decode(token.encode()).decode()
    except (ValueError, binascii.Error):
        last = ""
    if not last or encode_position(last) != token:
        raise invalid_argument(
            f"The continuation token provided is incorrect: {token!r}",
            ArgumentName="continuation-token",
            ArgumentValue=token,
        )
    return last


def _version(record: ObjectRecord) -> dict[str, Any]:
    return {"VersionId": record.public_version, "IsLatest": record.is_latest}


def _entry(record: ObjectRecord, encode: Encode, owner: dict[str, str] | None) -> dict[str, Any]:
    checksums = record.attributes.get("Checksums")
    return {
        "Key": encode(record.key),
        "LastModified": record.modified_at,
        "ETag": f'"{record.etag}"',
        "Size": record.size,
        "StorageClass": record.storage_class,
        "Owner": owner,
        "ChecksumAlgorithm": list(checksums) if checksums else None,
        "ChecksumType": record.attributes.get("ChecksumType", "FULL_OBJECT") if checksums else None,
    }
