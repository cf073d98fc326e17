"""The table of content types, and what every codec of it has to keep."""

import importlib
import inspect
import io
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from wildsage.formats import codecs
from wildsage.formats.codecs import CODECS, UnknownContentTypeError, find, read_images, read_rows
from wildsage.formats.content_types import ContentType
from wildsage.formats.errors import NotFiniteError
from wildsage.formats.images import Image
from wildsage.formats.reading import Reading
from wildsage.formats.rows import Rows, join
from wildsage.formats.sparse import SparseRows, from_dense

ROWS = [codec for codec in CODECS if codec.gives == "rows"]
MATRIX = np.float32([[1, 0, 2.5], [0, 0, 0], [-3, 1e30, 0.1]])
LABELS = np.float32([[1], [0], [2]])
LABELLED = {"text/csv", "text/libsvm", "application/x-parquet", "application/x-recordio-protobuf"}


def reading(codec, **options) -> Reading:
    return Reading(ContentType(codec.media_type), label_size=int(codec.media_type in LABELLED), **options)


@pytest.mark.parametrize("features", [MATRIX, from_dense(MATRIX)], ids=["dense", "sparse"])
@pytest.mark.parametrize("codec", ROWS, ids=lambda codec: codec.media_type)
def test_what_a_codec_writes_it_reads(codec, features):
    labels = LABELS if codec.media_type in LABELLED else LABELS[:, :0]
    data = codec.write(Rows(features, labels))
    found = join(read_rows(io.BytesIO(data), "x", reading(codec)), "x")
    dense = found.features.dense() if isinstance(found.features, SparseRows) else found.features
    assert np.array_equal(dense, MATRIX)
    assert np.array_equal(found.labels, labels)
    assert (
        found.features if isinstance(found.features, np.ndarray) else found.features.values
    ).dtype == np.float32


@pytest.mark.parametrize("codec", ROWS, ids=lambda codec: codec.media_type)
def test_a_pipe_will_do(codec):
    matrix = np.arange(60_000, dtype=np.float32).reshape(20_000, 3)
    data = codec.write(Rows(matrix, np.ones((len(matrix), int(codec.media_type in LABELLED)), np.float32)))
    reader, writer = os.pipe()
    feeder = threading.Thread(target=feed, args=(writer, data))
    feeder.start()
    with os.fdopen(reader, "rb", buffering=0) as file:
        found = join(read_rows(file, "x", reading(codec)), "x").features
    feeder.join()
    assert np.array_equal(found if isinstance(found, np.ndarray) else found.dense(), matrix)


def feed(descriptor, data):
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


@pytest.mark.parametrize("codec", ROWS, ids=lambda codec: codec.media_type)
def test_an_empty_object_has_no_rows(codec):
    if codec.media_type != "application/json":  # a document that holds nothing is none
        assert list(read_rows(io.BytesIO(b""), "x", reading(codec))) == []


@pytest.mark.parametrize("codec", ROWS, ids=lambda codec: codec.media_type)
def test_numbers_that_are_not_finite_need_a_reader_that_takes_them(codec):
    matrix = np.float32([[1, 2], [3, np.nan]])
    labels = np.zeros((2, int(codec.media_type in LABELLED)), np.float32)
    data = codec.write(Rows(matrix, labels))
    with pytest.raises(NotFiniteError, match="x, row 2: feature 2 is nan"):
        list(read_rows(io.BytesIO(data), "x", reading(codec)))
    (rows,) = read_rows(io.BytesIO(data), "x", reading(codec, missing=True))
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("Text/CSV ; label_size=0", "csv_text"),
        ("csv", "csv_text"),
        ("text/x-libsvm", "libsvm"),
        ("APPLICATION/X-RECORDIO-PROTOBUF", "recordio_protobuf"),
        ("application/x-recordio; label-format=class-id", "image_recordio"),
        ("image/png", "images"),
        ("application/x-image", "images"),
    ],
)
def test_a_content_type_finds_its_codec_whatever_its_spelling(text, module):
    assert find(text).module == module
    assert find(ContentType.parse(text)).module == module


def test_a_content_type_without_codec_is_refused_with_those_there_are():
    with pytest.raises(
        UnknownContentTypeError, match="'video/mp4' is none of application/x-recordio-protobuf, text/csv"
    ):
        find("video/mp4")
    with pytest.raises(UnknownContentTypeError, match="'image/png' holds images, not rows"):
        read_rows(io.BytesIO(), "x", Reading(ContentType("image/png")))
    with pytest.raises(UnknownContentTypeError, match="'text/csv' holds rows, not images"):
        read_images(io.BytesIO(), "x", Reading(ContentType("text/csv")))


def test_images_are_read_by_their_content_type():
    image = Image(b"\xff\xd8\xffx", "image/jpeg")
    (found,) = read_images(io.BytesIO(image.content), "x", Reading(ContentType("image/jpeg")))
    assert found == image


def test_every_line_of_the_table_names_functions_that_are_there():
    names = [name for codec in CODECS for name in (codec.media_type, *codec.names)]
    assert len(names) == len(set(names))
    for codec in CODECS:
        assert list(inspect.signature(codec.read).parameters)[1:3] == ["source", "reading"]
        assert callable(codec.write)
        assert importlib.import_module(f"wildsage.formats.{codec.module}").__doc__


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.media_type)
def test_a_codec_is_importable_on_its_own_and_without_what_others_need(codec):
    script = (
        f"import sys, wildsage.formats.{codec.module}\n"
        "heavy = {'polars', 'scipy', 'xgboost', 'botocore', 'pyarrow', 'pandas'} & sys.modules.keys()\n"
        "rooms = {name.split('.')[1] for name in sys.modules if name.startswith('wildsage.')} - {'formats', 'core'}\n"
        "sys.exit(f'{heavy} {rooms}' if heavy or rooms else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_table_is_read_lazily():
    script = f"import sys, {codecs.__name__}; sys.exit('wildsage.formats.csv_text' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
