"""The images of the platform as a registry lists them: repositories, tags, digests.

An image here is an entry of a table and no file of layers, so its digest is made of what the table says: it
is the same on every machine and after every restart, and tags of one entry share it.
"""

import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wildsage.images.frameworks import example_tag, framework_repositories, framework_tag, tag_patterns
from wildsage.images.uri import ImageUri

ALGORITHM_TAGS = frozenset({"1", "latest"})
"""Of a built-in algorithm whose repository is not in the table of frameworks."""

_TOKEN = re.compile(
    r"\\(?P<escaped>\W)|\[(?P<one_of>\w+)\]|\((?P<group>[^()\\]*)\)(?P<optional>\??)|(?P<plain>[\w-])"
)


@dataclass(frozen=True, slots=True)
class ListedImage:
    """An image under its digest."""

    repository: str
    digest: str
    tags: tuple[str, ...]


class PlatformImages:
    """The images that Wildsage brings: built-in algorithms and framework images.

    Parameters
    ----------
    builtin
        Module of the algorithm by repository.
    """

    def __init__(self, builtin: Mapping[str, str]) -> None:
        self._builtin = builtin

    def repositories(self) -> Sequence[str]:
        """Return the names of all repositories, in their order."""
        return sorted({*self._builtin, *framework_repositories()})

    def images(self, repository: str) -> Sequence[ListedImage]:
        """Return the images whose tags can be listed; of a pattern such as ``2.x`` there is no end."""
        tags_by_digest: dict[str, list[str]] = {}
        for tag in self._tags(repository):
            digest = self.digest(repository, tag)
            if digest:
                tags_by_digest.setdefault(digest, []).append(tag)
        return [ListedImage(repository, digest, tuple(tags)) for digest, tags in tags_by_digest.items()]

    def digest(self, repository: str, tag: str) -> str:
        """Return the digest of an image, of one that is not listed too; empty where there is none."""
        found = framework_tag(ImageUri("", "", "", repository, tag, ""))
        if found is not None:
            identity = [repository, found.promised, found.promised_python, found.environment]
        elif repository in framework_repositories() or tag not in ALGORITHM_TAGS:
            return ""
        elif repository in self._builtin:
            identity = [repository, self._builtin[repository]]
        else:
            return ""
        return "sha256:" + hashlib.sha256("\0".join(identity).encode()).hexdigest()

    def tag_of(self, repository: str, digest: str) -> str:
        """Return a tag of the listed image with this digest; empty where there is none."""
        found = (image.tags[0] for image in self.images(repository) if image.digest == digest)
        return next(found, "")

    def _tags(self, repository: str) -> list[str]:
        patterns = tag_patterns(repository)
        if not patterns and repository in self._builtin:
            return sorted(ALGORITHM_TAGS)
        return [tag for pattern in patterns for tag in matching_tags(pattern)]


def listed_tags(repository: str) -> Mapping[str, Sequence[str]]:
    """Return, for each pattern of a framework image, its tags; where there is no end of them one example."""
    return {
        pattern: matching_tags(pattern) or [example_tag(repository, pattern)]
        for pattern in tag_patterns(repository)
    }


def nearest_tags(repository: str, tag: str, count: int = 2) -> Sequence[str]:
    """Return the tags of a framework image next to a version: up to `count` below it, and as many above."""
    tags = sorted((tags[0] for tags in listed_tags(repository).values()), key=_version)
    below = [known for known in tags if _version(known) <= _version(tag)]
    return [*below[-count:], *tags[len(below) :][:count]]


def _version(tag: str) -> tuple[int, int]:
    """Return the first two numbers of a tag's version; of a tag of transformers theirs."""
    major, minor = [*re.findall(r"\d+", tag.partition("transformers")[2] or tag), "0", "0"][:2]
    return int(major), int(minor)


def matching_tags(pattern: str) -> list[str]:
    """Return every tag that a pattern of the table matches; none where there is no end of them."""
    if "|" in pattern and "(" not in pattern:
        return [tag for part in pattern.split("|") for tag in matching_tags(part)]
    choices: list[list[str]] = []
    position = 0
    while position < len(pattern):
        token = _TOKEN.match(pattern, position)
        if token is None:
            return []
        if token["group"] is not None:
            choices.append([*([""] if token["optional"] else []), *token["group"].split("|")])
        else:
            choices.append(list(token["one_of"] or token["escaped"] or token["plain"]))
        position = token.end()
    return ["".join(choice) for choice in itertools.product(*choices)]
