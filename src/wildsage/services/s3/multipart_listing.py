"""ListParts and ListMultipartUploads."""

from typing import Any

from wildsage.core.context import RequestContext
from wildsage.services.operation import Request, Response, operation
from wildsage.services.s3.common import own_bucket, owner_of
from wildsage.services.s3.listing import encoder, page_size
from wildsage.store.object_listing import rolled_up
from wildsage.store.uploads import Upload, Uploads, no_such_upload

_BATCH = 1000
_BEHIND_ALL_IDS = "~"  # ids are hexadecimal


class MultipartListings:
    """What is under way."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    @operation("ListParts")
    async def list_parts(self, context: RequestContext, request: Request) -> Response:
        """List the parts of an upload that have arrived."""
        bucket = own_bucket(self._uploads.buckets, context, request)
        upload = self._uploads.get(bucket.name, request["Key"], request["UploadId"])
        if upload is None:
            raise no_such_upload(request["UploadId"])
        limit, after = page_size(request, "MaxParts"), int(request.get("PartNumberMarker") or 0)
        parts = self._uploads.parts(upload.id, after, limit + 1)
        page = parts[:limit]
        owner = owner_of(bucket.account)
        return {
            "Bucket": bucket.name,
            "Key": upload.key,
            "UploadId": upload.id,
            "PartNumberMarker": after,
            "NextPartNumberMarker": page[-1].number if page else after,
            "MaxParts": limit,
            "IsTruncated": 0 < limit < len(parts),
            "Parts": [
                {
                    "PartNumber": part.number,
                    "LastModified": part.modified_at,
                    "ETag": f'"{part.etag}"',
                    "Size": part.size,
                    **{f"Checksum{name}": text for name, text in part.checksums.items()},
                }
                for part in page
            ],
            "Owner": owner,
            "Initiator": owner,
            "StorageClass": upload.storage_class,
            "ChecksumAlgorithm": upload.attributes.get("ChecksumAlgorithm"),
            "ChecksumType": upload.attributes.get("ChecksumType"),
        }

    @operation("ListMultipartUploads")
    async def list_uploads(self, context: RequestContext, request: Request) -> Response:
        """List the uploads of a bucket that are under way, by key and time."""
        bucket = own_bucket(self._uploads.buckets, context, request)
        limit = page_size(request, "MaxUploads")
        entries = self._entries(request, limit + 1)
        page, truncated = entries[:limit], 0 < limit < len(entries)
        encode = encoder(request)
        last_key, last_id = _position(page[-1]) if truncated else (None, None)
        owner = owner_of(bucket.account)
        return {
            "Bucket": bucket.name,
            "Prefix": encode(request.get("Prefix", "")),
            "Delimiter": encode(request.get("Delimiter")),
            "KeyMarker": encode(request.get("KeyMarker", "")),
            "UploadIdMarker": request.get("UploadIdMarker", ""),
            "NextKeyMarker": encode(last_key),
            "NextUploadIdMarker": last_id,
            "MaxUploads": limit,
            "IsTruncated": truncated,
            "EncodingType": request.get("EncodingType"),
            "Uploads": [
                _entry(upload, owner) | {"Key": encode(upload.key)}
                for upload in page
                if isinstance(upload, Upload)
            ],
            "CommonPrefixes": [{"Prefix": encode(entry)} for entry in page if isinstance(entry, str)],
        }

    def _entries(self, request: Request, limit: int) -> list[Upload | str]:
        """Return uploads and common prefixes in their order."""
        prefix, delimiter = request.get("Prefix", ""), request.get("Delimiter", "")
        marker = request.get("KeyMarker", "")
        # Without an upload id the marker's key is behind us as a whole.
        after = (marker, request.get("UploadIdMarker") or (_BEHIND_ALL_IDS if marker else ""))
        found: list[Upload | str] = []
        while uploads := self._uploads.page(request["Bucket"], prefix, after, _BATCH):
            for upload in uploads:
                common = rolled_up(upload.key, prefix, delimiter)
                if common is None:
                    found.append(upload)
                elif common.encode() > marker.encode() and common not in found[-1:]:
                    found.append(common)
                if len(found) == limit:
                    return found
            after = (uploads[-1].key, uploads[-1].id)
        return found


def _position(entry: Upload | str) -> tuple[str, str]:
    return (entry, "") if isinstance(entry, str) else (entry.key, entry.id)


def _entry(upload: Upload, owner: dict[str, str]) -> dict[str, Any]:
    return {
        "UploadId": upload.id,
        "Initiated": upload.created_at,
        "StorageClass": upload.storage_class,
        "Owner": owner,
        "Initiator": owner,
        "ChecksumAlgorithm": upload.attributes.get("ChecksumAlgorithm"),
        "ChecksumType": upload.attributes.get("ChecksumType"),
    }
