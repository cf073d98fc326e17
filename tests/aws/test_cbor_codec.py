"""CBOR, against botocore's own reader, the examples of RFC 8949, and hostile input."""

import datetime as dt
import math
import struct

import pytest
from botocore.parsers import create_parser
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.aws.protocols.base import UnreadableError
from wildsage.aws.protocols.cbor_codec import Timestamp, dumps, loads

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=300)
    | st.text(max_size=300)
    | st.builds(Timestamp, st.integers(0, 253_402_300_799)),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=30), inner, max_size=30),
    max_leaves=40,
)


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_what_is_written_is_read_back_equal(value):
    assert loads(dumps(value)) == value


def by_botocore(document):
    parser = create_parser("smithy-rpc-v2-cbor")
    return parser.parse_data_item(parser.get_peekable_stream_from_bytes(document))


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_botocore_reads_what_is_written(value):
    def as_botocore_has_it(value):
        match value:
            case Timestamp(seconds):
                return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(seconds=seconds)
            case list():
                return [as_botocore_has_it(item) for item in value]
            case dict():
                return {key: as_botocore_has_it(item) for key, item in value.items() if item is not None}
        return value

    assert by_botocore(dumps(value)) == as_botocore_has_it(value)


@pytest.mark.parametrize(
    ("document", "value"),
    [  # RFC 8949, appendix A, as far as the protocol uses it
        ("00", 0),
        ("17", 23),
        ("1818", 24),
        ("1903e8", 1000),
        ("1a000f4240", 1_000_000),
        ("1bffffffffffffffff", 18446744073709551615),
        ("20", -1),
        ("3903e7", -1000),
        ("3bffffffffffffffff", -18446744073709551616),
        ("f90000", 0.0),
        ("f93c00", 1.0),
        ("f97bff", 65504.0),
        ("f90001", 5.960464477539063e-08),
        ("fa47c35000", 100000.0),
        ("fb3ff199999999999a", 1.1),
        ("f97c00", math.inf),
        ("faff800000", -math.inf),
        ("f4", False),
        ("f5", True),
        ("f6", None),
        ("f7", None),
        ("c11a514b67b0", Timestamp(1363896240)),
        ("c1fb41d452d9ec200000", Timestamp(1363896240.5)),
        ("4401020304", b"\1\2\3\4"),
        ("60", ""),
        ("62c3bc", "ü"),
        ("64f0908591", "\U00010151"),
        ("83010203", [1, 2, 3]),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}),
        ("5f42010243030405ff", b"\1\2\3\4\5"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("9fff", []),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("83018202039f0405ff", [1, [2, 3], [4, 5]]),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
        # Longer heads than needed are allowed.
        ("1b0000000000000001", 1),
        ("590001ff", b"\xff"),
    ],
)
def test_examples_are_read(document, value):
    read = loads(bytes.fromhex(document))

    assert (read, type(read)) == (value, type(value))


def test_not_a_number_is_read():
    assert all(
        math.isnan(loads(bytes.fromhex(form))) for form in ("f97e00", "fa7fc00000", "fb7ff8000000000000")
    )


HOSTILE = {
    "empty": (b"", "1 bytes is declared where 0 are left"),
    "trailing": (b"\xa0\x00", "1 bytes follow its end"),
    "deep lists": (b"\x81" * 100_000 + b"\0", "100 levels"),
    "deep endless lists": (b"\x9f" * 100_000, "100 levels"),
    "deep maps": (b"\xa1\x61a" * 100_000 + b"\0", "100 levels"),
    "deep tags": (b"\xc1" * 100_000 + b"\0", "100 levels"),
    "huge string": (b"\x5b\x7f" + b"\xff" * 7 + b"x", "9223372036854775807 bytes is declared where 1 are left"),
    "huge list": (b"\x9b\x7f" + b"\xff" * 7 + b"\0", "9223372036854775807 elements are declared where 1 bytes"),
    "huge map": (b"\xbb\x00\x00\x00\x00\x80\x00\x00\x00\x61a\0", "2147483648 elements are declared where 3"),
    "map longer than its bytes": (b"\xa2\x61a\0", "2 elements are declared where 3 bytes are left"),
    "duplicate": (b"\xa2\x61a\x01\x61a\x02", "'a' occurs twice"),
    "duplicate in an endless map": (b"\xbf\x61a\x01\x61a\x02\xff", "'a' occurs twice"),
    "duplicate in parts": (b"\xa2\x61a\x01\x7f\x61a\xff\x02", "'a' occurs twice"),
    "number as key": (b"\xa1\x01\x02", "the key 1 is no text"),
    "bytes as key": (b"\xa1\x41a\x02", "is no text"),
    "list as key": (b"\xa1\x80\x02", "is no text"),
    "not utf-8": (b"\x61\xff", "can't decode byte"),
    "half a character in a part": (b"\x7f\x61\xc3\x61\xbc\xff", "can't decode byte"),
    "parts of another kind": (b"\x7f\x41a\xff", "no string of its kind"),
    "endless part": (b"\x7f\x7f\x61a\xff\xff", "31 is no length"),
    "endless number": (b"\x1f", "31 is no length"),
    "endless negative number": (b"\x3f", "31 is no length"),
    "endless tag": (b"\xdf\0", "31 is no length"),
    "never ending list": (b"\x9f\0", "is declared where 0 are left"),
    "never ending string": (b"\x5f\x41a", "is declared where 0 are left"),
    "reserved length": (b"\x1c", "28 is no length"),
    "break": (b"\xff", "a break outside"),
    "break for a value": (b"\xbf\x61a\xff", "a break outside"),
    "unassigned simple value": (b"\xe0", "simple value 0"),
    "simple value in a byte": (b"\xf8\x20", "simple value 24"),
    "big number": (b"\xc2\x49\x01" + b"\0" * 8, "tag 2 is not known"),
    "regular expression": (b"\xd8\x23\x64(a+)", "tag 35 is not known"),
    "shared reference": (b"\xd8\x1c\x81\xd8\x1d\0", "tag 28 is not known"),
    "self-description": (b"\xd9\xd9\xf7\xa0", "tag 55799 is not known"),
    "time of text": (b"\xc1\x61a", "'a' is no number of seconds"),
    "time of a time": (b"\xc1\xc1\x00", "is no number of seconds"),
    "time of a truth": (b"\xc1\xf5", "True is no number of seconds"),
    "cut double": (b"\xfb\0\0", "8 bytes is declared where 2 are left"),
}  # fmt: skip


@pytest.mark.parametrize(("document", "said"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_document_of_the_protocol_is_refused(document, said):
    with pytest.raises(UnreadableError, match=said.replace("(", r"\(")) as raised:
        loads(document)

    assert (raised.value.code, raised.value.status) == ("SerializationException", 400)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_are_a_document_or_refused(body):
    try:
        value = loads(body)
    except UnreadableError:
        return
    try:
        theirs = by_botocore(body)
    except OverflowError:  # a time beyond its calendar
        return
    assert _is_same(value, theirs)


def _is_same(ours, theirs):
    match ours:
        case Timestamp():
            return isinstance(theirs, dt.datetime)
        case float():
            return struct.pack(">d", ours) == struct.pack(">d", theirs) or math.isnan(ours)
        case list():
            return len(ours) == len(theirs) and all(map(_is_same, ours, theirs))
        case dict():
            present = {key: item for key, item in ours.items() if item is not None}
            return present.keys() == theirs.keys() and all(_is_same(v, theirs[k]) for k, v in present.items())
    return ours == theirs


@pytest.mark.parametrize("value", [1 << 64, -(1 << 64) - 1, object(), {"a": {1, 2}}, 1j])
def test_what_has_no_form_is_a_fault_of_the_writer(value):
    with pytest.raises((TypeError, ValueError)):
        dumps(value)
