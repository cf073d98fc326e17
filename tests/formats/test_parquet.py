import io
import os
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wildsage.formats import extras, parquet
from wildsage.formats.content_types import ContentType
from wildsage.formats.errors import FormatError, MissingLibraryError
from wildsage.formats.reading import Reading
from wildsage.formats.rows import Rows, join

ONE_LABEL = Reading(ContentType.parse("application/x-parquet"), label_size=1)


def encoded(**columns) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def read(data, reading=ONE_LABEL):
    return list(parquet.read_rows(io.BytesIO(data), "x.parquet", reading))


def test_columns_of_all_numbers_are_read():
    data = encoded(y=[1, 0], a=[1.5, 2.5], b=[True, False], c=np.array([7, 8], np.uint8))
    (rows,) = read(data)
    assert rows.labels.tolist() == [[1], [0]]
    assert rows.features.tolist() == [[1.5, 1, 7], [2.5, 0, 8]]
    assert rows.features.dtype == np.float32


def test_nulls_are_missing_values_where_allowed():
    data = encoded(y=[1, 0, 1], a=[1.5, None, None])
    (rows,) = read(data, Reading(label_size=1, missing=True))
    assert np.isnan(rows.features[1:, 0]).all()
    with pytest.raises(FormatError, match=r"x\.parquet, row 2: column 'a' is null"):
        read(data)


def test_a_large_file_comes_in_batches_from_a_file_and_from_a_pipe(tmp_path):
    matrix = np.random.default_rng(0).random((200_000, 5)).astype(np.float32)
    data = parquet.write_rows(Rows(matrix[:, 1:], matrix[:, :1]))
    (path := tmp_path / "x.parquet").write_bytes(data)
    with path.open("rb") as file:
        parts = list(parquet.read_rows(file, "x", ONE_LABEL))
    assert len(parts) > 1
    assert np.array_equal(join(parts, "x").features, matrix[:, 1:])
    reader, writer = os.pipe()
    feeder = threading.Thread(target=feed, args=(writer, data))
    feeder.start()
    with os.fdopen(reader, "rb") as file:
        assert np.array_equal(join(parquet.read_rows(file, "x", ONE_LABEL), "x").labels, matrix[:, :1])
    feeder.join()


def feed(descriptor, data):
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PAR1", "not a Parquet file that can be read"),
        (b"x" * 100, "not a Parquet file that can be read: .*magic bytes"),
        (encoded(y=[1.0])[:-5], "not a Parquet file that can be read"),
        (encoded(y=[1], name=["x"]), "column 'name' is of the type 'string', not of numbers"),
        (encoded(y=[1], many=[[1.0, 2.0]]), "column 'many' is of the type 'list"),
    ],
)
def test_bad_files_are_refused(data, message):
    with pytest.raises(FormatError, match=f"x.parquet: {message}"):
        read(data)


def test_too_few_columns_are_refused():
    with pytest.raises(FormatError, match="1 columns, but label_size is 2"):
        read(encoded(y=[1]), Reading(label_size=2))
    assert read(b"") == []


def test_without_the_library_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(extras, "installed", lambda _: False)
    with pytest.raises(
        MissingLibraryError, match=r"Parquet needs the library pyarrow: pip install 'wildsage\[parquet\]'"
    ):
        read(b"PAR1")
