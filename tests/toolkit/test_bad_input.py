"""Malformed data of every format, at the level of a job: a client error with channel, object, place, value and rule."""

import gzip
import io
import os
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wildsage.formats.protobuf import Record, Tensor, encode_record
from wildsage.formats.recordio_frames import MAGIC, frame
from wildsage.formats.recordio_protobuf import write_dense
from wildsage.toolkit.local import Files, LocalContainer

RECORDS, CSV, LIBSVM = "application/x-recordio-protobuf", "text/csv", "text/libsvm"
JSON, LINES, PARQUET = "application/json", "application/jsonlines", "application/x-parquet"
GOOD = write_dense(np.ones((3, 2), np.float32))
END = f"byte {len(GOOD)}"


def dense(*values):
    return frame(encode_record(Record({"values": Tensor(np.float32(values))})))


def sparse(key, width):
    tensor = Tensor(np.float32([1]), np.array([key], np.uint64), (width,))
    return frame(encode_record(Record({"values": tensor})))


def parquet(**columns):
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


# Format, what is wrong, content, place, value and rule
CASES = [
    (RECORDS, "magic", GOOD + b"1,2\n3,4\n", END, "0x0A322C31 stands where the RecordIO magic number 0xCED7230A must be"),
    (RECORDS, "length beyond the file", GOOD + struct.pack("<II", MAGIC, 1000) + bytes(8), END, "a record of 1000 bytes, but only 8 follow"),
    (RECORDS, "longest length", GOOD + struct.pack("<II", MAGIC, (1 << 29) - 1), END, "a record of 536870911 bytes, but only 0 follow"),
    (RECORDS, "truncated record", GOOD[:-3], "byte 64", "a record of 24 bytes, but only 21 follow"),
    (RECORDS, "truncated header", GOOD + GOOD[:5], END, "the file ends inside a RecordIO header"),
    (RECORDS, "cflag in front", GOOD + frame(b"lost", 2), END, "a record begins with part flag 2, not 0 (whole) or 1 (first part)"),
    (RECORDS, "cflag of none", GOOD + struct.pack("<II4s", MAGIC, 7 << 29 | 4, b"lost"), END, "a record begins with part flag 7"),
    (RECORDS, "cflag behind", GOOD + frame(b"lost", 1) + GOOD, f"byte {len(GOOD) + 12}", "continued with part flag 0, not 2 (a part) or 3"),
    (RECORDS, "protobuf number", GOOD + frame(b"\xff" * 12), END, "not a protobuf record: a number of more than 10 bytes"),
    (RECORDS, "protobuf cut off", GOOD + frame(b"\x0a\x7f"), END, "not a protobuf record: field 1 is cut off"),
    (RECORDS, "no features", GOOD + frame(b""), END, "no numeric feature 'values' (its features: none)"),
    (RECORDS, "index of 2^31", GOOD + sparse(1 << 31, 1 << 31), END, "key 2147483648 is beyond the shape [2147483648]"),
    (RECORDS, "width beyond 2^31", GOOD + sparse(1, (1 << 31) + 1), END, "the shape [2147483649] has more than 2147483648 elements"),
    (RECORDS, "NaN", GOOD + dense(1, np.nan), "row 4", "feature 2 is nan; only finite numbers are taken"),
    (RECORDS, "Inf", GOOD + dense(1, -np.inf), "row 4", "feature 2 is -inf; only finite numbers are taken"),
    (RECORDS, "gzip", gzip.compress(GOOD), "byte 0", "0x00088B1F stands where"),
    (CSV, "ragged", b"1,2\n1,2,3\n", "line 2", "3 columns, the lines before have 2"),
    (CSV, "text", b"1,2\n1,two\n", "line 2", "column 2 holds 'two', not a number"),
    (CSV, "empty field", b"1,2\n1,\n", "line 2", "column 2 holds '', not a number"),
    (CSV, "NUL", b"1,2\n1,\0\n", "line 2", r"column 2 holds '\x00', not a number"),
    (CSV, "bytes", b"1,2\n1,\xe9\n", "line 2", "column 2 holds '\ufffd', not a number"),
    (CSV, "quote", b'1,2\n1,"2\n', "line 2", """'1,"2' is no line of CSV"""),
    (CSV, "header", b"age,income\n1,2\n", "line 1", "'age,income' is a header; CSV input has no header row: remove the first line"),
    (CSV, "BOM of UTF-16", "1,2\n".encode("utf-16"), "byte 0", "the byte order mark ff fe of UTF-16 stands where UTF-8 must be"),
    (CSV, "BOM inside", b"1,2\n\xef\xbb\xbf1,2\n", "line 2", r"column 1 holds '\ufeff1', not a number"),
    (CSV, "NaN", b"1,2\n1,nan\n", "row 2", "feature 1 is nan; only finite numbers are taken"),
    (CSV, "Inf", b"1,2\n1,1e999\n", "row 2", "feature 1 is inf; only finite numbers are taken"),
    (LIBSVM, "form", b"1 1:2\n1 2\n", "line 2", "'2' is not of the form index:value"),
    (LIBSVM, "index of 2^31", b"1 1:2\n1 2147483648:1\n", "line 2", "'2147483648' is not a column index (a whole number from 0 to 2147483647)"),
    (LIBSVM, "negative index", b"1 1:2\n1 -1:1\n", "line 2", "'-1' is not a column index (a whole number from 0"),
    (LIBSVM, "no label", b"1 1:2\ntwo 1:1\n", "line 2", "'two' is not a number; expected: label index:value"),
    (LIBSVM, "BOM of UTF-16", "1 1:2\n".encode("utf-16-be").join([b"\xfe\xff", b""]), "byte 0", "the byte order mark fe ff of UTF-16 stands where UTF-8 must be"),
    (LIBSVM, "NaN", b"1 1:2\n1 1:nan\n", "row 2", "is nan; only finite numbers are taken"),
    (LIBSVM, "Inf", b"1 1:2\ninf 1:1\n", "row 2", "label 1 is inf; only finite numbers are taken"),
    (JSON, "syntax", b'{"instances": [1', "byte 16", "not JSON: Expecting ',' delimiter"),
    (JSON, "deep nesting", b'{"instances": ' + b"[" * 1_000_000, "", "JSON that is nested too deeply"),
    (JSON, "no instances", b'{"rows": []}', "", """'{"rows": []}' is no JSON object {"instances": [...]}"""),
    (JSON, "no features", b'{"instances": [{"features": [1]}, {"features": "x"}]}', "row 2", 'is not {"features": [numbers]}'),
    (JSON, "index of 2^31", b'{"instances": [{"data": {"features": {"keys": [2147483648], "shape": [2147483648], "values": [1]}}}]}', "row 1", "key '2147483648' is beyond the shape [2147483648]"),
    (JSON, "endless number", b'{"instances": [{"features": [' + b"9" * 5000 + b"]}]}", "", "Exceeds the limit (4300 digits)"),
    (JSON, "bytes", b'{"instances": [{"features": ["\xe9"]}]}', "byte 30", "not in UTF-8"),
    (JSON, "NaN", b'{"instances": [{"features": [1, NaN]}]}', "row 1", "feature 2 is nan; only finite numbers are taken"),
    (LINES, "syntax", b'{"features": [1]}\n{"features"\n', "line 2, byte 11", "not JSON: Expecting ':' delimiter"),
    (LINES, "deep nesting", b'{"features": [1]}\n{"features": ' + b"[" * 1_000_000, "line 2", "JSON that is nested too deeply"),
    (LINES, "no features", b'{"features": [1]}\n[true]\n', "line 2", """'[true]' is not {"features": [numbers]}"""),
    (LINES, "BOM of UTF-16", '{"features": [1]}\n'.encode("utf-16"), "byte 0", "the byte order mark ff fe of UTF-16 stands where UTF-8 must be"),
    (LINES, "Inf", b'{"features": [1]}\n{"features": [-Infinity]}\n', "row 2", "feature 1 is -inf; only finite numbers are taken"),
    (PARQUET, "magic", b"1,2\n3,4\n" * 10, "", "not a Parquet file that can be read"),
    (PARQUET, "truncated", parquet(y=[1.0], x=[2.0])[:-5], "", "not a Parquet file that can be read"),
    (PARQUET, "text", parquet(y=[1.0], x=["two"]), "", "'x'"),
    (PARQUET, "NaN", parquet(y=[1.0], x=[np.nan]), "row 1", "feature 1 is nan; only finite numbers are taken"),
]  # fmt: skip
IDS = [f"{kind}, {what}" for kind, what, *_ in CASES]


def failure(folder, content_type, content, mode):
    container = LocalContainer("tests.toolkit.reading", folder)
    channels = {"train": Files(content_type, {"part-0": content})}
    container.prepare({}, channels, mode=mode)
    if mode == "Pipe":
        with container.piped(channels):
            code, log = container.train_here()
    else:
        code, log = container.train_here()
    assert code == 2, log
    assert container.failure in log or len(container.failure) == 1024
    return container.failure


@pytest.mark.parametrize("mode", ["File", "Pipe"])
@pytest.mark.parametrize(("kind", "content", "place", "said"), [(k, *rest) for k, _, *rest in CASES], ids=IDS)
def test_malformed_data_is_a_client_error_that_says_where_and_why(tmp_path, kind, content, place, said, mode):
    text = failure(tmp_path, kind, content, mode)
    source = "train/part-0" if mode == "File" else "train_0"
    assert text.startswith("Unable to read data channel 'train'. ")
    assert f"\n\nCaused by: {source}{place and ', '}{place}: " in text
    assert said in text
    assert len(text) < 700


def test_an_empty_field_is_a_missing_value_in_the_words_of_aws(tmp_path):
    text = failure(tmp_path, CSV, b"1,2\n1,\n", "File")
    assert "Found missing (NaN) values. Please remove any missing (NaN) values in the input data." in text


@pytest.mark.parametrize("kind", [CSV, LIBSVM, LINES])
def test_a_line_of_a_gigabyte_is_refused_after_a_part_of_it(tmp_path, kind):
    folder = tmp_path / "input" / "data" / "train"
    folder.mkdir(parents=True)
    (folder / "part-0").touch()
    os.truncate(folder / "part-0", 1 << 30)
    container = LocalContainer("tests.toolkit.reading", tmp_path)
    container.prepare({}, {"train": Files(kind, {})})
    code, log = container.train_here()
    assert code == 2, log
    assert container.failure.endswith("Caused by: train/part-0, line 1: the line is longer than 64 MiB")


@pytest.mark.parametrize("mode", ["File", "Pipe"])
def test_a_document_that_is_too_large_is_refused(tmp_path, mode, monkeypatch):
    monkeypatch.setattr("wildsage.formats.json_instances.LARGEST", 3 << 20)
    text = failure(tmp_path, JSON, b'{"instances": [' + bytes(4 << 20), mode)
    assert text.endswith(": more than 3 MiB, which is the most for this format")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("mode", ["File", "Pipe"])
def test_what_is_well_formed_is_read(tmp_path, mark, mode):
    container = LocalContainer("tests.toolkit.reading", tmp_path)
    channels = {"train": Files(CSV, {"part-0": mark + b"1,2\n1,3\n"})}
    container.prepare({}, channels, mode=mode)
    with container.piped(channels if mode == "Pipe" else {}):
        code, log = container.train_here()
    assert (code, container.failure) == (0, "")
    assert "2 rows\n" in log
