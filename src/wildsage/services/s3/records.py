"""What can be configured on a bucket and is kept as a record: stored, and read back as it was.

Encryption records also set the default of new objects; public access blocks refuse public lists and policies;
ownership decides whether there are access control lists. The lists in ``members/`` say what the others do.
"""

from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError, ValidationError
from wildsage.services.operation import Request, Response, operation
from wildsage.services.s3.acls import check_ownership
from wildsage.services.s3.common import own_bucket
from wildsage.store.buckets import Buckets

_DEFAULT_ENCRYPTION = {
    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]
}


class Recorded:
    """Reads and writes of one record of a bucket."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    async def _put(self, context: RequestContext, request: Request, kind: str, value: Any) -> Response:
        own_bucket(self._buckets, context, request)
        await self._buckets.record(request["Bucket"], kind, value)
        return {}

    def _find(self, context: RequestContext, request: Request, kind: str) -> Any:
        return own_bucket(self._buckets, context, request).records.get(kind)

    def _get(self, context: RequestContext, request: Request, kind: str, code: str, what: str) -> Any:
        value = self._find(context, request, kind)
        if value is None:
            raise NotFoundError(
                f"The {what} does not exist", code=code, status=404, members={"BucketName": request["Bucket"]}
            )
        return value

    async def _delete(self, context: RequestContext, request: Request, kind: str) -> Response:
        own_bucket(self._buckets, context, request)
        await self._buckets.record(request["Bucket"], kind, None)
        return {}


class ProtectionRecords(Recorded):
    """Encryption, public access and ownership."""

    # Encryption

    @operation("PutBucketEncryption")
    async def put_encryption(self, context: RequestContext, request: Request) -> Response:
        """Record the encryption that new objects get."""
        configuration = request["ServerSideEncryptionConfiguration"]
        if len(configuration.get("Rules", [])) != 1:
            raise ValidationError(
                "The XML you provided was not well-formed or did not validate against our published schema:"
                " exactly one rule is needed",
                code="MalformedXML",
            )
        return await self._put(context, request, "encryption", configuration)

    @operation("GetBucketEncryption")
    async def get_encryption(self, context: RequestContext, request: Request) -> Response:
        """Return the record, or the default of every bucket."""
        records = own_bucket(self._buckets, context, request).records
        return {"ServerSideEncryptionConfiguration": records.get("encryption", _DEFAULT_ENCRYPTION)}

    @operation("DeleteBucketEncryption")
    async def delete_encryption(self, context: RequestContext, request: Request) -> Response:
        """Go back to the default."""
        return await self._delete(context, request, "encryption")

    # Public access and ownership

    @operation("PutPublicAccessBlock")
    async def put_public_access_block(self, context: RequestContext, request: Request) -> Response:
        """Record the settings."""
        settings = {
            name: bool(request["PublicAccessBlockConfiguration"].get(name))
            for name in ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        }
        return await self._put(context, request, "public_access_block", settings)

    @operation("GetPublicAccessBlock")
    async def get_public_access_block(self, context: RequestContext, request: Request) -> Response:
        """Return the settings; new buckets block all public access."""
        code, what = "NoSuchPublicAccessBlockConfiguration", "public access block configuration"
        settings = self._get(context, request, "public_access_block", code, what)
        return {"PublicAccessBlockConfiguration": settings}

    @operation("DeletePublicAccessBlock")
    async def delete_public_access_block(self, context: RequestContext, request: Request) -> Response:
        """Remove the settings."""
        return await self._delete(context, request, "public_access_block")

    @operation("PutBucketOwnershipControls")
    async def put_ownership(self, context: RequestContext, request: Request) -> Response:
        """Set the controls; a bucket whose list grants to others than its owner cannot do without lists."""
        bucket = own_bucket(self._buckets, context, request)
        controls = request["OwnershipControls"]
        check_ownership(bucket, controls)
        return await self._put(context, request, "ownership", controls)

    @operation("GetBucketOwnershipControls")
    async def get_ownership(self, context: RequestContext, request: Request) -> Response:
        """Return the controls; new buckets enforce their owner's."""
        code, what = "OwnershipControlsNotFoundError", "bucket ownership controls"
        return {"OwnershipControls": self._get(context, request, "ownership", code, what)}

    @operation("DeleteBucketOwnershipControls")
    async def delete_ownership(self, context: RequestContext, request: Request) -> Response:
        """Remove the controls."""
        return await self._delete(context, request, "ownership")
