"""CreateMultipartUpload, UploadPart, UploadPartCopy, CompleteMultipartUpload, AbortMultipartUpload."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.services.operation import Request, Response, operation
from wildsage.services.s3.attributes import attributes_of, checksum_members, encryption_members
from wildsage.services.s3.common import invalid_argument, invalid_request, own_bucket, stored_version
from wildsage.services.s3.conditions import write_condition
from wildsage.services.s3.copying import find_source, source_version
from wildsage.services.s3.integrity import claims_of, compare, receive
from wildsage.store.buckets import Buckets
from wildsage.store.checksums import ALGORITHMS, FULL_OBJECT_ALGORITHMS, combine_checksums, composite_checksum
from wildsage.store.database import Transaction
from wildsage.store.object_index import Json, NewObject, ObjectRecord, Piece, spans
from wildsage.store.uploads import Part, Upload, Uploads, no_such_upload, require_upload, take_upload

SMALLEST_PART = 5 * 1024**2
MOST_PARTS = 10_000
LARGEST_OBJECT = 5 * 1024**4
_COPY_RANGE = re.compile(r"bytes=([0-9]{1,40})-([0-9]{1,40})")


class MultipartUploads:
    """Large objects in parts that arrive in any order."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._buckets = uploads.buckets

    @operation("CreateMultipartUpload")
    async def create(self, context: RequestContext, request: Request) -> Response:
        """Begin an upload."""
        bucket = own_bucket(self._buckets, context, request)
        attributes = attributes_of(context, bucket, request)
        checksum = _checksum_of_upload(request)
        upload = await self._uploads.create(
            bucket.name, request["Key"], request.get("StorageClass", "STANDARD"), attributes | checksum
        )
        return {
            "Bucket": bucket.name,
            "Key": upload.key,
            "UploadId": upload.id,
            **checksum,
            **encryption_members(attributes),
        }

    @operation("UploadPart")
    async def upload_part(self, context: RequestContext, request: Request) -> Response:
        """Store a part; acknowledged when it is on disk."""
        upload, number = self._target(context, request)
        algorithm = upload.attributes.get("ChecksumAlgorithm")
        given = claims_of(request).algorithm
        if algorithm and given not in (None, algorithm):
            raise invalid_request(
                "Checksum Type mismatch occurred,"
                f" expected checksum Type: {algorithm.lower()}, actual checksum Type: {str(given).lower()}"
            )
        blob = await receive(self._buckets.objects, request, algorithm)
        part = await self._uploads.put_part(upload, number, blob)
        return {
            "ETag": f'"{part.etag}"',
            **_checksums(part.checksums),
            **_encryption(upload),
        }

    @operation("UploadPartCopy")
    async def upload_part_copy(self, context: RequestContext, request: Request) -> Response:
        """Make a part of an object, or of a range of one."""
        upload, number = self._target(context, request)
        origin, source, pieces = find_source(self._buckets, context, request)
        start, length = _copy_range(request.get("CopySourceRange"), source.size)
        algorithm = upload.attributes.get("ChecksumAlgorithm")
        body = await self._buckets.objects.read(spans(pieces, start, length))
        blob = await self._buckets.objects.put(body, [algorithm] if algorithm else [])
        part = await self._uploads.put_part(upload, number, blob)
        result = {"ETag": f'"{part.etag}"', "LastModified": part.modified_at, **_checksums(part.checksums)}
        return {"CopyPartResult": result, **_encryption(upload), **source_version(origin, source)}

    @operation("CompleteMultipartUpload")
    async def complete(self, context: RequestContext, request: Request) -> Response:
        """Make the object of its parts, in one commit. May be repeated: a lost answer costs nothing."""
        bucket = own_bucket(self._buckets, context, request)
        upload = self._uploads.get(bucket.name, request["Key"], request["UploadId"])
        if upload is None:
            record = self._completed(request)
        else:
            completion = _Completion(self._buckets, upload, request)
            record, removed = await self._buckets.commit(completion.run)
            await self._buckets.objects.remove(removed)
        return {
            "Location": f"{context.endpoint_url}/{bucket.name}/{quote(record.key)}",
            "Bucket": bucket.name,
            "Key": record.key,
            "ETag": f'"{record.etag}"',
            **checksum_members(record.attributes),
            **encryption_members(record.attributes),
            **stored_version(record),
        }

    @operation("AbortMultipartUpload")
    async def abort(self, context: RequestContext, request: Request) -> Response:
        """End an upload and remove its parts."""
        own_bucket(self._buckets, context, request)
        await self._uploads.abort(self._upload(request))
        return {}

    def _target(self, context: RequestContext, request: Request) -> tuple[Upload, int]:
        own_bucket(self._buckets, context, request)
        number: int = request["PartNumber"]
        if not 1 <= number <= MOST_PARTS:
            raise invalid_argument(
                f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive",
                ArgumentName="partNumber",
                ArgumentValue=number,
            )
        return self._upload(request), number

    def _upload(self, request: Request) -> Upload:
        upload = self._uploads.get(request["Bucket"], request["Key"], request["UploadId"])
        if upload is None:
            raise no_such_upload(request["UploadId"])
        return upload

    def _completed(self, request: Request) -> ObjectRecord:
        """Return the object that this very upload became."""
        record = self._buckets.head(request["Bucket"], request["Key"])
        if record is None or record.attributes.get("UploadId") != request["UploadId"]:
            raise no_such_upload(request["UploadId"])
        return record


@dataclass(frozen=True, slots=True)
class _Completion:
    """The one transaction that turns parts into an object."""

    buckets: Buckets
    upload: Upload
    request: Request

    def run(self, transaction: Transaction) -> tuple[ObjectRecord, list[str]]:
        """Return the object and the blobs that nobody needs any more."""
        require_upload(transaction, self.upload.id)
        stored = take_upload(transaction, self.upload.id)
        chosen = _choose(stored, self.request.get("MultipartUpload", {}).get("Parts", []), self.upload.id)
        size = sum(part.size for part in chosen)
        if size > LARGEST_OBJECT:
            raise ValidationError(
                f"Your proposed upload of {size} bytes exceeds the maximum allowed object size",
                code="EntityTooLarge",
                members={"ProposedSize": size, "MaxSizeAllowed": LARGEST_OBJECT},
            )
        if self.request.get("MpuObjectSize", size) != size:
            raise invalid_request(
                "The provided 'x-amz-mp-object-size' header does not match what was computed:"
                f" {self.request['MpuObjectSize']} against {size} bytes"
            )
        digests = b"".join(bytes.fromhex(part.etag) for part in chosen)
        new = NewObject(
            bucket=self.upload.bucket,
            key=self.upload.key,
            etag=f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(chosen)}",
            attributes=self._attributes(chosen),
            storage_class=self.upload.storage_class,
            condition=write_condition(self.request),
        )
        pieces = [
            Piece(number, part.blob, part.size, part.checksums) for number, part in enumerate(chosen, start=1)
        ]
        record, removed = self.buckets.insert_object(transaction, new, pieces)
        used = {part.blob for part in chosen}
        return record, removed + [part.blob for part in stored if part.blob not in used]

    def _attributes(self, parts: Sequence[Part]) -> Json:
        attributes = {**self.upload.attributes, "UploadId": self.upload.id}
        algorithm = attributes.pop("ChecksumAlgorithm", None)
        kind = attributes.pop("ChecksumType", None)
        if self.request.get("ChecksumType", kind) != kind:
            raise invalid_request(
                f"The checksum type of the upload is {kind}, not {self.request['ChecksumType']}"
            )
        if algorithm is None:
            return attributes
        texts = [part.checksums[algorithm] for part in parts]
        if kind == "COMPOSITE":
            whole = composite_checksum(algorithm, texts)
        else:
            sizes = [part.size for part in parts]
            whole = combine_checksums(algorithm, list(zip(texts, sizes, strict=True)))
        expected = {
            name: self.request[f"Checksum{name}"] for name in ALGORITHMS if f"Checksum{name}" in self.request
        }
        if not expected.keys() <= {algorithm}:
            raise invalid_request(f"The checksum of the upload is {algorithm}, not {', '.join(expected)}")
        # Some clients send the composite without the number of its parts.
        compare(
            {name: text.partition("-")[0] for name, text in expected.items()},
            {algorithm: whole.partition("-")[0]},
        )
        return {**attributes, "Checksums": {algorithm: whole}, "ChecksumType": kind}


def _choose(stored: Sequence[Part], listed: Sequence[Mapping[str, Any]], upload_id: str) -> list[Part]:
    """Return the parts that a completion lists.

    Raises
    ------
    ValidationError
        ``MalformedXML``, ``InvalidPartOrder``, ``InvalidPart`` or ``EntityTooSmall``.
    """
    if not 0 < len(listed) <= MOST_PARTS:
        raise ValidationError(
            f"You must specify at least one part, and at most {MOST_PARTS}: {len(listed)} are listed",
            code="MalformedXML",
        )
    by_number = {part.number: part for part in stored}
    chosen: list[Part] = []
    for entry in listed:
        number = entry.get("PartNumber", 0)
        if chosen and number <= chosen[-1].number:
            raise ValidationError(
                f"The list of parts was not in ascending order: {number} follows {chosen[-1].number}."
                " Parts must be ordered by part number.",
                code="InvalidPartOrder",
                members={"UploadId": upload_id},
            )
        part = by_number.get(number)
        if part is None or not _is_the_part(part, entry):
            raise ValidationError(
                "One or more of the specified parts could not be found. The part may not have been uploaded,"
                " or the specified entity tag may not match the part's entity tag.",
                code="InvalidPart",
                members={"UploadId": upload_id, "PartNumber": number, "ETag": entry.get("ETag", "")},
            )
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < SMALLEST_PART:
            raise ValidationError(
                f"Your proposed upload is smaller than the minimum allowed size: part {part.number}"
                f" has {part.size} bytes, all but the last need {SMALLEST_PART}",
                code="EntityTooSmall",
                members={
                    "ProposedSize": part.size,
                    "MinSizeAllowed": SMALLEST_PART,
                    "PartNumber": part.number,
                },
            )
    return chosen


def _is_the_part(part: Part, entry: Mapping[str, Any]) -> bool:
    checksums = {name: entry[f"Checksum{name}"] for name in ALGORITHMS if f"Checksum{name}" in entry}
    same = all(part.checksums.get(name, text) == text for name, text in checksums.items())
    return same and entry.get("ETag", "").strip('"') == part.etag


def _checksum_of_upload(request: Request) -> dict[str, str]:
    algorithm = claims_of(request).algorithm
    kind = request.get("ChecksumType")
    if algorithm is None:
        if kind is not None:
            raise invalid_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            )
        return {}
    kind = kind or ("FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE")
    allowed = algorithm in FULL_OBJECT_ALGORITHMS if kind == "FULL_OBJECT" else algorithm != "CRC64NVME"
    if not allowed:
        raise invalid_request(
            f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
        )
    return {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}


def _copy_range(text: str | None, size: int) -> tuple[int, int]:
    if text is None:
        return 0, size
    found = _COPY_RANGE.fullmatch(text)
    first, last = (int(found[1]), int(found[2])) if found else (1, 0)
    if first > last:
        raise invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last"
            f" where first and last are the zero-based offsets of the first and last bytes to copy: {text!r}",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=text,
        )
    if last >= size:
        raise invalid_argument(
            f"Range specified is not valid for source object of size: {size}",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=text,
        )
    return first, last - first + 1


def _checksums(checksums: Mapping[str, str]) -> dict[str, str]:
    return {f"Checksum{name}": text for name, text in checksums.items()}


def _encryption(upload: Upload) -> dict[str, Any]:
    members = encryption_members(upload.attributes)
    members.pop("SSEKMSEncryptionContext", None)
    return members
