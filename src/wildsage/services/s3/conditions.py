"""Conditional requests (RFC 9110, section 13) and ranges (section 14), as S3 reads them."""

import re
from collections.abc import Mapping
from typing import Any

from wildsage.core.errors import ServiceError
from wildsage.store.object_index import Condition, ObjectRecord, precondition_failed

_RANGE = re.compile(r"bytes=([0-9]{0,40})-([0-9]{0,40})")


def check_read(record: ObjectRecord, request: Mapping[str, Any]) -> None:
    """Raise ``PreconditionFailed`` (412) or ``NotModified`` (304) unless a read may go on."""
    modified = int(record.modified_at)
    if "IfMatch" in request:
        if not _matches(record, request["IfMatch"]):
            raise precondition_failed("If-Match")
    elif "IfUnmodifiedSince" in request and modified > request["IfUnmodifiedSince"]:
        raise precondition_failed("If-Unmodified-Since")
    if "IfNoneMatch" in request:
        if _matches(record, request["IfNoneMatch"]):
            raise _not_modified(record)
    elif "IfModifiedSince" in request and modified <= request["IfModifiedSince"]:
        raise _not_modified(record)


def check_source(record: ObjectRecord, request: Mapping[str, Any]) -> None:
    """Raise ``PreconditionFailed`` unless a copy may read its source."""
    conditions = {
        name.removeprefix("CopySource"): value
        for name, value in request.items()
        if name.startswith("CopySourceIf")
    }
    try:
        check_read(record, conditions)
    except ServiceError as error:
        if error.status == 304:
            raise precondition_failed("x-amz-copy-source-If-None-Match") from None
        raise


def write_condition(request: Mapping[str, Any]) -> Condition:
    """Return the condition of a write."""
    return Condition(_etag(request.get("IfMatch")), _etag(request.get("IfNoneMatch")))


def parse_range(text: str | None, size: int) -> tuple[int, int] | None:
    """Return (start, length) of a Range header, or None for the whole object.

    Several ranges, other units and malformed headers give the whole object, as in S3.

    Raises
    ------
    ServiceError
        ``InvalidRange`` (416) if no byte of the object is in the range.
    """
    found = _RANGE.fullmatch(text.strip()) if text else None
    if text is None or found is None:
        return None
    first, last = found.groups()
    if first:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    elif last:
        start, end = max(0, size - int(last)), size
    else:
        return None
    if start >= end:
        raise ServiceError(
            f"The requested range is not satisfiable: {text!r} of {size} bytes",
            code="InvalidRange",
            status=416,
            members={"RangeRequested": text, "ActualObjectSize": size},
        )
    return start, end - start


def content_range(start: int, length: int, size: int) -> str:
    """Return the value of a Content-Range header."""
    return f"bytes {start}-{start + length - 1}/{size}"


def _matches(record: ObjectRecord, header: str) -> bool:
    return any(_etag(item) in ("*", record.etag) for item in header.split(","))


def _etag(text: str | None) -> str | None:
    return None if text is None else text.strip().removeprefix("W/").strip('"')


def _not_modified(record: ObjectRecord) -> ServiceError:
    return ServiceError(
        "Not Modified",
        code="NotModified",
        status=304,
        members={"ETag": f'"{record.etag}"', "LastModified": record.modified_at},
    )
