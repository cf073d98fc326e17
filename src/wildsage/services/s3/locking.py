"""Object lock: a bucket's default retention, retention and legal holds of versions, and that they hold."""

from typing import Any

from wildsage.core.clock import iso8601
from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError, ServiceError, ValidationError
from wildsage.services.operation import Request, Response, operation
from wildsage.services.s3.common import find_content, invalid_argument, invalid_request, own_bucket
from wildsage.store.buckets import Buckets
from wildsage.store.object_index import BucketRecord, Json, ObjectRecord
from wildsage.store.versions import Guard, locked

LOCK_MEMBERS = ("ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus")
_MODES = ("GOVERNANCE", "COMPLIANCE")
_DAY = 86_400.0
_MOST_DAYS = 36_500


class Locks:
    """What keeps versions from being deleted."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    @operation("PutObjectLockConfiguration")
    async def put_configuration(self, context: RequestContext, request: Request) -> Response:
        """Set the default retention of new objects; locks for good a bucket that has versioning."""
        bucket = own_bucket(self._buckets, context, request)
        configuration = request.get("ObjectLockConfiguration", {})
        if configuration.get("ObjectLockEnabled") != "Enabled":
            raise _malformed("ObjectLockEnabled must be Enabled")
        if bucket.versioning != "Enabled":
            raise invalid_bucket_state(
                "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
            )
        if "Rule" in configuration:
            _check_default(configuration["Rule"].get("DefaultRetention", {}))
        await self._buckets.record(bucket.name, "object_lock", configuration)
        return {}

    @operation("GetObjectLockConfiguration")
    async def get_configuration(self, context: RequestContext, request: Request) -> Response:
        """Return the default retention."""
        bucket = own_bucket(self._buckets, context, request)
        if "object_lock" not in bucket.records:
            raise NotFoundError(
                "Object Lock configuration does not exist for this bucket",
                code="ObjectLockConfigurationNotFoundError",
                status=404,
                members={"BucketName": bucket.name},
            )
        return {"ObjectLockConfiguration": bucket.records["object_lock"]}

    @operation("PutObjectRetention")
    async def put_retention(self, context: RequestContext, request: Request) -> Response:
        """Keep a version until a date; what is kept already may only be kept longer."""
        retention = request.get("Retention", {})
        mode, until = retention.get("Mode"), retention.get("RetainUntilDate")
        if (mode is None) != (until is None):
            raise _malformed("Mode and RetainUntilDate go together")
        now = context.clock.now()
        _check_date(until, now)
        bypass = bool(request.get("BypassGovernanceRetention"))

        def may_change(record: ObjectRecord) -> None:
            before_mode, before = _retention(record, now)
            if before_mode is None or (before_mode == mode and until is not None and until >= before):
                return
            if before_mode == "COMPLIANCE" or not bypass:
                raise locked(f"{before_mode} until {iso8601(before)}")

        changes = {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": until}
        return await self._change(context, request, changes, may_change)

    @operation("GetObjectRetention")
    async def get_retention(self, context: RequestContext, request: Request) -> Response:
        """Return until when a version is kept."""
        attributes = self._locked(context, request).attributes
        if "ObjectLockMode" not in attributes:
            raise _no_lock(request["Key"])
        return {
            "Retention": {
                "Mode": attributes["ObjectLockMode"],
                "RetainUntilDate": attributes["ObjectLockRetainUntilDate"],
            }
        }

    @operation("PutObjectLegalHold")
    async def put_legal_hold(self, context: RequestContext, request: Request) -> Response:
        """Keep a version for as long as the hold is on."""
        status = request.get("LegalHold", {}).get("Status")
        if status is None:
            raise _malformed("LegalHold needs a Status")
        return await self._change(context, request, {"ObjectLockLegalHoldStatus": status}, None)

    @operation("GetObjectLegalHold")
    async def get_legal_hold(self, context: RequestContext, request: Request) -> Response:
        """Return whether a version is held."""
        status = self._locked(context, request).attributes.get("ObjectLockLegalHoldStatus")
        if status is None:
            raise _no_lock(request["Key"])
        return {"LegalHold": {"Status": status}}

    def _locked(self, context: RequestContext, request: Request) -> ObjectRecord:
        bucket = own_bucket(self._buckets, context, request)
        _require_lock(bucket)
        return find_content(self._buckets, bucket, request["Key"], request.get("VersionId"))[0]

    async def _change(
        self, context: RequestContext, request: Request, changes: Json, may_change: Guard | None
    ) -> Response:
        record = self._locked(context, request)
        await self._buckets.set_attributes(record.bucket, record.key, changes, record.version_id, may_change)
        return {}


def lock_of(context: RequestContext, bucket: BucketRecord, request: Request) -> Json:
    """Return the lock that an upload asks for, else the bucket's default.

    Raises
    ------
    ServiceError
        ``InvalidRequest`` where the bucket has no object lock, ``InvalidArgument`` for a bad mode or date.
    """
    asked = {name: request[name] for name in LOCK_MEMBERS if request.get(name) is not None}
    if asked:
        _require_lock(bucket)
    if ("ObjectLockMode" in asked) != ("ObjectLockRetainUntilDate" in asked):
        raise invalid_argument(
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
        )
    if asked.get("ObjectLockMode", _MODES[0]) not in _MODES:
        raise invalid_argument(f"Unknown wormMode directive: {asked['ObjectLockMode']!r}")
    if asked.get("ObjectLockLegalHoldStatus", "ON") not in ("ON", "OFF"):
        raise invalid_argument(
            f"Legal Hold must be either of 'ON' or 'OFF': {asked['ObjectLockLegalHoldStatus']!r}"
        )
    _check_date(asked.get("ObjectLockRetainUntilDate"), context.clock.now())
    return asked if "ObjectLockMode" in asked else {**_default(bucket, context.clock.now()), **asked}


def lock_guard(now: float, *, bypass: bool) -> Guard:
    """Return what refuses to end a version that is held or kept."""

    def check(record: ObjectRecord) -> None:
        if record.attributes.get("ObjectLockLegalHoldStatus") == "ON":
            raise locked("it is under a legal hold")
        mode, until = _retention(record, now)
        if mode == "COMPLIANCE" or (mode == "GOVERNANCE" and not bypass):
            raise locked(f"{mode} until {iso8601(until)}")

    return check


def invalid_bucket_state(message: str) -> ServiceError:
    """Return the error of a request that does not go with the state of a bucket."""
    return ServiceError(message, code="InvalidBucketState", status=409)


def _retention(record: ObjectRecord, now: float) -> tuple[str | None, float]:
    """Return mode and date of a retention that has not ended."""
    until = record.attributes.get("ObjectLockRetainUntilDate", 0.0)
    return (record.attributes.get("ObjectLockMode"), until) if until > now else (None, 0.0)


def _default(bucket: BucketRecord, now: float) -> Json:
    retention = bucket.records.get("object_lock", {}).get("Rule", {}).get("DefaultRetention")
    if retention is None:
        return {}
    days = retention["Days"] if "Days" in retention else 365 * retention["Years"]
    return {"ObjectLockMode": retention["Mode"], "ObjectLockRetainUntilDate": now + days * _DAY}


def _check_default(retention: dict[str, Any]) -> None:
    if "Mode" not in retention or ("Days" in retention) == ("Years" in retention):
        raise _malformed("DefaultRetention needs Mode, and either Days or Years")
    period = retention["Days"] if "Days" in retention else 365 * retention["Years"]
    if not 0 < period <= _MOST_DAYS:
        raise ValidationError(
            f"Default retention period must be a positive integer value, of at most {_MOST_DAYS} days",
            code="InvalidRetentionPeriod" if period <= 0 else "InvalidArgument",
        )


def _check_date(until: float | None, now: float) -> None:
    if until is not None and until <= now:
        raise invalid_argument(f"The retain until date must be in the future!: {iso8601(until)}")


def _require_lock(bucket: BucketRecord) -> None:
    if "object_lock" not in bucket.records:
        raise invalid_request("Bucket is missing Object Lock Configuration")


def _no_lock(key: str) -> NotFoundError:
    return NotFoundError(
        "The specified object does not have a ObjectLock configuration",
        code="NoSuchObjectLockConfiguration",
        status=404,
        members={"Key": key},
    )


def _malformed(reason: str) -> ValidationError:
    return ValidationError(
        f"The XML you provided was not well-formed or did not validate against our published schema: {reason}",
        code="MalformedXML",
    )
