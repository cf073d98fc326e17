"""What a request claims of its signature, read from its ``Authorization`` header or its query."""

import re
from calendar import timegm
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from time import strptime

from wildsage.aws.http import HttpRequest
from wildsage.aws.refusals import Dialect, dialect_of, incomplete
from wildsage.core.errors import ServiceError
from wildsage.core.signing import ALGORITHM, S3_SERVICES, Scope

LONGEST_EXPIRY = 7 * 24 * 3600

_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_USUAL = re.compile(re.escape(ALGORITHM) + r" +Credential=([^,= ]+), *SignedHeaders=([^,= ]+), *")
_DATE = re.compile(r"[0-9]{8}")
_HEADER_PARAMETERS = ("Credential", "SignedHeaders", "Signature")
_QUERY_PARAMETERS = (
    "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Claim:
    """A version 4 signature as the request states it. Nothing of it is verified yet.

    Attributes
    ----------
    timestamp, at
        ``X-Amz-Date`` (or ``Date``) as it is signed, and in epoch seconds.
    expires
        Seconds for which a presigned URL holds; None for a signature in the header.
    """

    access_key_id: str
    scope: Scope
    timestamp: str
    at: float
    signed_headers: tuple[str, ...]
    signature: str
    session_token: str | None
    expires: int | None
    dialect: Dialect


def read_header(request: HttpRequest, authorization: str) -> Claim:
    """Read an ``Authorization`` header of version 4.

    Raises
    ------
    ServiceError
        Naming what is absent or malformed.
    """
    common, _, signature = authorization.rpartition("Signature=")
    signer = _read_signer(common)
    if signer is None or not signature or "," in signature:
        return _read_unusual_header(request, authorization)
    dialect = dialect_of(request, signer.scope.service)
    timestamp, at = _read_time(request, dialect)
    return Claim(
        access_key_id=signer.access_key_id,
        scope=signer.scope,
        timestamp=timestamp,
        at=at,
        signed_headers=signer.signed_headers,
        signature=signature.strip(),
        session_token=request.headers.get("x-amz-security-token") or None,
        expires=None,
        dialect=dialect,
    )


def read_again(request: HttpRequest, before: Claim) -> Claim:
    """Read what a request claims whose head came before, with a signature that held.

    Raises
    ------
    ServiceError
        As `read_header` does.
    """
    authorization, timestamp = request.headers.get("authorization"), request.headers.get("x-amz-date")
    try:
        at = _epoch(timestamp)
    except ValueError:
        return read_header(request, authorization)
    return Claim(
        before.access_key_id,
        before.scope,
        timestamp,
        at,
        before.signed_headers,
        authorization.rpartition("Signature=")[2],
        before.session_token,
        None,
        before.dialect,
    )


@dataclass(frozen=True, slots=True)
class _Signer:
    """What the headers of one client have in common: all but the signature, as long as it signs the same fields."""

    access_key_id: str
    scope: Scope
    signed_headers: tuple[str, ...]


@lru_cache(maxsize=256)
def _read_signer(text: str) -> _Signer | None:
    """Read all that clients write before the signature; None where it is anything else than they write."""
    found = _USUAL.fullmatch(text)
    if found is None or not _is_whole(found[1]) or not _DATE.fullmatch(_read_credential(found[1])[1].date):
        return None
    access_key_id, scope = _read_credential(found[1])
    return _Signer(access_key_id, scope, tuple(found[2].split(";")))


def _read_unusual_header(request: HttpRequest, authorization: str) -> Claim:
    """Read parameters in any order, and say what is wrong with them."""
    text = authorization.removeprefix(ALGORITHM).strip()
    pairs = [part.strip().partition("=")[::2] for part in text.split(",")]
    parameters = dict(pairs)
    access_key_id, scope = _read_credential(parameters.get("Credential", ""))
    dialect = dialect_of(request, scope.service)
    for name in _HEADER_PARAMETERS:
        if not parameters.get(name):
            raise incomplete(dialect, f"Authorization header requires '{name}' parameter.")
    if len(pairs) != len(_HEADER_PARAMETERS):
        names = ", ".join(name[:40] for name, _ in pairs)
        raise incomplete(dialect, f"Authorization header requires each of its parameters once, got {names}")
    _check_scope(dialect, parameters["Credential"], scope, presigned=False)
    timestamp, at = _read_time(request, dialect)
    return Claim(
        access_key_id=access_key_id,
        scope=scope,
        timestamp=timestamp,
        at=at,
        signed_headers=tuple(parameters["SignedHeaders"].split(";")),
        signature=parameters["Signature"],
        session_token=request.headers.get("x-amz-security-token") or None,
        expires=None,
        dialect=dialect,
    )


def read_query(request: HttpRequest) -> Claim:
    """Read the parameters of a presigned URL of version 4.

    Raises
    ------
    ServiceError
        Naming what is absent, repeated or malformed.
    """
    query = request.query()
    parameters = dict(query)
    access_key_id, scope = _read_credential(parameters.get("X-Amz-Credential", ""))
    dialect = dialect_of(request, scope.service)
    for name in _QUERY_PARAMETERS:
        count = sum(1 for found, _ in query if found == name)
        # Elsewhere than in S3 a URL without X-Amz-Expires holds as long as a signed header would.
        optional = name == "X-Amz-Expires" and scope.service not in S3_SERVICES
        if count > 1 or (not parameters.get(name) and not optional):
            seen = "it is repeated" if count > 1 else "it is absent"
            raise incomplete(
                dialect, f"Query-string authentication version 4 requires one {name}: {seen}", presigned=True
            )
    _check_scope(dialect, parameters["X-Amz-Credential"], scope, presigned=True)
    if parameters["X-Amz-Algorithm"] != ALGORITHM:
        raise incomplete(dialect, f"X-Amz-Algorithm only supports {ALGORITHM!r}", presigned=True)
    timestamp = parameters["X-Amz-Date"]
    return Claim(
        access_key_id=access_key_id,
        scope=scope,
        timestamp=timestamp,
        at=_parse_timestamp(timestamp, dialect, presigned=True),
        signed_headers=tuple(parameters["X-Amz-SignedHeaders"].split(";")),
        signature=parameters["X-Amz-Signature"],
        session_token=parameters.get("X-Amz-Security-Token")
        or request.headers.get("x-amz-security-token")
        or None,
        expires=_read_expires(parameters.get("X-Amz-Expires"), dialect),
        dialect=dialect,
    )


@lru_cache(maxsize=256)
def _read_credential(text: str) -> tuple[str, Scope]:
    """Split ``KEY/DATE/REGION/SERVICE/aws4_request``; what is absent becomes empty."""
    key, date, region, service, *_ = [*text.split("/"), "", "", "", ""]
    return key, Scope(date, region, service)


@lru_cache(maxsize=256)
def _is_whole(credential: str) -> bool:
    """Tell whether a credential has its five parts."""
    parts = credential.split("/")
    return len(parts) == 5 and "" not in parts and parts[4] == "aws4_request"


def _check_scope(dialect: Dialect, credential: str, scope: Scope, *, presigned: bool) -> None:
    if not _is_whole(credential):
        raise incomplete(
            dialect,
            f"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/aws4_request,"
            f" got {credential[:200]!r}",
            presigned=presigned,
        )
    if not _DATE.fullmatch(scope.date):
        raise incomplete(
            dialect, f"The date of the credential scope is YYYYMMDD, got {scope.date!r}", presigned=presigned
        )


def _read_time(request: HttpRequest, dialect: Dialect) -> tuple[str, float]:
    dates = request.headers.get_all("x-amz-date") or request.headers.get_all("date")
    if len(dates) != 1:
        raise incomplete(
            dialect,
            f"Authorization header requires existence of either one 'X-Amz-Date' or one 'Date' header, got {dates}",
        )
    text = dates[0].strip()
    if "," not in text:
        return text, _parse_timestamp(text, dialect, presigned=False)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        raise incomplete(
            dialect, f"Date must be an RFC 9110 or ISO 8601 basic date, got {text[:80]!r}"
        ) from None
    return _basic(moment), moment.timestamp()


def _basic(moment: datetime) -> str:
    return moment.strftime(_TIMESTAMP)


def _parse_timestamp(text: str, dialect: Dialect, *, presigned: bool) -> float:
    try:
        return _epoch(text)
    except ValueError:
        raise incomplete(
            dialect,
            f"X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\", got {text[:80]!r}",
            presigned=presigned,
        ) from None


@lru_cache(maxsize=64)
def _epoch(text: str) -> float:
    # All requests of one second carry one text.
    if not re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", text):  # strptime takes fewer digits than it says
        raise ValueError(text)
    return float(timegm(strptime(text, _TIMESTAMP)))


def _read_expires(text: str | None, dialect: Dialect) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= LONGEST_EXPIRY:
        raise incomplete(
            dialect, f"X-Amz-Expires must be a number of seconds from 1 to {LONGEST_EXPIRY} (a week), got {text[:40]!r}",
            presigned=True,
        )  # fmt: skip
    return int(text)


def unsupported(request: HttpRequest, message: str) -> ServiceError:
    """Return the refusal of a way of signing that is not spoken here."""
    return incomplete(dialect_of(request, ""), message)
