"""What identifies protobuf records besides their numbers: the texts ``uid`` and ``metadata``."""

from wildsage.formats import wire
from wildsage.formats.errors import FormatError
from wildsage.formats.protobuf import METADATA, UID
from wildsage.formats.record_layout import hold_tensors_only
from wildsage.formats.recordio import Window, read_record, read_windows
from wildsage.formats.recordio_frames import WHOLE

_FEW = 16
"""Records that are looked through one by one faster than in step."""


def read_identities(data: bytes | memoryview, source: str) -> list[bytes] | None:
    """Return the fields ``uid`` and ``metadata`` of each record, as they are encoded; None where no record has one.

    Raises
    ------
    FormatError
        With source and byte position, for frames or messages that are malformed.
    """
    found: list[bytes] = []
    for window in read_windows(data, source):
        bare = _is_bare(window)
        found += [b""] * len(window.frames.begins) if bare else _one_by_one(window, source)
    return found if any(found) else None


def _is_bare(window: Window) -> bool:
    """Tell of many whole records, quickly, that they hold features and labels only; else False."""
    flags, begins, ends = window.frames
    if len(begins) <= _FEW or (flags != WHOLE).any() or int(ends[-1] + 3) & ~3 != len(window.buffer):
        return False
    return hold_tensors_only(window.buffer, begins, ends)


def _one_by_one(window: Window, source: str) -> list[bytes]:
    found = []
    position = 0
    while position < len(window.buffer):
        payload, following = read_record(window.buffer, position, source, window.offset)
        try:
            found.append(_texts(memoryview(payload)))
        except wire.MalformedError as error:
            offset = window.offset + position
            raise FormatError(source, f"not a protobuf record: {error}", offset=offset) from error
        position = following
    return found


def _texts(record: memoryview) -> bytes:
    return b"".join(
        wire.encode_field(item.number, bytes(record[item.begin : item.end]))
        for item in wire.fields(record, 0, len(record))
        if item.number in {UID, METADATA} and item.kind == wire.LENGTH
    )
