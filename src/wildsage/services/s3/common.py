"""What the resources of S3 share: finding the caller's bucket and object, owners, refusals."""

import hashlib
import re
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import (
    AccessDeniedError,
    NotFoundError,
    ServiceError,
    ValidationError,
)
from wildsage.services.operation import Request
from wildsage.store.buckets import Buckets
from wildsage.store.object_index import (
    NULL_VERSION,
    BucketRecord,
    ObjectRecord,
    Piece,
    no_such_bucket,
    no_such_key,
)

_VERSION = re.compile(r"[0-9a-f]{32}")

GLOBAL_REGION = "us-east-1"
"""Its endpoint is the one of old and of version 2 signatures, which name no region: it serves all buckets."""


def own_bucket(buckets: Buckets, context: RequestContext, request: Request) -> BucketRecord:
    """Return the bucket that a request names.

    Raises
    ------
    ServiceError
        ``NoSuchBucket``; ``AccessDenied`` if it belongs to another account than the caller's or the one
        expected; ``PermanentRedirect`` if it lies in another region than the one the request was signed
        for: clients follow the region given there. `GLOBAL_REGION` finds every bucket.
    """
    name = request["Bucket"]
    bucket = buckets.bucket(name)
    if bucket is None:
        raise no_such_bucket(name)
    check_owner(bucket, context, request.get("ExpectedBucketOwner"))
    if context.region not in (bucket.region, GLOBAL_REGION):
        raise ServiceError(
            f"The bucket {name} is in {bucket.region}, and this request was signed for {context.region}."
            " Please send all future requests to its region.",
            code="PermanentRedirect",
            status=301,
            members={
                "Endpoint": f"s3.{bucket.region}.amazonaws.com",
                "Bucket": name,
                "Region": bucket.region,
            },
        )
    return bucket


def check_owner(bucket: BucketRecord, context: RequestContext, expected: str | None) -> None:
    """Raise ``AccessDenied`` unless the bucket is the caller's, and of the account that is expected."""
    if bucket.account != context.account or expected not in (None, bucket.account):
        raise AccessDeniedError("Access Denied", code="AccessDenied")


def own_content(
    buckets: Buckets, context: RequestContext, request: Request
) -> tuple[ObjectRecord, list[Piece]]:
    """Return the object or version that a request names, and its pieces.

    Raises
    ------
    ServiceError
        As `own_bucket` does, and as `find_content` does.
    """
    bucket = own_bucket(buckets, context, request)
    return find_content(buckets, bucket, request["Key"], request.get("VersionId"))


def find_content(
    buckets: Buckets, bucket: BucketRecord, key: str, version_id: str | None
) -> tuple[ObjectRecord, list[Piece]]:
    """Return an object of a bucket, or a version as the wire names it, and its pieces.

    Raises
    ------
    ServiceError
        ``NoSuchKey``, ``NoSuchVersion``, ``InvalidArgument``, or ``MethodNotAllowed`` for a delete marker.
    """
    wanted = row_version(version_id)
    found = buckets.stored(bucket.name, key, wanted)
    if found is not None:
        return found
    marker = buckets.version(bucket.name, key, wanted) if bucket.versioning else None
    if marker is None or not marker.is_delete_marker:
        raise no_such_key(key) if version_id is None else no_such_version(key, version_id)
    members = {"Key": key, "DeleteMarker": True, "VersionId": marker.public_version}
    if version_id is None:
        raise NotFoundError(
            "The specified key does not exist.", code="NoSuchKey", status=404, members=members
        )
    raise ServiceError(
        "The specified method is not allowed against this resource: the version is a delete marker",
        code="MethodNotAllowed",
        status=405,
        members={**members, "LastModified": marker.modified_at},
    )


def row_version(version_id: str | None) -> str | None:
    """Return the id of a version's row; None where the request names no version.

    Raises
    ------
    ValidationError
        If no version can be called so.
    """
    if version_id is None:
        return None
    if version_id == NULL_VERSION:
        return ""
    if _VERSION.fullmatch(version_id) is None:
        raise invalid_argument(
            f"Invalid version id specified: {version_id[:64]!r}",
            ArgumentName="versionId",
            ArgumentValue=version_id[:1024],
        )
    return version_id


def version_members(bucket: BucketRecord, record: ObjectRecord) -> dict[str, str]:
    """Return the members that tell a version; none in a bucket that never had versioning."""
    return {"VersionId": record.public_version} if bucket.versioning else {}


def stored_version(record: ObjectRecord) -> dict[str, str]:
    """Return the member that tells a version that was just stored; the null version has none."""
    return {"VersionId": record.version_id} if record.version_id else {}


def no_such_version(key: str, version_id: str) -> NotFoundError:
    """Return the error of a version that is not there."""
    return NotFoundError(
        "The specified version does not exist.",
        code="NoSuchVersion",
        status=404,
        members={"Key": key, "VersionId": version_id},
    )


def owner_of(account: str) -> dict[str, str]:
    """Return the canonical user of an account."""
    return {
        "DisplayName": account,  # AWS left it out in November 2025; older clients read it
        "ID": hashlib.sha256(f"canonical-user-{account}".encode()).hexdigest(),
    }


def invalid_argument(message: str, **members: Any) -> ValidationError:
    """Return the error of an argument that breaks a rule."""
    return ValidationError(message, code="InvalidArgument", members=members)


def invalid_request(message: str) -> ValidationError:
    """Return the error of a request whose parts do not go together."""
    return ValidationError(message, code="InvalidRequest")
