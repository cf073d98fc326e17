"""ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation."""

import ipaddress
import re
from typing import Any

from wildsage.core.arns import REGION
from wildsage.core.context import RequestContext
from wildsage.core.errors import ServiceError, ValidationError
from wildsage.services.operation import Request, Response, operation
from wildsage.services.s3.acls import first_acl
from wildsage.services.s3.common import GLOBAL_REGION, check_owner, invalid_argument, own_bucket, owner_of
from wildsage.services.s3.listing import decode_position, encode_position
from wildsage.services.s3.tagging import MOST_BUCKET_TAGS, check_tags
from wildsage.store.buckets import Buckets
from wildsage.store.object_index import BucketRecord, no_such_bucket

_MOST_BUCKETS = 10_000
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(REGION)
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_ALL_BLOCKED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


class BucketOperations:
    """Buckets: names are global, each lies in one region and belongs to one account."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    @operation("CreateBucket")
    async def create(self, context: RequestContext, request: Request) -> Response:
        """Make a bucket in the region that the request names."""
        name = request["Bucket"]
        check_name(name)
        configuration = request.get("CreateBucketConfiguration", {})
        if request.get("BucketNamespace", "global") != "global":
            raise invalid_argument(
                "BucketNamespace must be global: bucket names are shared by all accounts here"
            )
        region = _region_of(context, configuration.get("LocationConstraint"))
        records = _first_records(context, request)
        bucket = await self._buckets.create_bucket(name, context.account, region, records)
        if bucket is None and not self._is_made_again(context, name):
            raise self._taken(context, name)
        return {"Location": f"/{name}", "BucketArn": _arn(context, name)}

    @operation("ListBuckets")
    async def list(self, context: RequestContext, request: Request) -> Response:
        """List the account's buckets of all regions, by name."""
        limit = request.get("MaxBuckets", _MOST_BUCKETS)
        if not 1 <= limit <= _MOST_BUCKETS:
            raise invalid_argument(f"MaxBuckets must be between 1 and {_MOST_BUCKETS}: {limit}")
        token = request.get("ContinuationToken")
        after = "" if token is None else decode_position(token)
        prefix, region = request.get("Prefix", ""), request.get("BucketRegion")
        found = self._buckets.list_buckets(context.account, prefix, after, _MOST_BUCKETS + 1)
        chosen = [bucket for bucket in found if region in (None, bucket.region)]
        page = chosen[:limit]
        return {
            "Buckets": [_summary(context, bucket) for bucket in page],
            "Owner": owner_of(context.account),
            "ContinuationToken": encode_position(page[-1].name) if len(chosen) > limit else None,
            "Prefix": request.get("Prefix"),
        }

    @operation("HeadBucket")
    async def head(self, context: RequestContext, request: Request) -> Response:
        """Tell the bucket's region, to a caller in any region: that is how clients find it."""
        bucket = self._buckets.bucket(request["Bucket"])
        if bucket is None:
            raise no_such_bucket(request["Bucket"])
        check_owner(bucket, context, request.get("ExpectedBucketOwner"))
        return {
            "BucketRegion": bucket.region,
            "AccessPointAlias": False,
            "BucketArn": _arn(context, bucket.name),
        }

    @operation("DeleteBucket")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove an empty bucket."""
        bucket = own_bucket(self._buckets, context, request)
        await self._buckets.delete_bucket(bucket.name)
        return {}

    @operation("GetBucketLocation")
    async def get_location(self, context: RequestContext, request: Request) -> Response:
        """Tell the bucket's region, to a caller in any region; us-east-1 is the empty answer."""
        bucket = self._buckets.bucket(request["Bucket"])
        if bucket is None:
            raise no_such_bucket(request["Bucket"])
        check_owner(bucket, context, request.get("ExpectedBucketOwner"))
        return {"LocationConstraint": None if bucket.region == GLOBAL_REGION else bucket.region}

    def _is_made_again(self, context: RequestContext, name: str) -> bool:
        """Tell whether the bucket is the caller's, in the one region where making it again is no error."""
        existing = self._buckets.bucket(name)
        return (
            existing is not None
            and existing.account == context.account
            and existing.region == context.region == GLOBAL_REGION
        )

    def _taken(self, context: RequestContext, name: str) -> ServiceError:
        existing = self._buckets.bucket(name)
        if existing is not None and existing.account == context.account:
            return ServiceError(
                "Your previous request to create the named bucket succeeded and you already own it.",
                code="BucketAlreadyOwnedByYou",
                status=409,
                members={"BucketName": name},
            )
        return ServiceError(
            "The requested bucket name is not available. The bucket namespace is shared by all users of the"
            " system. Please select a different name and try again.",
            code="BucketAlreadyExists",
            status=409,
            members={"BucketName": name},
        )


def check_name(name: str) -> None:
    """Raise ``InvalidBucketName`` unless a bucket may be called so.

    Rules: "General purpose bucket naming rules" (Amazon S3 User Guide).
    """
    rule = None
    if _NAME.fullmatch(name) is None:
        rule = "3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends"
    elif any(pair in name for pair in ("..", ".-", "-.")):
        rule = "a letter or digit on both sides of each dot"
    elif _is_address(name):
        rule = "not an IP address"
    elif name.startswith(_RESERVED_PREFIXES) or name.endswith(_RESERVED_SUFFIXES):
        rule = "no reserved prefix or suffix"
    if rule is not None:
        raise ValidationError(
            f"The specified bucket is not valid: {name!r} ({rule})",
            code="InvalidBucketName",
            members={"BucketName": name},
        )


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def _region_of(context: RequestContext, constraint: str | None) -> str:
    """Return where a bucket shall lie: outside us-east-1 an endpoint makes buckets in its own region only."""
    region = "eu-west-1" if constraint == "EU" else constraint
    if context.region == GLOBAL_REGION:
        if region is not None and (region == GLOBAL_REGION or _REGION.fullmatch(region) is None):
            raise ValidationError(
                f"The specified location-constraint is not valid: {constraint!r}"
                f" (leave it out for {GLOBAL_REGION})",
                code="InvalidLocationConstraint",
                members={"LocationConstraint": constraint},
            )
        return region or GLOBAL_REGION
    if region != context.region:
        raise ValidationError(
            f"The {constraint or 'unspecified'} location constraint is incompatible for the region specific"
            f" endpoint this request was sent to ({context.region}).",
            code="IllegalLocationConstraintException",
        )
    return context.region


def _first_records(context: RequestContext, request: Request) -> dict[str, Any]:
    ownership = request.get("ObjectOwnership", "BucketOwnerEnforced")
    records: dict[str, Any] = {
        "ownership": {"Rules": [{"ObjectOwnership": ownership}]},
        "public_access_block": _ALL_BLOCKED,
    }
    tags = request.get("CreateBucketConfiguration", {}).get("Tags", [])
    check_tags(tags, MOST_BUCKET_TAGS)
    if request.get("ObjectLockEnabledForBucket"):
        records |= {"versioning": "Enabled", "object_lock": {"ObjectLockEnabled": "Enabled"}}
    records |= first_acl(context.account, request, records)
    return records | ({"tags": tags} if tags else {})


def _summary(context: RequestContext, bucket: BucketRecord) -> dict[str, Any]:
    return {
        "Name": bucket.name,
        "CreationDate": bucket.created_at,
        "BucketRegion": bucket.region,
        "BucketArn": _arn(context, bucket.name),
    }


def _arn(context: RequestContext, name: str) -> str:
    return f"arn:{context.partition}:s3:::{name}"
