"""Frames of log streams, and what a crash leaves of them."""

import io

from hypothesis import given
from hypothesis import strategies as st

from wildsage.formats.logframes import encode_frame, read_frames, whole_length

MESSAGES = st.lists(st.binary(max_size=40), max_size=6)


@given(MESSAGES, st.integers(1, 60))
def test_whatever_is_torn_off_the_whole_frames_stay(messages, torn):
    frames = [encode_frame(number, message) for number, message in enumerate(messages)]
    content = b"".join(frames)[:-torn]
    file = io.BytesIO(content)
    end = whole_length(file)
    kept = len(list(read_frames(file, 0)))
    assert end == sum(map(len, frames[:kept]))
    assert len(content) - end < len(frames[kept]) if kept < len(frames) else end == len(content)
    after = io.BytesIO(content[:end] + encode_frame(9, b"after"))
    assert [frame.message for frame in read_frames(after, 0)][-1] == "after"


@given(MESSAGES)
def test_the_length_from_any_frame_is_the_length_from_the_first(messages):
    file = io.BytesIO(b"".join(encode_frame(1, message) for message in messages) + b"torn")
    for frame in list(read_frames(file, 0)):
        assert whole_length(file, frame.start) == whole_length(file)


def test_a_flipped_bit_ends_the_stream():
    first, second = encode_frame(1, b"first"), bytearray(encode_frame(2, b"second"))
    second[-1] ^= 1
    assert whole_length(io.BytesIO(first + second)) == len(first)
