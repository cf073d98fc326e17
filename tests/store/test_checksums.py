"""CRCs against the bit-by-bit definition, and the combinations of parts."""

import base64
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.store.checksums import (
    FULL_OBJECT_ALGORITHMS,
    combine_checksums,
    composite_checksum,
    encoded,
    new_digest,
)

POLYNOMIALS = {"CRC32": (32, 0xEDB88320), "CRC32C": (32, 0x82F63B78), "CRC64NVME": (64, 0x9A6C9329AC4BC9B5)}


def bitwise(algorithm, data):
    width, polynomial = POLYNOMIALS[algorithm]
    ones = (1 << width) - 1
    state = ones
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (polynomial if state & 1 else 0)
    return (state ^ ones).to_bytes(width // 8)


def base64_of(algorithm, data):
    digest = new_digest(algorithm)
    digest.update(data)
    return base64.b64encode(digest.digest()).decode()


@pytest.mark.parametrize(
    ("algorithm", "check"),
    [("CRC32", "cbf43926"), ("CRC32C", "e3069283"), ("CRC64NVME", "ae8b14860a799888")],
)
def test_the_check_values_of_the_catalogue(algorithm, check):
    digest = new_digest(algorithm)
    digest.update(b"123456789")
    assert digest.digest().hex() == check


@given(st.binary(max_size=1500), st.integers(0, 1500), st.sampled_from(sorted(POLYNOMIALS)))
@settings(max_examples=60, deadline=None)
def test_any_cut_gives_the_definition(data, cut, algorithm):
    digest = new_digest(algorithm)
    digest.update(data[:cut])
    digest.update(data[cut:])
    assert digest.digest() == bitwise(algorithm, data)


def test_lanes_agree_with_zlib_across_blocks():
    """CRC32's polynomial through our own lanes, against zlib, over more than one block of lanes."""
    from wildsage.store.lane_crc import LaneCrc

    data = bytes(range(251)) * 9000
    crc = LaneCrc(32, 0xEDB88320)
    crc.update(data)
    assert int.from_bytes(crc.digest()) == zlib.crc32(data)


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.sampled_from(sorted(FULL_OBJECT_ALGORITHMS))
)
@settings(max_examples=40, deadline=None)
def test_parts_combine_to_the_whole(parts, algorithm):
    combined = combine_checksums(algorithm, [(base64_of(algorithm, part), len(part)) for part in parts])
    assert combined == base64_of(algorithm, b"".join(parts))


def test_composite_is_the_checksum_of_checksums():
    parts = [base64_of("SHA256", b"one"), base64_of("SHA256", b"two")]
    joined = b"".join(base64.b64decode(part) for part in parts)
    assert composite_checksum("SHA256", parts) == base64_of("SHA256", joined) + "-2"


def test_an_unknown_algorithm_is_named():
    with pytest.raises(ValueError, match="MD4"):
        new_digest("MD4")
    assert encoded({}) == {}
