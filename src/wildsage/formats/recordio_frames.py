"""Frames of RecordIO as `wildsage.formats.recordio` describes them: written one by one, without numpy."""

import struct

MAGIC = 0xCED7230A
MAGIC_BYTES = struct.pack("<I", MAGIC)
HEADER = struct.Struct("<II")
HEADER_SIZE = HEADER.size
LONGEST_PAYLOAD = (1 << 29) - 1
"""Bytes in one frame: what the length word can say."""

WHOLE, FIRST, MIDDLE, LAST = range(4)


def frame_head(size: int, flag: int = WHOLE) -> bytes:
    """Return what stands before a payload of so many bytes.

    Raises
    ------
    ValueError
        If it is too long for a frame.
    """
    if size > LONGEST_PAYLOAD:
        raise ValueError(f"a record of {size} bytes; one frame holds at most {LONGEST_PAYLOAD}")
    return HEADER.pack(MAGIC, flag << 29 | size)


def frame(payload: bytes, flag: int = WHOLE) -> bytes:
    """Put a payload into a frame, padded to four bytes. Raises as `frame_head` does."""
    return frame_head(len(payload), flag) + payload + bytes(-len(payload) % 4)
