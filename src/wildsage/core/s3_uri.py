"""Where an object lies, as requests of SageMaker write it."""

import re

_HTTPS = re.compile(
    r"https://(?:(?P<bucket>[^/]+)\.)?s3(?:[.-][a-z0-9-]+){0,3}\.amazonaws\.com(?:\.cn)?/(?P<path>.*)",
    re.DOTALL,
)


class S3UriError(ValueError):
    """A text is no location in S3. The message is for the user."""


LONGEST_KEY = 1024
"""Bytes."""


def is_key(text: str) -> bool:
    """Tell whether an object can be called that: 1 to 1024 bytes of UTF-8, in which a lone surrogate has no place."""
    try:
        return 0 < len(text.encode()) <= LONGEST_KEY
    except UnicodeEncodeError:
        return False


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://BUCKET/KEY`` into bucket and key; also the https forms, with the bucket in host or path.

    Raises
    ------
    S3UriError
        If the URI is neither.
    """
    bucket, key = "", ""
    if uri.startswith("s3://"):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
    elif found := _HTTPS.fullmatch(uri):
        bucket, key = found["bucket"] or "", found["path"]
        if not bucket:
            bucket, _, key = key.partition("/")
    if not bucket:
        raise S3UriError(
            f"{uri!r} is no S3 location: write s3://BUCKET/KEY or https://BUCKET.s3.REGION.amazonaws.com/KEY"
        )
    return bucket, key
