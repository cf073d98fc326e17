"""Stored objects as a role may use them: what is done for a job is done as the job's role."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from wildsage.core.arns import partition_of
from wildsage.core.clock import Clock
from wildsage.core.context import RequestContext
from wildsage.core.errors import AccessDeniedError
from wildsage.core.permission import Authorize, Permission, bucket_permission, object_permission
from wildsage.core.sample_buckets import SAMPLES_ACCOUNT
from wildsage.store.buckets import Buckets
from wildsage.store.object_index import BucketRecord, ObjectRecord
from wildsage.store.run_tokens import RunRole


class ObjectAccess:
    """The object store in the hands of one role, in one region.

    Every method raises `wildsage.core.errors.AccessDeniedError` where the role may not do it, or the bucket
    is of another account.
    """

    def __init__(self, buckets: Buckets, authorize: Authorize, context: RequestContext) -> None:
        self._buckets = buckets
        self._authorize = authorize
        self._context = context

    def head(self, bucket: str, key: str) -> ObjectRecord | None:
        """Return an object that the role may read, or None."""
        self._require_object("s3:GetObject", bucket, key)
        return self._buckets.head(bucket, key)

    async def read_bytes(self, bucket: str, key: str, limit: int) -> bytes:
        """Return the content of a small object; raises as `Buckets.read_bytes` does."""
        self._require_object("s3:GetObject", bucket, key)
        return await self._buckets.read_bytes(bucket, key, limit)

    def list_objects(self, bucket: str, prefix: str = "") -> Iterator[ObjectRecord]:
        """Return the objects whose keys begin with `prefix`, ordered by key."""
        self._require_listing(bucket, prefix)
        return self._buckets.list_objects(bucket, prefix)

    def content_files(self, records: Sequence[ObjectRecord]) -> dict[str, tuple[Path, ...]]:
        """Return the content files of those objects that the role may read, as `Buckets.content_files` does."""
        return self._buckets.content_files([record for record in records if self._may_read(record)])

    def exists_under(self, bucket: str, prefix: str) -> bool:
        """Tell whether any object's key begins with `prefix`."""
        self._require_listing(bucket, prefix)
        return self._buckets.exists_under(bucket, prefix)

    def bucket(self, name: str) -> BucketRecord | None:
        """Return a bucket, or None."""
        record = self._buckets.bucket(name)
        if record is not None and record.account not in (self._context.account, SAMPLES_ACCOUNT):
            raise AccessDeniedError(f"the bucket {name} belongs to another account", code="AccessDenied")
        return record

    async def adopt_file(self, path: Path, bucket: str, key: str) -> ObjectRecord:
        """Move a file into the store; raises as `Buckets.adopt_file` does."""
        self._require_object("s3:PutObject", bucket, key)
        record = self._buckets.bucket(bucket)
        if record is not None and record.account != self._context.account:
            raise AccessDeniedError(
                f"the bucket {bucket} is public: nobody writes there", code="AccessDenied"
            )
        return await self._buckets.adopt_file(path, bucket, key)

    def _may_read(self, record: ObjectRecord) -> bool:
        permission = object_permission(self._context, "s3:GetObject", record.bucket, record.key)
        try:
            self._authorize(self._context, permission)
        except AccessDeniedError:
            return False
        return True

    def _require_object(self, action: str, bucket: str, key: str) -> None:
        self._require(object_permission(self._context, action, bucket, key), bucket)

    def _require_listing(self, bucket: str, prefix: str) -> None:
        values = {"s3:prefix": (prefix,)}
        self._require(bucket_permission(self._context, "s3:ListBucket", bucket, values), bucket)

    def _require(self, permission: Permission, bucket: str) -> None:
        self._authorize(self._context, permission)
        self.bucket(bucket)


class RoleObjects:
    """The object store, for each role as it may use it."""

    def __init__(self, buckets: Buckets, authorize: Authorize, clock: Clock) -> None:
        self._buckets = buckets
        self._authorize = authorize
        self._clock = clock

    def of(self, role: RunRole, region: str) -> ObjectAccess:
        """Return the store as a role sees it from a region."""
        context = RequestContext(
            account=role.account,
            region=region,
            partition=partition_of(region),
            principal_arn=role.session_arn,
            request_id="",
            clock=self._clock,
        )
        return ObjectAccess(self._buckets, self._authorize, context)

    def of_request(self, context: RequestContext, role_arn: str | None) -> ObjectAccess:
        """Return the store as the role that a request names sees it; where it names none, as the caller."""
        if role_arn is None:
            return ObjectAccess(self._buckets, self._authorize, context)
        return self.of(RunRole(context.account, role_arn), context.region)
