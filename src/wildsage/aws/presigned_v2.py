"""S3's presigned URLs of signature version 2: what boto3 makes unless it is told ``s3v4``."""

import hmac
import re
from collections.abc import Callable
from urllib.parse import quote, unquote_to_bytes

from wildsage.aws import refusals
from wildsage.aws.caller import Caller
from wildsage.aws.http import Headers, HttpRequest
from wildsage.aws.identify import host_of
from wildsage.aws.refusals import Dialect
from wildsage.core.clock import iso8601
from wildsage.core.credentials import AccessKey
from wildsage.core.errors import ServiceError
from wildsage.core.signing import Message, sign_v2

_PARAMETERS = frozenset({"AWSAccessKeyId", "Signature", "Expires"})


def is_presigned_v2(names: set[str]) -> bool:
    """Tell by the names of the query parameters."""
    return "AWSAccessKeyId" in names


def verify_presigned_v2(
    request: HttpRequest, find_key: Callable[[str], AccessKey | None], now: float
) -> Caller:
    """Verify the signature; what was signed as a header and came as a parameter becomes a header again.

    Raises
    ------
    ServiceError
        A refusal in S3's dialect.
    """
    query = request.query()
    parameters = dict(query)
    if any(sum(1 for name, _ in query if name == wanted) != 1 for wanted in _PARAMETERS):
        raise _denied(
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters, each once"
        )
    expires = parameters["Expires"]
    if not re.fullmatch(r"[0-9]{1,12}", expires):
        raise _denied(f"Invalid date (should be seconds since epoch): {expires[:40]!r}")
    key = find_key(parameters["AWSAccessKeyId"])
    if key is None:
        raise refusals.unknown_key(Dialect.S3, parameters["AWSAccessKeyId"])
    token = parameters.get("x-amz-security-token") or request.headers.get("x-amz-security-token")
    if not hmac.compare_digest(token.encode(), (key.session_token or "").encode()):
        raise refusals.invalid_token(Dialect.S3)
    path = _path_with_bucket(request)
    message = Message(request.method, path, request.query_string, request.headers.fields, (), "")
    expected = sign_v2(key.secret_access_key, message, expires)
    if not hmac.compare_digest(expected.encode(), parameters["Signature"].encode()):
        raise refusals.mismatch(Dialect.S3)
    if int(expires) < now:
        raise _denied(
            f"Request has expired: the URL held until {iso8601(int(expires))}, and it is {iso8601(now)}"
        )
    if key.expires_at is not None and key.expires_at <= now:
        raise refusals.expired_token(Dialect.S3)
    request.headers = _with_signed_parameters(request)
    return Caller(key.account, key.principal_arn, "s3", "")


def _path_with_bucket(request: HttpRequest) -> str:
    # Read as routing reads it: the signature does not cover the host, only the bucket it names.
    bucket = host_of(request).bucket
    return f"/{quote(bucket)}{request.path}" if bucket else request.path


def _with_signed_parameters(request: HttpRequest) -> Headers:
    fields = list(request.headers.fields)
    for part in request.query_string.split("&"):
        name, _, value = part.partition("=")
        name = name.lower()
        covered = name.startswith("x-amz-") or name in ("content-md5", "content-type")
        if covered and name not in request.headers:
            fields.append((name, unquote_to_bytes(value.replace("+", " ")).decode("latin-1")))
    return Headers(fields)


def _denied(message: str) -> ServiceError:
    return ServiceError(message, code="AccessDenied", status=403)
