"""The parts of a container image URI."""

import re
from dataclasses import dataclass
from functools import lru_cache

_ECR_HOST = re.compile(r"(?P<account>\d{12})\.dkr[.-]ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:\d+)?")
_REPOSITORY = re.compile(r"[a-z0-9]+([._/-]+[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

DEFAULT_TAG = "latest"


@dataclass(frozen=True, slots=True)
class ImageUri:
    """``HOST/repository:tag`` or ``HOST/repository@digest``.

    Attributes
    ----------
    account, region
        Of an ECR registry; empty for every other one.
    host
        The registry; empty where the URI is a bare name.
    tag
        ``latest`` where the URI has neither tag nor digest; empty where it has a digest alone.
    digest
        ``sha256:…`` or empty.
    """

    account: str
    region: str
    host: str
    repository: str
    tag: str
    digest: str

    @property
    def name(self) -> str:
        """The repository with its tag or digest, without the registry."""
        return f"{self.repository}:{self.tag}" if self.tag else f"{self.repository}@{self.digest}"


@lru_cache(maxsize=256)
def parse_image_uri(uri: str) -> ImageUri:
    """Split an image URI.

    Raises
    ------
    ValueError
        If the text is no image URI.
    """
    rest, has_digest, digest = uri.partition("@")
    host, rest = _split_host(rest)
    repository, has_tag, tag = rest.partition(":")
    for part, present, pattern in (
        (host, bool(host), _HOST),
        (repository, True, _REPOSITORY),
        (tag, has_tag, _TAG),
        (digest, has_digest, _DIGEST),
    ):
        if present and not pattern.fullmatch(part):
            raise ValueError(
                f"{uri!r} is not an image URI ([REGISTRY/]REPOSITORY[:TAG][@sha256:DIGEST]): "
                f"{part!r} does not match {pattern.pattern}"
            )
    if not has_tag and not has_digest:
        tag = DEFAULT_TAG
    ecr = _ECR_HOST.fullmatch(host)
    account, region = (ecr["account"], ecr["region"]) if ecr else ("", "")
    return ImageUri(account, region, host, repository, tag, digest)


def _split_host(text: str) -> tuple[str, str]:
    """Take the registry off: as with docker, a first part with a dot or a port, or ``localhost``."""
    first, slash, rest = text.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    return "", text
