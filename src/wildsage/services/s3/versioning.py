"""PutBucketVersioning and GetBucketVersioning."""

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.services.operation import Request, Response, operation
from wildsage.services.s3.common import invalid_request, own_bucket
from wildsage.services.s3.locking import invalid_bucket_state
from wildsage.store.buckets import Buckets


class Versioning:
    """Whether a bucket keeps what is overwritten or deleted."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    @operation("PutBucketVersioning")
    async def put(self, context: RequestContext, request: Request) -> Response:
        """Begin or suspend versioning; there is no way back to none."""
        bucket = own_bucket(self._buckets, context, request)
        status = request["VersioningConfiguration"].get("Status")
        if request["VersioningConfiguration"].get("MFADelete") == "Enabled":
            raise invalid_request(
                "MFADelete cannot be Enabled: there are no devices for a second factor here"
            )
        if status is None:
            raise ValidationError(
                "The Versioning element must be specified", code="IllegalVersioningConfigurationException"
            )
        if status == "Suspended" and "object_lock" in bucket.records:
            raise invalid_bucket_state(
                "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
            )
        await self._buckets.record(bucket.name, "versioning", status)
        return {}

    @operation("GetBucketVersioning")
    async def get(self, context: RequestContext, request: Request) -> Response:
        """Return the status; nothing where versioning never was."""
        bucket = own_bucket(self._buckets, context, request)
        return {"Status": bucket.versioning} if bucket.versioning else {}
