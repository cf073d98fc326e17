"""Damaged input of every format: any outcome but rows, images or a precise error is a defect."""

import gzip
import io
import random
import resource

import numpy as np
import pytest

from wildsage.formats import (
    augmented_manifest,
    csv_polars,
    csv_text,
    image_list,
    image_recordio,
    recordio_protobuf,
)
from wildsage.formats.codecs import CODECS
from wildsage.formats.content_types import ContentType
from wildsage.formats.errors import FormatError
from wildsage.formats.images import Image
from wildsage.formats.protobuf import Bytes, Record, Tensor, encode_record
from wildsage.formats.reading import Reading
from wildsage.formats.recordio import frame_record, split_record
from wildsage.formats.rows import Rows, finite
from wildsage.formats.sparse import from_dense
from wildsage.formats.streams import gunzip

CI = 1000
SOURCE = "train/part-0"
MATRIX = np.float32([[1, 0, 2.5, 0], [0, 0, 0, 0], [-3, 1e30, 0.125, 7], [8, 0, 300, 1]])
LABELS = np.float32([[1], [0], [2], [1]])
WEIGHTED = Rows(MATRIX, LABELS, np.float32([1, 0.5, 2, 1]))
BINARY_TOKENS = (b"\x0a\x23\xd7\xce", b"\xff" * 8, b"\x80" * 10, b"\x7f", b"\0", b"\xff\xfe", b"\xef\xbb\xbf")
TEXT_TOKENS = r',,|nan|-inf|1e999|2147483648|4294967296|{}|"keys"|qid:|:|#|null|true|s3://|-ref|..|\ud800|"|[[[[[[[[[|99999999999'
TOKENS = (*BINARY_TOKENS, b"\r", b"\n\n", b"\t", b"[" * 5000, *map(str.encode, TEXT_TOKENS.split("|")))


def seeds():
    """Good data by the name of what reads it."""
    for codec in CODECS:
        if codec.gives == "images":
            continue
        rows = [Rows(MATRIX, LABELS), Rows(from_dense(MATRIX), LABELS)]
        rows += [WEIGHTED] if codec.module in {"csv_text", "libsvm"} else []
        yield codec, [codec.write(one) for one in rows]


def record(**parts) -> bytes:
    return encode_record(Record(**parts))


RECORDS = [
    frame_record(record(features={"values": Tensor(np.int32([1, -2]))}, uid="u", metadata="{}")) * 3,
    frame_record(record(features={"values": Tensor(np.float64([1, -2]), np.uint64([0, 300]), (20, 50))})) * 2,
    frame_record(record(features={"image": Bytes((b"x",), "image/png"), "values": Tensor(np.float32([1]))})),
    split_record(b"\x0a\x23\xd7\xce" + record(features={"values": Tensor(np.float32([1, 2, 3]))})),
]
IMAGES = [
    Image(b"\xff\xd8\xff\xe0abcd", "image/jpeg", (1.0,), 5),
    Image(b"\x89PNG\r\n\x1a\n", "image/png", (1.0, 0.0)),
]
LIST = b"5\t1.000000\tcats/a.jpg\n7\t0.000000\t1.000000\tdogs/b c.png\n"
MANIFEST = b'{"source-ref": "s3://b/i.jpg", "class": "1", "box": {"annotations": [{"left": 1}]}}\n' * 3


def targets():
    """What is damaged, and how it is read: name, good data, reader, and how much of all input it gets."""
    for codec, good in seeds():
        for missing in (False, True):
            reading = Reading(ContentType(codec.media_type), label_size=1, delimiter=None, missing=missing)

            def read(file, codec=codec, reading=reading, missing=missing):
                rows = codec.read(file, SOURCE, reading)
                return rows if missing else finite(rows, SOURCE)

            share = 0.1 if codec.module == "parquet" else 1.0
            extra = RECORDS if codec.module == "recordio_protobuf" else []
            yield f"{codec.media_type}, missing={missing}", good + extra, read, share
    yield "records", RECORDS, lambda file: recordio_protobuf.read_messages(file, SOURCE), 1.0
    packed = image_recordio.write_images(IMAGES)
    yield "images", [packed], lambda file: image_recordio.read_images(file, SOURCE, Reading()), 1.0
    yield "list", [LIST], lambda file: image_list.read_entries(file, SOURCE), 1.0
    yield (
        "manifest",
        [MANIFEST],
        lambda file: augmented_manifest.read_manifest(file, SOURCE, ["source-ref", "class"]),
        1.0,
    )
    yield "gzip", [gzip.compress(LIST, mtime=0) * 2], lambda file: [gunzip(file, SOURCE).read()], 1.0


TARGETS = list(targets())


def damaged(source: random.Random, good: list[bytes]) -> bytes:
    data = bytearray(source.choice(good))
    for _ in range(source.randint(1, 4)):
        where = source.randrange(len(data) + 1)
        kind = source.random()
        if kind < 0.2:
            del data[where : where + source.randint(1, 8)]
        elif kind < 0.4:
            data[where:where] = source.choice(TOKENS)
        elif kind < 0.45:
            data = data[:where]
        elif kind < 0.5:
            data += data[where:]
        elif where < len(data):
            data[where] = source.choice((0, 1, 0x7F, 0x80, 0xFF, source.randrange(256)))
    return bytes(data)


def fuzz(good: list[bytes], read, rounds: int, seed: int) -> int:
    source = random.Random(seed)
    refused = 0
    for _ in range(rounds):
        data = damaged(source, good)
        try:
            for found in read(io.BytesIO(data)):
                check(found)
        except FormatError as error:
            text = str(error)
            refused += 1
        except Exception as error:
            raise AssertionError(f"{data!r} gave {error!r}") from error
        else:
            continue
        assert text.startswith(SOURCE), data
        assert len(text) < 1000
    return refused


def check(found) -> None:
    """What is given has to be whole."""
    if not isinstance(found, Rows):
        return
    count = len(found.labels)
    assert len(found.features) == count > 0
    for column in (found.weights, found.groups):
        assert column is None or len(column) == count
    if not isinstance(found.features, np.ndarray):
        sparse = found.features
        assert sparse.starts[0] == 0
        assert sparse.starts[-1] == len(sparse.columns) == len(sparse.values)
        assert (np.diff(sparse.starts) >= 0).all()
        assert (
            not sparse.columns.size
            or 0 <= sparse.columns.min() <= sparse.columns.max() < sparse.width <= 1 << 31
        )


def fuzz_polars(rounds: int, seed: int) -> None:
    """Read damaged CSV by polars and by the base reader."""
    source = random.Random(seed)
    matrix = np.random.default_rng(seed).normal(0, 100, (20, 4)).astype(np.float32)
    good = [csv_text.write_rows(Rows(matrix, np.zeros((20, 0), np.float32))), b"1,2\n,3\n4,\n"]
    for _ in range(rounds):
        data = damaged(source, good)
        dialect = csv_text.Dialect(missing=source.random() < 0.5)
        found = []
        for smallest in (0, 1 << 60):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(csv_polars, "SMALLEST", smallest)
                patch.setattr(csv_polars, "SMALLEST_COLUMN", smallest)
                try:
                    matrix = csv_text.parse_csv(data, SOURCE, dialect)
                except FormatError as error:
                    found.append(str(error))
                else:
                    found.append((matrix.shape, np.nan_to_num(matrix, nan=12345.0).tobytes()))
        assert found[0] == found[1], data


def test_damaged_csv_is_the_same_by_polars():
    fuzz_polars(CI, seed=1)


@pytest.mark.faults
def test_much_damaged_csv_is_the_same_by_polars():
    fuzz_polars(50_000, seed=2)


@pytest.mark.parametrize(
    ("good", "read", "share"), [target[1:] for target in TARGETS], ids=[t[0] for t in TARGETS]
)
def test_damaged_data_gives_rows_or_a_precise_error(good, read, share):
    rounds = int(CI * max(share, 0.1))
    assert fuzz(good, read, rounds, seed=1) > rounds // 20


@pytest.mark.faults
@pytest.mark.parametrize(
    ("good", "read", "share"), [target[1:] for target in TARGETS], ids=[t[0] for t in TARGETS]
)
def test_a_million_damaged_objects(good, read, share):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fuzz(good, read, int(1_000_000 * share / sum(target[3] for target in TARGETS)), seed=2)
    # kilobytes
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20
