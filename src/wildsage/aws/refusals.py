"""How AWS says no to a request that is not, or not rightly, signed: the same refusal in three dialects.

Every refusal is a 403 (decision 23). Codes and texts: "Error Responses" (Amazon S3 API Reference), "Common
Errors" (STS, IAM and SageMaker API References), and what the services answer.
"""

from enum import Enum

from wildsage.aws.http import HttpRequest
from wildsage.core.errors import ServiceError
from wildsage.core.signing import S3_SERVICES

QUERY_SERVICES = frozenset({"iam", "sts"})


class Dialect(Enum):
    """Which family of error codes a client expects."""

    S3 = "s3"
    QUERY = "query"
    JSON = "json"


def dialect_of(request: HttpRequest, service: str) -> Dialect:
    """Tell the dialect from the signed-for service, or, where nothing is signed, from the request's looks."""
    if service in S3_SERVICES:
        return Dialect.S3
    content_type = request.headers.get("content-type")
    if "x-amz-target" in request.headers or "smithy-protocol" in request.headers:
        return Dialect.JSON
    is_form = content_type.startswith("application/x-www-form-urlencoded")
    in_query = "Action=" in request.query_string and any(name == "Action" for name, _ in request.query())
    if service in QUERY_SERVICES or is_form or in_query:
        return Dialect.QUERY
    if service or "json" in content_type or request.path.startswith("/endpoints/"):
        return Dialect.JSON
    return Dialect.S3


def _refusal(dialect: Dialect, codes: tuple[str, str, str], message: str) -> ServiceError:
    s3, query, json = codes
    code = {Dialect.S3: s3, Dialect.QUERY: query}.get(dialect, json)
    return ServiceError(message, code=code, status=403)


def missing(dialect: Dialect) -> ServiceError:
    """Return the refusal of a request without any signature."""
    message = (
        "Access Denied: the request is not signed"
        if dialect is Dialect.S3
        else "Request is missing Authentication Token"
    )
    codes = ("AccessDenied", "MissingAuthenticationToken", "MissingAuthenticationTokenException")
    return _refusal(dialect, codes, message)


def incomplete(dialect: Dialect, message: str, *, presigned: bool = False) -> ServiceError:
    """Return the refusal of a signature that cannot be read."""
    s3 = "AuthorizationQueryParametersError" if presigned else "AuthorizationHeaderMalformed"
    return _refusal(dialect, (s3, "IncompleteSignature", "IncompleteSignatureException"), message)


def unknown_key(dialect: Dialect, access_key_id: str) -> ServiceError:
    """Return the refusal of an access key that is not known here."""
    if dialect is Dialect.S3:
        message = f"The AWS Access Key Id you provided does not exist in our records: {access_key_id[:128]!r}"
    else:
        message = "The security token included in the request is invalid."
    codes = ("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException")
    return _refusal(dialect, codes, message)


def invalid_token(dialect: Dialect) -> ServiceError:
    """Return the refusal of a session token that does not belong to the access key, or is absent."""
    if dialect is Dialect.S3:
        message = "The provided token is malformed or otherwise invalid."
    else:
        message = "The security token included in the request is invalid."
    return _refusal(dialect, ("InvalidToken", "InvalidClientTokenId", "UnrecognizedClientException"), message)


def expired_token(dialect: Dialect) -> ServiceError:
    """Return the refusal of temporary credentials past their end."""
    if dialect is Dialect.S3:
        message = "The provided token has expired."
    else:
        message = "The security token included in the request is expired"
    return _refusal(dialect, ("ExpiredToken", "ExpiredToken", "ExpiredTokenException"), message)


def mismatch(dialect: Dialect) -> ServiceError:
    """Return the refusal of a signature that is not the one the request should have."""
    message = (
        "The request signature we calculated does not match the signature you provided."
        " Check your AWS Secret Access Key and signing method."
    )
    return _refusal(
        dialect, ("SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException"), message
    )


def wrong_time(dialect: Dialect, message: str) -> ServiceError:
    """Return the refusal of a request whose time is too far from the server's."""
    return _refusal(
        dialect, ("RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException"), message
    )


def expired_url(dialect: Dialect, message: str) -> ServiceError:
    """Return the refusal of a presigned URL outside its time."""
    return _refusal(dialect, ("AccessDenied", "SignatureDoesNotMatch", "InvalidSignatureException"), message)


def unsigned_headers(dialect: Dialect, names: list[str]) -> ServiceError:
    """Return the refusal of a request that carries header fields which must be signed and are not."""
    message = f"There were headers present in the request which were not signed: {', '.join(names)}"
    return _refusal(dialect, ("AccessDenied", "SignatureDoesNotMatch", "InvalidSignatureException"), message)


def absent_headers(dialect: Dialect, names: list[str]) -> ServiceError:
    """Return the refusal of a signature over header fields that did not come."""
    message = f"The request signature covers headers that the request has not: {', '.join(names)[:200]}"
    return _refusal(
        dialect, ("SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException"), message
    )


def wrong_scope(dialect: Dialect, message: str) -> ServiceError:
    """Return the refusal of a credential scope that disagrees with the request."""
    codes = ("AuthorizationHeaderMalformed", "SignatureDoesNotMatch", "InvalidSignatureException")
    return _refusal(dialect, codes, message)
