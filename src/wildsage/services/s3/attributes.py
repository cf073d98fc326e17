"""What is stored beside an object's bytes, and how it comes back with them."""

from typing import Any
from urllib.parse import parse_qsl

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.core.s3_uri import LONGEST_KEY
from wildsage.services.operation import Request
from wildsage.services.s3.acls import acl_of
from wildsage.services.s3.common import invalid_argument
from wildsage.services.s3.locking import LOCK_MEMBERS, lock_of
from wildsage.services.s3.tagging import check_tags
from wildsage.store.object_index import BucketRecord, Json, ObjectRecord

HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "Metadata",
    "WebsiteRedirectLocation",
)
"""Members of an upload that come back as they were."""

_ENCRYPTION = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled", "SSEKMSEncryptionContext")
_ALGORITHMS = frozenset({"AES256", "aws:kms", "aws:kms:dsse", "aws:fsx"})
_STORAGE_CLASSES = frozenset(
    {
        "STANDARD",
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER",
        "DEEP_ARCHIVE",
        "GLACIER_IR",
    }
)
_LARGEST_METADATA = 2048


def attributes_of(context: RequestContext, bucket: BucketRecord, request: Request) -> Json:
    """Return what an upload asks to store with the object.

    Raises
    ------
    ServiceError
        Naming the member that cannot be honoured.
    """
    check_upload(request)
    attributes = headers_of(request)
    attributes |= protection_of(context, bucket, request)
    tags = tags_of(request.get("Tagging"))
    if tags:
        attributes["Tags"] = tags
    return attributes


def protection_of(context: RequestContext, bucket: BucketRecord, request: Request) -> Json:
    """Return encryption, lock and access control list that an upload asks for, else the bucket's defaults."""
    return {
        **encryption_of(context, bucket, request),
        **lock_of(context, bucket, request),
        **acl_of(bucket, request),
    }


def headers_of(request: Request) -> Json:
    """Return the headers to store."""
    found = {name: request[name] for name in HEADERS if request.get(name) not in (None, "", {})}
    if "ContentEncoding" in found:
        # aws-chunked is how the body travelled, not how the object is encoded.
        codings = [coding.strip() for coding in found.pop("ContentEncoding").split(",")]
        kept = ", ".join(coding for coding in codings if coding != "aws-chunked")
        found |= {"ContentEncoding": kept} if kept else {}
    metadata: dict[str, str] = found.get("Metadata", {})
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > _LARGEST_METADATA:
        raise ValidationError(
            f"Your metadata headers have {size} bytes and exceed the maximum allowed metadata size",
            code="MetadataTooLarge",
            members={"Size": size, "MaxSizeAllowed": _LARGEST_METADATA},
        )
    return found


def check_upload(request: Request) -> None:
    """Refuse what no upload can have here."""
    if len(request["Key"].encode()) > LONGEST_KEY:
        raise ValidationError(
            f"Your key is too long: {len(request['Key'].encode())} bytes",
            code="KeyTooLongError",
            members={"MaxSizeAllowed": LONGEST_KEY},
        )
    storage_class = request.get("StorageClass", "STANDARD")
    if storage_class not in _STORAGE_CLASSES:
        raise ValidationError(
            f"The storage class you specified is not valid: {storage_class!r}", code="InvalidStorageClass"
        )


def encryption_of(context: RequestContext, bucket: BucketRecord, request: Request) -> Json:
    """Return the encryption that an upload asks for, else the bucket's default."""
    asked = {name: request[name] for name in _ENCRYPTION if request.get(name) is not None}
    if "ServerSideEncryption" not in asked:
        if "SSEKMSKeyId" in asked:
            raise invalid_argument(
                "Server Side Encryption with AWS KMS managed key requires HTTP header"
                " x-amz-server-side-encryption : aws:kms"
            )
        asked = default_encryption(bucket)
    if asked["ServerSideEncryption"] not in _ALGORITHMS:
        raise invalid_argument(
            f"The encryption method specified is not supported: {asked['ServerSideEncryption']!r}",
            ArgumentName="x-amz-server-side-encryption",
            ArgumentValue=asked["ServerSideEncryption"],
        )
    if "SSEKMSKeyId" in asked and asked["ServerSideEncryption"] == "AES256":
        raise invalid_argument("SSEKMSKeyId goes with the encryption aws:kms, not with AES256")
    if "SSEKMSKeyId" in asked:
        asked["SSEKMSKeyId"] = _key_arn(context, asked["SSEKMSKeyId"])
    return asked


def default_encryption(bucket: BucketRecord) -> Json:
    """Return what the bucket's encryption record says, else AES256."""
    rules = bucket.records.get("encryption", {}).get("Rules", [])
    rule: Json = rules[0] if rules else {}
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    found = {
        "ServerSideEncryption": default.get("SSEAlgorithm", "AES256"),
        "SSEKMSKeyId": default.get("KMSMasterKeyID"),
        "BucketKeyEnabled": rule.get("BucketKeyEnabled") or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def tags_of(header: str | None) -> list[dict[str, str]]:
    """Read the tags of an upload: ``key1=value1&key2=value2``."""
    if not header:
        return []
    try:
        if any(not part for part in header.split("&")):
            raise ValueError(header)
        # A key may stand alone.
        pairs = sorted(parse_qsl(header, keep_blank_values=True, errors="strict"))
    except ValueError:
        raise invalid_argument(
            f"The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters: {header!r}",
            ArgumentName="x-amz-tagging",
            ArgumentValue=header,
        ) from None
    tags = [{"Key": key, "Value": value} for key, value in pairs]
    check_tags(tags)
    return tags


def encryption_members(attributes: Json) -> dict[str, Any]:
    """Return the members that tell a client how an object is encrypted."""
    return {name: attributes[name] for name in _ENCRYPTION if name in attributes}


def checksum_members(attributes: Json) -> dict[str, Any]:
    """Return the members that hold an object's checksums."""
    checksums: dict[str, str] = attributes.get("Checksums", {})
    members = {f"Checksum{name}": text for name, text in checksums.items()}
    return {**members, "ChecksumType": attributes.get("ChecksumType", "FULL_OBJECT")} if members else {}


def object_members(record: ObjectRecord) -> dict[str, Any]:
    """Return the members that GetObject and HeadObject answer beside length, range and body."""
    attributes = record.attributes
    encryption = encryption_members(attributes)
    encryption.pop("SSEKMSEncryptionContext", None)
    members = {
        "AcceptRanges": "bytes",
        "ETag": f'"{record.etag}"',
        "LastModified": record.modified_at,
        "ContentType": "binary/octet-stream",
        "Metadata": {},
        **{name: attributes[name] for name in (*HEADERS, *LOCK_MEMBERS) if name in attributes},
        **encryption,
    }
    if record.storage_class != "STANDARD":
        members["StorageClass"] = record.storage_class
    if attributes.get("Tags"):
        members["TagCount"] = len(attributes["Tags"])
    return members


def _key_arn(context: RequestContext, key_id: str) -> str:
    if key_id.startswith("arn:"):
        return key_id
    resource = key_id if key_id.startswith("alias/") else f"key/{key_id}"
    return f"arn:{context.partition}:kms:{context.region}:{context.account}:{resource}"
