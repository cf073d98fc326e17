"""Uploads checked against what the client says of them: length, Content-MD5, checksums, trailing checksums."""

import base64
import binascii
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

from wildsage.core.errors import ServiceError, ValidationError
from wildsage.core.streams import ByteStream, TrailingByteStream
from wildsage.services.operation import Request
from wildsage.services.s3.common import invalid_request
from wildsage.store.checksums import ALGORITHMS, new_digest
from wildsage.store.content_files import Blob, Span
from wildsage.store.objects import Objects

LARGEST_UPLOAD = 5 * 1024**3
"""Bytes of one PutObject or UploadPart."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a request says of its body: checksums (base64, by algorithm), MD5 (hexadecimal), algorithms."""

    checksums: dict[str, str] = field(default_factory=dict)
    md5: str | None = None
    algorithm: str | None = None


def claims_of(request: Request) -> Claims:
    """Read the integrity members of a request.

    Raises
    ------
    ServiceError
        ``InvalidDigest``, ``InvalidRequest`` or ``NotImplemented``, naming the member.
    """
    checksums = {name: request[f"Checksum{name}"] for name in ALGORITHMS if f"Checksum{name}" in request}
    if len(checksums) > 1:
        raise invalid_request(
            f"Expecting a single x-amz-checksum- header. Multiple are given: {list(checksums)}"
        )
    for name, text in checksums.items():
        check_format(name, text)
    algorithm = next(iter(checksums), None) or request.get("ChecksumAlgorithm")
    if algorithm not in (None, *ALGORITHMS):
        raise invalid_request(
            f"Checksums of {algorithm} cannot be computed here: use one of {', '.join(ALGORITHMS)}"
        )
    return Claims(checksums, _md5(request.get("ContentMD5")), algorithm)


def check_format(algorithm: str, text: str) -> None:
    """Raise ``InvalidRequest`` unless the text can be a checksum of the algorithm."""
    try:
        fits = len(base64.b64decode(text, validate=True)) == len(new_digest(algorithm).digest())
    except binascii.Error:
        fits = False
    if not fits:
        raise invalid_request(f"Value for x-amz-checksum-{algorithm.lower()} header is invalid: {text!r}")


async def receive(objects: Objects, request: Request, wanted: str | None = None) -> Blob:
    """Store the body of an upload as a content file, which holds what the client says it does.

    Parameters
    ----------
    wanted
        The checksum algorithm to compute where the client names none.

    Raises
    ------
    ServiceError
        ``BadDigest``, ``IncompleteBody``, ``EntityTooLarge``, and what `claims_of` raises; nothing is stored.
    """
    claims = claims_of(request)
    body = _body(request.get("Body", b""))
    algorithm = claims.algorithm or wanted
    if body.length is not None and body.length > LARGEST_UPLOAD:
        raise _too_large(body.length)
    source = body if body.length is not None else ByteStream(_bounded(body))
    blob = await objects.put(source, [algorithm] if algorithm else [])
    try:
        return await _checked(objects, blob, body, claims)
    except ServiceError:
        await objects.remove([blob.id])
        raise


async def _checked(objects: Objects, blob: Blob, body: ByteStream, claims: Claims) -> Blob:
    if body.length is not None and blob.size != body.length:
        raise ValidationError(
            f"You did not provide the number of bytes specified by the Content-Length HTTP header:"
            f" {blob.size} came, {body.length} were promised",
            code="IncompleteBody",
        )
    if claims.md5 is not None and claims.md5 != blob.md5:
        raise ValidationError(
            "The Content-MD5 you specified did not match what we received.",
            code="BadDigest",
            members={"ExpectedDigest": claims.md5, "CalculatedDigest": blob.md5},
        )
    expected = claims.checksums | _trailing(body)
    missing = expected.keys() - blob.checksums.keys()
    if missing:
        # A trailer of an algorithm that no header announced: the content has to be read again.
        blob = replace(blob, checksums=await _checksums(objects, blob, missing))
    compare(expected, dict(blob.checksums))
    return blob


def compare(expected: dict[str, str], computed: dict[str, str]) -> None:
    """Raise ``BadDigest`` unless each expected checksum is the computed one."""
    for name, text in expected.items():
        if computed[name] != text:
            raise ValidationError(
                f"The {name} you specified did not match the calculated checksum:"
                f" {text} was given, the content has {computed[name]}.",
                code="BadDigest",
            )


def _trailing(body: ByteStream) -> dict[str, str]:
    if not isinstance(body, TrailingByteStream):
        return {}
    found = {}
    for header, text in body.trailers.items():
        algorithm = header.removeprefix("x-amz-checksum-").upper()
        if header.startswith("x-amz-checksum-"):
            if algorithm not in ALGORITHMS:
                raise invalid_request(
                    f"The trailer {header} is not supported: use one of {', '.join(ALGORITHMS)}"
                )
            check_format(algorithm, text)
            found[algorithm] = text
    return found


async def _checksums(objects: Objects, blob: Blob, algorithms: set[str]) -> dict[str, str]:
    digests = {name: new_digest(name) for name in algorithms}
    async for chunk in await objects.read([Span(blob.id, 0, blob.size)]):
        for digest in digests.values():
            digest.update(chunk)
    return {name: base64.b64encode(digest.digest()).decode() for name, digest in digests.items()}


def _md5(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        digest = base64.b64decode(text, validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != 16:
        raise ValidationError(f"The Content-MD5 you specified was invalid: {text!r}", code="InvalidDigest")
    return digest.hex()


def _body(value: Any) -> ByteStream:
    return value if isinstance(value, ByteStream) else ByteStream.of(value)


async def _bounded(body: ByteStream) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in body:
        size += len(chunk)
        if size > LARGEST_UPLOAD:
            raise _too_large(size)
        yield chunk


def _too_large(size: int) -> ValidationError:
    return ValidationError(
        f"Your proposed upload of {size} bytes exceeds the maximum allowed size: use a multipart upload",
        code="EntityTooLarge",
        members={"ProposedSize": size, "MaxSizeAllowed": LARGEST_UPLOAD},
    )
