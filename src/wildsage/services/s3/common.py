"""What the resources of S3 share: finding the caller's bucket and object, owners, refusals."""

import hashlib
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
from wildsage.store.object_index import BucketRecord, ObjectRecord, Piece, no_such_bucket, no_such_key

NO_VERSION = "null"
"""The version id of an object in a bucket without versioning."""

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


def own_object(buckets: Buckets, context: RequestContext, request: Request) -> ObjectRecord:
    """Return the object that a request names, or raise as `own_bucket` does, or ``NoSuchKey``."""
    own_bucket(buckets, context, request)
    check_version(request.get("VersionId"))
    record = buckets.head(request["Bucket"], request["Key"])
    if record is None:
        raise no_such_key(request["Key"])
    return record


def own_content(
    buckets: Buckets, context: RequestContext, request: Request
) -> tuple[ObjectRecord, list[Piece]]:
    """Return the object that a request names, and its pieces; raises as `own_object` does."""
    own_bucket(buckets, context, request)
    check_version(request.get("VersionId"))
    found = buckets.stored(request["Bucket"], request["Key"])
    if found is None:
        raise no_such_key(request["Key"])
    return found


def check_version(version_id: str | None) -> None:
    """Raise ``NoSuchVersion`` unless the version is the only one an object has here."""
    if version_id not in (None, NO_VERSION):
        raise NotFoundError(
            f"The specified version {version_id!r} does not exist: buckets have no versioning here yet",
            code="NoSuchVersion",
            status=404,
            members={"VersionId": version_id},
        )


def owner_of(account: str) -> dict[str, str]:
    """Return the canonical user of an account."""
    return {"ID": hashlib.sha256(f"canonical-user-{account}".encode()).hexdigest()}


def invalid_argument(message: str, **members: Any) -> ValidationError:
    """Return the error of an argument that breaks a rule."""
    return ValidationError(message, code="InvalidArgument", members=members)


def invalid_request(message: str) -> ValidationError:
    """Return the error of a request whose parts do not go together."""
    return ValidationError(message, code="InvalidRequest")
