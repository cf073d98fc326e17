"""Every content type with every algorithm: what AWS's sources allow trains, what they refuse is a ClientError."""

import functools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.algorithms.content_types import (
    NAMES,
    ORACLE,
    SPELLINGS,
    UNKNOWN,
    Cell,
    cells,
    data_channels,
    page,
    refusal,
)

from wildsage.algorithms.registry import MODULES, load_spec
from wildsage.formats.codecs import CODECS, find
from wildsage.formats.content_types import CSV, JSON, LIBSVM, PARQUET, RECORDIO_PROTOBUF, ContentType
from wildsage.formats.rows import Rows
from wildsage.toolkit.conformance import read_numbers, sample_rows
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.local import Files, LocalContainer
from wildsage.toolkit.resolve import resolve

DOCUMENT = Path(__file__).parents[2] / "docs" / "content-types.md"
CELLS = [cell for name in MODULES for cell in cells(load_spec(name))]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Ninety rows are no work to share: threads that wait for each other take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


def identify(cell):
    return f"{cell.algorithm}-{cell.content_type!r}"


def data_of(spec, content_type):
    """The sample in the format of a content type, or something else where it has none."""
    try:
        found = ContentType.parse(content_type or data_channels(spec)[0].content_types[0])
        labelled = spec.sample.label_column or found.format == LIBSVM
        labels = found.label_size(1) if found.format == CSV else int(labelled)
    except ValueError:
        return b"1,2\n"
    codec = next((one for one in CODECS if one.media_type == found.format and one.gives == "rows"), None)
    if codec is None:
        return b"%PDF-1.7"
    rows = sample_rows()
    data = codec.write(Rows(rows[:, 1:], np.repeat(rows[:, :1], labels, axis=1)))
    return data.decode().encode("utf-16") if found.format == CSV and found.charset == "utf-16" else data


def train(spec, content_type, data, folder):
    """Train with all channels alike; returns the exit code, the log and the container."""
    container = LocalContainer(spec.module, folder)
    files = Files(content_type, {"part-0": data})
    container.prepare(spec.sample.hyperparameters, {channel.name: files for channel in data_channels(spec)})
    return *container.train_here(OMP_NUM_THREADS="1"), container


def predictions(spec, container):
    served = resolve(spec.serve)(container.paths.model)
    body = find(RECORDIO_PROTOBUF).write(Rows(sample_rows(1)[:, 1:], np.zeros((90, 0), np.float32)))
    return read_numbers(served.predict(body, RECORDIO_PROTOBUF, JSON)[0], JSON)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What each algorithm predicts after it was trained without a content type."""

    @functools.cache
    def expected(name):
        spec = load_spec(name)
        code, log, container = train(spec, None, data_of(spec, None), tmp_path_factory.mktemp(name))
        assert code == 0, log
        return predictions(spec, container)

    return expected


@pytest.mark.parametrize("cell", CELLS, ids=identify)
def test_a_cell_does_what_the_sources_say(cell, expected, tmp_path):
    spec = load_spec(cell.algorithm)
    for library in spec.requires:
        pytest.importorskip(library)
    if cell.name and ContentType(cell.name).format == PARQUET:
        pytest.importorskip("pyarrow")
    code, log, container = train(spec, cell.content_type, data_of(spec, cell.content_type), tmp_path)
    refused = code == UserError.exit_code
    verdict, source = cell.verdict()
    if verdict != "undecided":
        assert ("refused" if refused else "allowed") == verdict, (
            f"{source}: {ORACLE['sources'][source]}; {log}"
        )
    assert refused == (refusal(spec, cell) is not None), log  # the page tells what the declaration says
    if refused:
        for channel in data_channels(spec):
            assert (
                f"The content type '{cell.content_type}' of channel '{channel.name}' is not"
                in container.failure
            )
        assert re.search(r"is not one of '[^']+'|is not supported: \S", container.failure)
        assert not any(container.paths.model.glob("*"))
    else:
        assert code == 0, log
        for ignored in ContentType.parse(cell.content_type or "").ignored:
            assert re.search(f"Without effect in channel 'train': .*{ignored}", log)
        np.testing.assert_allclose(predictions(spec, container), expected(cell.algorithm), rtol=1e-5)


def pairs():
    """Every declared type with the data of every other declared format, and of none."""
    for name in MODULES:
        types = data_channels(load_spec(name))[0].content_types
        formats = dict.fromkeys(ContentType(one).format for one in types)
        for announced in (None, *types):
            read = ContentType(announced or types[0]).format
            yield from ((name, announced, given) for given in formats if given != read)


@pytest.mark.parametrize(("name", "announced", "given"), list(pairs()))
def test_data_of_another_format_is_a_client_error(name, announced, given, tmp_path):
    spec = load_spec(name)
    for library in (*spec.requires, *(["pyarrow"] if "parquet" in f"{announced}{given}" else [])):
        pytest.importorskip(library)
    code, log, container = train(spec, announced, data_of(spec, given), tmp_path)
    assert code == UserError.exit_code, log
    read = announced or data_channels(spec)[0].content_types[0]
    assert f"Unable to read data channel 'train'. Requested content-type is '{read}'" in container.failure


def test_the_page_shows_every_cell():
    wanted = page([load_spec(name) for name in MODULES])
    assert DOCUMENT.read_text() == wanted, f"{DOCUMENT.name} is not up to date: run `make docs`"


def test_every_algorithm_has_a_type_that_a_source_allows():
    for name in MODULES:
        allowed = [cell for cell in CELLS if cell.algorithm == name and cell.verdict()[0] == "allowed"]
        assert allowed, f"no source allows a content type of {name}: add what there is to content_types.toml"


def test_an_algorithm_joins_by_its_declaration_and_what_no_source_decides_is_listed():
    spec = load_spec("kmeans")
    spec = replace(spec, name="newcomer", title="Newcomer")
    joined = list(cells(spec))
    assert {cell.name for cell in joined} >= {None, *NAMES}
    assert {cell.verdict()[0] for cell in joined} == {"undecided"}
    assert "| Newcomer | `text/csv` | trains | no source names it |" in page([spec])
    assert Cell("knn", CSV, "case").verdict() == ("allowed", "mime")


def test_every_line_of_the_oracle_is_used():
    lines = [line for types in ORACLE["types"].values() for line in types.items()]
    assert {name for name, _ in lines} <= {*NAMES, *UNKNOWN, "none", "*"}
    assert set(ORACLE["guide_table"]) <= set(NAMES)
    spelled = [line for of in ORACLE["parameters"].values() for one in of.values() for line in one.items()]
    assert {spelling for spelling, _ in spelled} <= set(SPELLINGS)
    for _, (verdict, source) in [*lines, *spelled]:
        assert verdict in {"allowed", "refused", "undecided"}
        assert verdict == "undecided" or source in ORACLE["sources"]
