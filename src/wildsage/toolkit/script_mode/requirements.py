"""Which requirements files say all that pip needs to know, so that what they install can be kept.

Such a file names packages of the index that is configured here, and nothing else. Everything that refers to
something outside of it (another file, an index, an address, a variable) or asks for a check at each install
(hashes) is left to pip inside the job.
"""

import re

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_EXTRAS = rf"(?:\s*\[\s*(?:{_NAME}\s*(?:,\s*{_NAME}\s*)*)?\])?"
_VERSION = r"(?:===|==|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9.*+!_-]+"
_VERSIONS = rf"(?:{_VERSION}\s*(?:,\s*{_VERSION}\s*)*,?)"
_REQUIREMENT = re.compile(
    rf"{_NAME}{_EXTRAS}\s*(?:{_VERSIONS}|\(\s*{_VERSIONS}\s*\))?\s*(?:;\s*[\w\s.'\"<>=!~(),-]+)?"
)
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz")
"""Endings of what pip takes for a file, if there is one of that name."""

_COMMENT = re.compile(r"(^|\s+)#.*$")
_CONTINUED = re.compile(r"\\\r?\n")


class NotPlainError(Exception):
    """A requirements file depends on more than its own text. The message names the line."""


def plain_requirements(text: str) -> tuple[str, ...]:
    """Return the requirements of a file, one a line, without comments; none where it has none.

    Raises
    ------
    NotPlainError
        At the first line that is more than a name, extras, versions and a marker.
    """
    lines = (_COMMENT.sub("", line).strip() for line in _CONTINUED.sub("", text).splitlines())
    found = tuple(" ".join(line.split()) for line in lines if line)
    for line in found:
        if line.lower().endswith(_ARCHIVES) or not _REQUIREMENT.fullmatch(line):
            raise NotPlainError(
                f"the line {line.split('://')[0][:80]!r} is more than a name and its versions"
            )
    return found
