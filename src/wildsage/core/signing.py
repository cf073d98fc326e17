"""Signatures of requests: AWS Signature Version 4, its chunk and trailer signatures, and Version 2 for S3.

Pure functions of what is on the wire; only the standard library, because the process that carries a job
signs with them too. Header fields are (lower-case name, value) pairs, values decoded as latin-1, so that
encoding them again gives the bytes that were sent.

Source: "AWS Signature Version 4 for API requests" (IAM User Guide) and "Authenticating Requests" (Amazon
S3 API Reference).
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes, urlsplit

from wildsage.core.credentials import AccessKey

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_HASH = hashlib.sha256(b"").hexdigest()

S3_SERVICES = frozenset({"s3", "s3express", "s3-outposts", "s3-object-lambda"})
"""They sign the path as it is sent; every other service normalises and encodes it once more."""

HeaderFields = Sequence[tuple[str, str]]

_UNRESERVED = "-_.~"
_SUBRESOURCES = frozenset({
    "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory",
    "lifecycle", "location", "logging", "metrics", "notification", "object-lock", "partNumber",
    "policy", "replication", "requestPayment", "response-cache-control",
    "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-content-type", "response-expires", "restore", "select", "select-type", "storageClass",
    "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
})  # fmt: skip
"""Query parameters that a version 2 signature covers."""


@dataclass(frozen=True, slots=True)
class Scope:
    """For what a signature holds: one day, one region, one service."""

    date: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class Message:
    """The parts of a request that a signature covers.

    Attributes
    ----------
    path, query_string
        As sent, percent-encoded.
    signed_headers
        Names of the covered header fields, lower case, sorted.
    payload_hash
        Hex SHA-256 of the body, or one of the words that stand for it.
    """

    method: str
    path: str
    query_string: str
    headers: HeaderFields
    signed_headers: tuple[str, ...]
    payload_hash: str


# Version 4


def canonical_forms(message: Message, service: str) -> list[str]:
    """Return the canonical requests that a signature may be made over, the likeliest first.

    AWS decodes path and query and encodes them anew. botocore signs the text of a URL as it finds it. Where
    a client sent anything in an unusual encoding, both name the same request and both are accepted.
    """
    query: list[tuple[str, str]] = []
    renewed: list[tuple[str, str]] = []
    if message.query_string:
        pairs = (part.partition("=")[::2] for part in message.query_string.split("&") if part)
        query = [(name, value) for name, value in pairs if name != "X-Amz-Signature"]
        renewed = sorted((_encode_anew(name), _encode_anew(value)) for name, value in query)
    path = _canonical_path(message.path, service)
    as_sent = message.path or "/" if service in S3_SERVICES else path
    likely, other = (path, renewed), (as_sent, sorted(query))
    headers = _canonical_headers(message)
    return [
        _canonical(message, *form, headers) for form in ((likely,) if other == likely else (likely, other))
    ]


def _canonical(message: Message, path: str, query: list[tuple[str, str]], headers: str) -> str:
    return "\n".join(
        (
            message.method.upper(),
            path,
            "&".join(f"{name}={value}" for name, value in query),
            headers,
            ";".join(message.signed_headers),
            message.payload_hash,
        )
    )


def _canonical_headers(message: Message) -> str:
    """Join the values of a repeated field; runs of white space count as one space."""
    values: dict[str, list[str]] = {name: [] for name in message.signed_headers}
    for name, value in message.headers:
        if name in values:
            values[name].append(" ".join(value.split()))
    return "".join(f"{name}:{','.join(values[name])}\n" for name in message.signed_headers)


class SignedText:
    """A canonical request with gaps where requests of one head differ.

    Parameters
    ----------
    message
        One of them.
    varying
        Names of header fields whose values differ, each of which a request has once.
    """

    def __init__(self, message: Message, service: str, varying: Collection[str]) -> None:
        # No field can hold a NUL.
        headers = [(name, f"\0{name}\0" if name in varying else value) for name, value in message.headers]
        likely = replace(message, headers=headers, payload_hash="\0\0")
        self._parts = canonical_forms(likely, service)[0].split("\0")
        self._gaps = [(index, name) for index, name in enumerate(self._parts) if index % 2]

    def filled(self, values: Mapping[str, str], payload_hash: str) -> str:
        """Return the canonical request, the likeliest form of it, of a request with these header fields."""
        parts = self._parts.copy()
        for index, name in self._gaps:
            parts[index] = " ".join(values[name].split()) if name else payload_hash
        return "".join(parts)


@lru_cache(maxsize=256)
def _canonical_path(path: str, service: str) -> str:
    if service in S3_SERVICES:
        return quote(unquote_to_bytes(path or "/"), safe="/" + _UNRESERVED)
    return quote(_normalise(path), safe="/" + _UNRESERVED)


def _normalise(path: str) -> str:
    """Resolve ``.`` and ``..`` and drop empty segments; keep the slash at the end."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    end = "/" if kept and path.endswith("/") else ""
    return "/" + "/".join(kept) + end


def _encode_anew(text: str) -> str:
    return quote(unquote_to_bytes(text.replace("+", " ")), safe=_UNRESERVED)


@lru_cache(maxsize=256)
def signing_key(secret: str, scope: Scope) -> bytes:
    """Derive the key that signs within `scope`."""
    key = f"AWS4{secret}".encode()
    for part in (scope.date, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign(secret: str, scope: Scope, timestamp: str, canonical_request: str) -> str:
    """Return the hex signature of a canonical request.

    Parameters
    ----------
    timestamp
        ``YYYYMMDDTHHMMSSZ``, the value of ``X-Amz-Date``.
    """
    digest = hashlib.sha256(canonical_request.encode("latin-1", "backslashreplace")).hexdigest()
    return _hex_hmac(signing_key(secret, scope), "\n".join((ALGORITHM, timestamp, str(scope), digest)))


def _hex_hmac(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()


class ChunkSignatures:
    """The chain of signatures in an aws-chunked body: each covers its chunk and the signature before it.

    Parameters
    ----------
    seed
        The signature of the request itself.
    """

    def __init__(self, secret: str, scope: Scope, timestamp: str, seed: str) -> None:
        self._key = signing_key(secret, scope)
        self._context = f"{timestamp}\n{scope}"
        self._previous = seed

    def of_chunk(self, chunk_hash: str) -> str:
        """Return the signature of the next chunk, given the hex SHA-256 of its data."""
        return self._next(
            f"{ALGORITHM}-PAYLOAD\n{self._context}\n{self._previous}\n{EMPTY_HASH}\n{chunk_hash}"
        )

    def of_trailer(self, fields: HeaderFields) -> str:
        """Return the signature of the trailing fields."""
        text = "".join(f"{name}:{' '.join(value.split())}\n" for name, value in sorted(fields))
        digest = hashlib.sha256(text.encode("latin-1", "backslashreplace")).hexdigest()
        return self._next(f"{ALGORITHM}-TRAILER\n{self._context}\n{self._previous}\n{digest}")

    def _next(self, text: str) -> str:
        self._previous = _hex_hmac(self._key, text)
        return self._previous


def sign_request(
    key: AccessKey,
    method: str,
    url: str,
    *,
    region: str,
    at: float,
    service: str = "s3",
    headers: Mapping[str, str] | None = None,
    payload_hash: str = EMPTY_HASH,
) -> dict[str, str]:
    """Sign a request as a client does.

    Parameters
    ----------
    url
        Path and query percent-encoded, as they will be sent.
    at
        Epoch seconds.
    headers
        Fields that will be sent besides, and shall be signed.

    Returns
    -------
    dict
        All header fields to send, ``Host`` included.
    """
    parts = urlsplit(url)
    timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    fields = {name.lower(): value for name, value in (headers or {}).items()}
    fields |= {"host": parts.netloc, "x-amz-date": timestamp, "x-amz-content-sha256": payload_hash}
    if key.session_token is not None:
        fields["x-amz-security-token"] = key.session_token
    names = tuple(sorted(fields))
    scope = Scope(timestamp[:8], region, service)
    message = Message(method, parts.path, parts.query, list(fields.items()), names, payload_hash)
    signature = sign(key.secret_access_key, scope, timestamp, canonical_forms(message, service)[0])
    fields["authorization"] = (
        f"{ALGORITHM} Credential={key.access_key_id}/{scope}, SignedHeaders={';'.join(names)},"
        f" Signature={signature}"
    )
    return fields


# Version 2, of S3's presigned URLs


def sign_v2(secret: str, message: Message, expires: str) -> str:
    """Return the base64 signature of a presigned S3 URL of version 2.

    Fields that were signed as headers come back as query parameters, or as headers again: both count.

    Parameters
    ----------
    message
        Its path begins with the bucket, also where the bucket is part of the host name.
    expires
        The ``Expires`` parameter, epoch seconds.
    """
    parts = [part for part in message.query_string.split("&") if part]
    query = [part.partition("=")[::2] for part in parts]
    fields = list(message.headers)
    for name, value in query:
        if name.lower().startswith("x-amz-") or name.lower() in ("content-md5", "content-type"):
            field = (name.lower(), _decode(value.replace("+", " ")))
            if field not in fields:
                fields.append(field)
    custom = sorted({name for name, _ in fields if name.startswith("x-amz-")})
    # A parameter without a value stands without "=": "?uploads".
    covered = sorted(
        (name, _decode(part)) for part, (name, _) in zip(parts, query, strict=True) if name in _SUBRESOURCES
    )
    resource = message.path + ("?" + "&".join(part for _, part in covered) if covered else "")
    lines = [
        message.method.upper(),
        _first_value(fields, "content-md5"),
        _first_value(fields, "content-type"),
        expires,
        *(f"{name}:{','.join(v.strip() for field, v in fields if field == name)}" for name in custom),
        resource,
    ]
    text = "\n".join(lines).encode("latin-1", "backslashreplace")
    return base64.b64encode(hmac.digest(secret.encode(), text, "sha1")).decode()


# Policies of browsers' uploads


def sign_policy_v4(secret: str, scope: Scope, policy: str) -> str:
    """Return the hex signature of a POST policy, which is signed as the form has it: in base64."""
    return _hex_hmac(signing_key(secret, scope), policy)


def sign_policy_v2(secret: str, policy: str) -> str:
    """Return the base64 signature of a POST policy, of version 2."""
    return base64.b64encode(hmac.digest(secret.encode(), policy.encode(), "sha1")).decode()


def _decode(text: str) -> str:
    return unquote_to_bytes(text).decode("latin-1")


def _first_value(fields: HeaderFields, name: str) -> str:
    return next((value.strip() for field, value in fields if field == name), "")
