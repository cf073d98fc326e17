"""The public sample buckets: every account reads them, none writes there, and what is missing says how to get it."""

from collections.abc import Awaitable, Mapping
from dataclasses import replace

from wildsage.core.context import RequestContext
from wildsage.core.errors import AccessDeniedError, NotFoundError, ServiceError
from wildsage.core.sample_buckets import HOW_TO_FILL, SAMPLES_ACCOUNT, sample_region
from wildsage.services.operation import Handler, Request, Response
from wildsage.store.buckets import Buckets
from wildsage.store.object_index import BucketRecord

_READING = frozenset(
    {
        "GetBucketLocation",
        "GetObject",
        "GetObjectAttributes",
        "GetObjectTagging",
        "HeadBucket",
        "HeadObject",
        "ListObjectVersions",
        "ListObjects",
        "ListObjectsV2",
    }
)


def seen_from(context: RequestContext, bucket: BucketRecord) -> RequestContext:
    """Return the context in which a bucket is read: for a public sample bucket, that of its owner."""
    is_sample = bucket.account == SAMPLES_ACCOUNT
    return replace(context, account=SAMPLES_ACCOUNT) if is_sample else context


def with_samples(operations: Mapping[str, Handler], buckets: Buckets) -> Mapping[str, Handler]:
    """Return S3's operations, which let all accounts read the public sample buckets."""
    return {name: _with_samples(name, handler, buckets) for name, handler in operations.items()}


def _with_samples(name: str, handler: Handler, buckets: Buckets) -> Handler:
    async def of_sample(context: RequestContext, request: Request) -> Response:
        bucket = buckets.bucket(request["Bucket"])
        if context.account == SAMPLES_ACCOUNT or (bucket is not None and bucket.account != SAMPLES_ACCOUNT):
            return await handler(context, request)
        if name == "CreateBucket":
            raise ServiceError(
                f"The requested bucket name is not available: {request['Bucket']} is one of AWS's public sample"
                f" buckets. {HOW_TO_FILL}",
                code="BucketAlreadyExists",
                status=409,
            )
        if bucket is not None and name not in _READING:
            raise AccessDeniedError("Access Denied", code="AccessDenied")
        try:
            return await handler(context if bucket is None else seen_from(context, bucket), request)
        except NotFoundError as error:
            raise NotFoundError(
                f"{error.message.rstrip('.')}. {HOW_TO_FILL}",
                code=error.code,
                status=error.status,
                members=error.members,
            ) from None

    # Plain, so that all other requests have no coroutine more.
    def choose(context: RequestContext, request: Request) -> Awaitable[Response]:
        sample = sample_region(request.get("Bucket", "")) is not None
        return of_sample(context, request) if sample else handler(context, request)

    return choose
