"""DeleteObject and DeleteObjects: objects, versions and delete markers."""

from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ServiceError, ValidationError
from wildsage.services.operation import Request, Response, operation
from wildsage.services.s3.common import own_bucket, row_version
from wildsage.services.s3.conditions import write_condition
from wildsage.services.s3.locking import lock_guard
from wildsage.store.buckets import Buckets
from wildsage.store.versions import Deletion, Outcome

MOST_DELETIONS = 1000


class Deletions:
    """Removes objects. In a bucket with versions that is a delete marker, unless a version is named."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    @operation("DeleteObject")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove an object or a version; an absent one is no error."""
        bucket = own_bucket(self._buckets, context, request)
        entry = {"Key": request["Key"], "ETag": request.get("IfMatch"), "VersionId": request.get("VersionId")}
        [outcome] = await self._buckets.delete_objects(bucket.name, [_deletion(context, request, entry)])
        if isinstance(outcome, ServiceError):
            raise outcome
        answer = {"VersionId": request["VersionId"]} if "VersionId" in request else {}
        if outcome.marker is not None:
            answer = {"DeleteMarker": True, "VersionId": outcome.marker.public_version}
        return answer

    @operation("DeleteObjects")
    async def delete_many(self, context: RequestContext, request: Request) -> Response:
        """Remove up to 1,000 objects or versions in one commit; tells for each how it went."""
        bucket = own_bucket(self._buckets, context, request)
        entries: list[dict[str, Any]] = request["Delete"].get("Objects", [])
        if not 0 < len(entries) <= MOST_DELETIONS:
            raise ValidationError(
                "The XML you provided was not well-formed or did not validate against our published schema:"
                f" it names {len(entries)} objects; 1 to {MOST_DELETIONS} can be deleted at once",
                code="MalformedXML",
            )
        errors: list[dict[str, Any]] = []
        deletions: list[tuple[dict[str, Any], Deletion]] = []
        for entry in entries:
            try:
                deletions.append((entry, _deletion(context, request, entry)))
            except ServiceError as error:
                errors.append(_failed(entry, error))
        outcomes = await self._buckets.delete_objects(bucket.name, [one for _, one in deletions])
        deleted: list[dict[str, Any]] = []
        for (entry, _), outcome in zip(deletions, outcomes, strict=True):
            if isinstance(outcome, ServiceError):
                errors.append(_failed(entry, outcome))
            else:
                deleted.append(_deleted(entry, outcome))
        return {"Deleted": None if request["Delete"].get("Quiet") else deleted, "Errors": errors}


def _deletion(context: RequestContext, request: Request, entry: dict[str, Any]) -> Deletion:
    return Deletion(
        entry["Key"],
        row_version(entry.get("VersionId")),
        write_condition({"IfMatch": entry.get("ETag")}),
        lock_guard(context.clock.now(), bypass=bool(request.get("BypassGovernanceRetention"))),
    )


def _deleted(entry: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    said = _named(entry)
    if outcome.marker is not None:
        said |= {"DeleteMarker": True, "DeleteMarkerVersionId": outcome.marker.public_version}
    return said


def _failed(entry: dict[str, Any], error: ServiceError) -> dict[str, Any]:
    return {**_named(entry), "Code": error.code, "Message": error.message}


def _named(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in ("Key", "VersionId") if name in entry}
