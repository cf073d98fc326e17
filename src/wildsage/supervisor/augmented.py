"""The lines of an augmented manifest (JSON Lines), and what of each is streamed."""

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from wildsage.supervisor.contract import InputObject, Share
from wildsage.supervisor.dealing import deal
from wildsage.supervisor.download import InputError

REFERENCE = "-ref"
"""Ends the name of an attribute whose value is the location of an object: the object's content is streamed."""

LONGEST_LINE = 64 << 20
"""Bytes. A longer line is refused, so that memory stays bounded."""


@dataclass(frozen=True, slots=True)
class Value:
    """One attribute of a line: its text, which is a location where `is_reference`."""

    name: str
    text: str
    is_reference: bool


def lines_of(chunks: Iterable[bytes], manifest: InputObject) -> Iterator[tuple[int, bytes]]:
    """Cut a manifest into lines that are not blank, numbered from 1.

    Raises
    ------
    InputError
        If a line is longer than `LONGEST_LINE`.
    """
    number, rest = 0, b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LONGEST_LINE:
            raise _refusal(manifest, number + len(whole) + 1, f"is longer than {LONGEST_LINE} bytes")
        for line in whole:
            number += 1
            if line.strip():
                yield number, line
    if rest.strip():
        yield number + 1, rest


def dealt_lines(
    lines: Iterator[tuple[int, bytes]], share: Share, seed: int | None, epoch: int
) -> Iterator[tuple[int, bytes]]:
    """Yield what a host gets of them, in the order of an epoch.

    Without a seed they pass one by one. A shuffle holds the manifest in memory: a line may come first or last.
    """
    if seed is None:
        for place, numbered in enumerate(lines):
            if place % share.count == share.index:
                yield numbered
        return
    text, numbers, ends = bytearray(), array("Q"), array("Q", [0])
    for number, line in lines:
        text += line
        numbers.append(number)
        ends.append(len(text))
    for place in deal(range(len(numbers)), share, seed, epoch):
        yield numbers[place], bytes(text[ends[place] : ends[place + 1]])


def values_of(line: bytes, number: int, attributes: Sequence[str], manifest: InputObject) -> list[Value]:
    """Return the attributes of a line, in the order in which the job names them.

    A text is streamed as it is, any other value as JSON.

    Raises
    ------
    InputError
        With manifest and line: no JSON object, an attribute that is missing, a reference that is no text.
    """
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _refusal(manifest, number, f"is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise _refusal(manifest, number, f"is {_shown(content)}: each line must be a JSON object")
    values = []
    for name in attributes:
        if name not in content:
            has = ", ".join(map(repr, content)) or "none"
            raise _refusal(
                manifest, number, f"has no attribute {name!r} of AttributeNames; its attributes: {has}"
            )
        value, is_reference = content[name], name.endswith(REFERENCE)
        if is_reference and not isinstance(value, str):
            raise _refusal(
                manifest, number, f"has {_shown(value)} as {name!r}: it must be the location of an object"
            )
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        values.append(Value(name, text, is_reference))
    return values


def _refusal(manifest: InputObject, number: int, what: str) -> InputError:
    return InputError(
        f"ClientError: Unable to read the augmented manifest s3://{manifest.bucket}/{manifest.key}:"
        f" line {number} {what}"
    )


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}…"
