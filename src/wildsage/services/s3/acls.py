"""Access control lists: kept as records where the bucket's ownership allows lists, and read back.

They grant nothing: a bucket serves its own account, whose principals IAM policies govern. A bucket is made with
BucketOwnerEnforced, and then has no lists, as on AWS.
"""

from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import AccessDeniedError, ServiceError, ValidationError
from wildsage.services.operation import Request, Response, operation
from wildsage.services.s3.common import find_content, invalid_request, own_bucket, owner_of
from wildsage.store.buckets import Buckets
from wildsage.store.object_index import BucketRecord, Json

Grants = list[dict[str, Any]]

_GROUPS = "http://acs.amazonaws.com/groups/"
_ALL_USERS = f"{_GROUPS}global/AllUsers"
_AUTHENTICATED = f"{_GROUPS}global/AuthenticatedUsers"
_KNOWN_GROUPS = frozenset({_ALL_USERS, _AUTHENTICATED, f"{_GROUPS}s3/LogDelivery"})
_CANNED: dict[str, tuple[tuple[str, str], ...]] = {
    "private": (),
    "public-read": ((_ALL_USERS, "READ"),),
    "public-read-write": ((_ALL_USERS, "READ"), (_ALL_USERS, "WRITE")),
    "authenticated-read": ((_AUTHENTICATED, "READ"),),
    "bucket-owner-read": (),  # the owner of the bucket is the owner of the object
    "bucket-owner-full-control": (),
    "log-delivery-write": ((f"{_GROUPS}s3/LogDelivery", "WRITE"), (f"{_GROUPS}s3/LogDelivery", "READ_ACP")),
}
_OWNER_KEEPS_ALL = frozenset({"private", "bucket-owner-full-control", "bucket-owner-read"})
_ENFORCED = "BucketOwnerEnforced"


class AccessControlLists:
    """The lists of buckets and objects."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    @operation("PutBucketAcl")
    async def put_bucket_acl(self, context: RequestContext, request: Request) -> Response:
        """Record a bucket's list."""
        bucket = own_bucket(self._buckets, context, request)
        await self._buckets.record(bucket.name, "acl", _asked(bucket, request))
        return {}

    @operation("GetBucketAcl")
    async def get_bucket_acl(self, context: RequestContext, request: Request) -> Response:
        """Return a bucket's list."""
        bucket = own_bucket(self._buckets, context, request)
        return _shown(bucket, bucket.records.get("acl"))

    @operation("PutObjectAcl")
    async def put_object_acl(self, context: RequestContext, request: Request) -> Response:
        """Record an object's list."""
        bucket = own_bucket(self._buckets, context, request)
        record, _ = find_content(self._buckets, bucket, request["Key"], request.get("VersionId"))
        grants = _asked(bucket, request)
        await self._buckets.set_attributes(bucket.name, record.key, {"Acl": grants}, record.version_id)
        return {}

    @operation("GetObjectAcl")
    async def get_object_acl(self, context: RequestContext, request: Request) -> Response:
        """Return an object's list."""
        bucket = own_bucket(self._buckets, context, request)
        record, _ = find_content(self._buckets, bucket, request["Key"], request.get("VersionId"))
        return _shown(bucket, record.attributes.get("Acl"))


def acl_of(bucket: BucketRecord, request: Request) -> Json:
    """Return what an upload with a canned list stores with its object.

    Raises
    ------
    ServiceError
        As `canned_grants` does.
    """
    canned = request.get("ACL")
    if canned is None or _is_enforced(bucket.records):
        _refuse_lists(canned)
        return {}
    grants = canned_grants(bucket.account, canned, bucket.records)
    return {} if canned in _OWNER_KEEPS_ALL else {"Acl": grants}


def first_acl(account: str, request: Request, records: Json) -> Json:
    """Return the record of a bucket that is made with a canned list.

    Raises
    ------
    ServiceError
        As `canned_grants` does; ``InvalidBucketAclWithObjectOwnership`` where the bucket has no lists.
    """
    canned = request.get("ACL", "private")
    if canned == "private":
        return {}
    if _is_enforced(records):
        raise ValidationError(
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting: leave out"
            " ACL, and use a bucket policy",
            code="InvalidBucketAclWithObjectOwnership",
        )
    if records.get("public_access_block", {}).get("BlockPublicAcls") and _is_public(_grants(account, canned)):
        raise ValidationError(
            "Bucket cannot have public ACLs set with BlockPublicAccess enabled",
            code="InvalidBucketAclWithBlockPublicAccessError",
        )
    return {"acl": canned_grants(account, canned, records)}


def check_ownership(bucket: BucketRecord, controls: Json) -> None:
    """Refuse ownership without lists for a bucket whose list grants something to others.

    Raises
    ------
    ValidationError
        ``InvalidBucketAclWithObjectOwnership``.
    """
    others = any(grant["Grantee"].get("Type") == "Group" for grant in bucket.records.get("acl", ()))
    if others and _is_enforced({"ownership": controls}):
        raise ValidationError(
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting: make its ACL private"
            " first",
            code="InvalidBucketAclWithObjectOwnership",
        )


def canned_grants(account: str, canned: str, records: Json) -> Grants:
    """Return the grants of a canned list.

    Raises
    ------
    ServiceError
        ``InvalidArgument`` for an unknown one, ``AccessDenied`` where public lists are blocked.
    """
    grants = _grants(account, canned)
    _refuse_public(records, grants)
    return grants


def _grants(account: str, canned: str) -> Grants:
    if canned not in _CANNED:
        raise ValidationError(
            f"The canned ACL {canned!r} is not supported: use one of {', '.join(_CANNED)}",
            code="InvalidArgument",
        )
    groups = [
        {"Grantee": {"Type": "Group", "URI": uri}, "Permission": permission}
        for uri, permission in _CANNED[canned]
    ]
    return [*groups, _full_control(account)]


def _asked(bucket: BucketRecord, request: Request) -> Grants:
    canned, policy = request.get("ACL"), request.get("AccessControlPolicy")
    if _is_enforced(bucket.records):
        _refuse_lists(canned if policy is None else "AccessControlPolicy")
        return [_full_control(bucket.account)]
    if canned is not None and policy is not None:
        raise ValidationError("This request has both a canned ACL and a document", code="UnexpectedContent")
    if canned is not None:
        return canned_grants(bucket.account, canned, bucket.records)
    if policy is None:
        raise ValidationError(
            "Your request was missing a required header: x-amz-acl, or a document",
            code="MissingSecurityHeader",
        )
    grants: Grants = policy.get("Grants", [])
    _check_grants(bucket, policy, grants)
    _refuse_public(bucket.records, grants)
    return grants


def _check_grants(bucket: BucketRecord, policy: Json, grants: Grants) -> None:
    owner = owner_of(bucket.account)["ID"]
    if policy.get("Owner", {}).get("ID", owner) != owner:
        raise AccessDeniedError("Access Denied: the owner cannot be changed", code="AccessDenied")
    for grant in grants:
        grantee = grant.get("Grantee", {})
        if "Permission" not in grant or not grantee:
            raise ValidationError(
                "The XML you provided was not well-formed: a grant needs Grantee and Permission",
                code="MalformedACLError",
            )
        known = grantee.get("ID") == owner if "ID" in grantee else grantee.get("URI") in _KNOWN_GROUPS
        if not known:
            raise ValidationError(
                f"Invalid grantee {grantee.get('ID') or grantee.get('URI') or grantee.get('EmailAddress')!r}: only"
                " the bucket's owner and the groups of S3 are known here; grant by IAM policies instead",
                code="InvalidArgument"
                if "URI" in grantee or "ID" in grantee
                else "UnresolvableGrantByEmailAddress",
            )


def _is_enforced(records: Json) -> bool:
    rules = records.get("ownership", {}).get("Rules", [])
    return bool(rules) and rules[0].get("ObjectOwnership") == _ENFORCED


def _is_public(grants: Grants) -> bool:
    return any(grant["Grantee"].get("URI") in (_ALL_USERS, _AUTHENTICATED) for grant in grants)


def _refuse_public(records: Json, grants: Grants) -> None:
    if records.get("public_access_block", {}).get("BlockPublicAcls") and _is_public(grants):
        raise AccessDeniedError(
            "Access Denied: the list is public, and BlockPublicAcls of the bucket's public access block is set",
            code="AccessDenied",
        )


def _refuse_lists(asked: str | None) -> None:
    if asked is None:
        return
    if asked not in _CANNED and asked != "AccessControlPolicy":
        raise invalid_request(f"The canned ACL {asked!r} is unknown: use one of {', '.join(_CANNED)}")
    if asked not in ("private", "bucket-owner-full-control", "bucket-owner-read"):
        raise ServiceError(
            f"The bucket does not allow ACLs (seen: {asked}). Use a bucket policy instead",
            code="AccessControlListNotSupported",
            status=400,
        )


def _shown(bucket: BucketRecord, grants: Grants | None) -> Response:
    none = grants is None or _is_enforced(bucket.records)
    return {"Owner": owner_of(bucket.account), "Grants": [_full_control(bucket.account)] if none else grants}


def _full_control(account: str) -> dict[str, Any]:
    return {"Grantee": {"Type": "CanonicalUser", **owner_of(account)}, "Permission": "FULL_CONTROL"}
