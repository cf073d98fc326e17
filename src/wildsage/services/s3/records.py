"""What can be configured on a bucket and is kept as a record: stored, and read back as it was.

Encryption records also set the default of new objects. The others change nothing here yet; the lists in
``members/`` say so.
"""

import json
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError, NotImplementedOperationError, ValidationError
from wildsage.services.operation import STATUS, Request, Response, operation
from wildsage.services.s3.common import own_bucket, own_object, owner_of
from wildsage.store.buckets import Buckets

_DEFAULT_ENCRYPTION = {
    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]
}


class BucketRecords:
    """Policies, encryption, public access, ownership, CORS, lifecycle, and the settings a bucket cannot have."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    async def _put(
        self, context: RequestContext, request: Request, kind: str, value: Any, status: int = 200
    ) -> Response:
        own_bucket(self._buckets, context, request)
        await self._buckets.record(request["Bucket"], kind, value)
        return {STATUS: status}

    def _get(self, context: RequestContext, request: Request, kind: str, code: str, what: str) -> Any:
        value = own_bucket(self._buckets, context, request).records.get(kind)
        if value is None:
            raise NotFoundError(
                f"The {what} does not exist", code=code, status=404, members={"BucketName": request["Bucket"]}
            )
        return value

    async def _delete(self, context: RequestContext, request: Request, kind: str) -> Response:
        own_bucket(self._buckets, context, request)
        await self._buckets.record(request["Bucket"], kind, None)
        return {}

    # Policy

    @operation("PutBucketPolicy")
    async def put_policy(self, context: RequestContext, request: Request) -> Response:
        """Record a policy."""
        text = request["Policy"]
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _malformed_policy(f"Policies must be valid JSON: {error}") from None
        if not isinstance(document, dict) or "Statement" not in document:
            raise _malformed_policy("Missing required field Statement")
        return await self._put(context, request, "policy", text, 204)

    @operation("GetBucketPolicy")
    async def get_policy(self, context: RequestContext, request: Request) -> Response:
        """Return the policy as it was put."""
        return {"Policy": self._get(context, request, "policy", "NoSuchBucketPolicy", "bucket policy")}

    @operation("DeleteBucketPolicy")
    async def delete_policy(self, context: RequestContext, request: Request) -> Response:
        """Remove the policy; an absent one is no error."""
        return await self._delete(context, request, "policy")

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
        """Record the controls."""
        return await self._put(context, request, "ownership", request["OwnershipControls"])

    @operation("GetBucketOwnershipControls")
    async def get_ownership(self, context: RequestContext, request: Request) -> Response:
        """Return the controls; new buckets enforce their owner's."""
        code, what = "OwnershipControlsNotFoundError", "bucket ownership controls"
        return {"OwnershipControls": self._get(context, request, "ownership", code, what)}

    @operation("DeleteBucketOwnershipControls")
    async def delete_ownership(self, context: RequestContext, request: Request) -> Response:
        """Remove the controls."""
        return await self._delete(context, request, "ownership")

    # CORS and lifecycle

    @operation("PutBucketCors")
    async def put_cors(self, context: RequestContext, request: Request) -> Response:
        """Record the rules."""
        return await self._put(context, request, "cors", request["CORSConfiguration"]["CORSRules"])

    @operation("GetBucketCors")
    async def get_cors(self, context: RequestContext, request: Request) -> Response:
        """Return the rules."""
        return {
            "CORSRules": self._get(context, request, "cors", "NoSuchCORSConfiguration", "CORS configuration")
        }

    @operation("DeleteBucketCors")
    async def delete_cors(self, context: RequestContext, request: Request) -> Response:
        """Remove the rules."""
        return await self._delete(context, request, "cors")

    @operation("PutBucketLifecycleConfiguration")
    async def put_lifecycle(self, context: RequestContext, request: Request) -> Response:
        """Record the rules."""
        rules = request.get("LifecycleConfiguration", {}).get("Rules", [])
        named = [{"ID": f"rule-{number}", **rule} for number, rule in enumerate(rules, start=1)]
        size = request.get("TransitionDefaultMinimumObjectSize", "all_storage_classes_128K")
        answer = await self._put(context, request, "lifecycle", {"Rules": named, "Size": size})
        return {**answer, "TransitionDefaultMinimumObjectSize": size}

    @operation("GetBucketLifecycleConfiguration")
    async def get_lifecycle(self, context: RequestContext, request: Request) -> Response:
        """Return the rules."""
        code, what = "NoSuchLifecycleConfiguration", "lifecycle configuration"
        found = self._get(context, request, "lifecycle", code, what)
        return {"Rules": found["Rules"], "TransitionDefaultMinimumObjectSize": found["Size"]}

    @operation("DeleteBucketLifecycle")
    async def delete_lifecycle(self, context: RequestContext, request: Request) -> Response:
        """Remove the rules."""
        return await self._delete(context, request, "lifecycle")

    # What no bucket has here

    @operation("GetBucketVersioning")
    async def get_versioning(self, context: RequestContext, request: Request) -> Response:
        """Answer as for a bucket that never had versioning."""
        own_bucket(self._buckets, context, request)
        return {}

    @operation("PutBucketVersioning")
    async def put_versioning(self, context: RequestContext, request: Request) -> Response:
        """Refuse: versions would be lost silently."""
        own_bucket(self._buckets, context, request)
        raise NotImplementedOperationError(
            "PutBucketVersioning cannot be honoured: buckets have no versioning here yet",
            code="NotImplemented",
        )

    @operation("GetBucketAcl")
    async def get_bucket_acl(self, context: RequestContext, request: Request) -> Response:
        """Return the only list there is: full control for the owner."""
        return _owner_controls(own_bucket(self._buckets, context, request).account)

    @operation("GetObjectAcl")
    async def get_object_acl(self, context: RequestContext, request: Request) -> Response:
        """Return the only list there is: full control for the owner."""
        own_object(self._buckets, context, request)
        return _owner_controls(context.account)


def _owner_controls(account: str) -> Response:
    owner = owner_of(account)
    grantee = {"Type": "CanonicalUser", **owner}
    return {"Owner": owner, "Grants": [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]}


def _malformed_policy(message: str) -> ValidationError:
    return ValidationError(message, code="MalformedPolicy")
