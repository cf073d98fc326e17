"""recordio-protobuf, bit by bit as the SDK's own writer and reader have it."""

import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.acceptance.live import FOLDER

from wildsage.formats.content_types import RECORDIO_PROTOBUF, ContentType
from wildsage.formats.reading import Reading
from wildsage.formats.recordio_protobuf import read_rows, write_dense, write_sparse
from wildsage.formats.rows import join
from wildsage.formats.sparse import SparseRows, from_dense

pytestmark = pytest.mark.acceptance

RNG = np.random.default_rng(11)
FLOATS = np.float32(RNG.normal(size=(50, 7)) * 10.0 ** RNG.integers(-30, 30, (50, 7)))
HOLES = np.where(RNG.random((50, 7)) < 0.4, FLOATS, 0).astype(np.float32)
LABELS = RNG.integers(0, 9, 50)
CASES = {
    "float32": (FLOATS, np.float32(LABELS)),
    "float64": (np.float64(RNG.normal(size=(50, 3))), np.float64(LABELS)),
    "int32": (RNG.integers(-(2**31), 2**31, (50, 4)), LABELS),
    "no_labels": (FLOATS, None),
    "sparse": (HOLES, np.float32(LABELS)),
}


def ask_sdk(sdk2: str, action: str, folder: Path) -> None:
    command = [sdk2, str(FOLDER / "checks" / "v2_records.py"), action, str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def ours(name: str) -> bytes:
    features, labels = CASES[name]
    return write_sparse(from_dense(features), labels) if name == "sparse" else write_dense(features, labels)


def test_what_the_sdk_writes_is_what_is_written_here_and_means_the_same(sdk2: str, tmp_path: Path):
    for name, (features, labels) in CASES.items():
        np.savez(tmp_path / name, features=features, **({"labels": labels} if labels is not None else {}))
    ask_sdk(sdk2, "write", tmp_path)
    for name, (features, labels) in CASES.items():
        written = (tmp_path / f"{name}.rec").read_bytes()
        assert written == ours(name), name
        rows = join(read_rows(io.BytesIO(written), name, Reading(ContentType(RECORDIO_PROTOBUF))), name)
        found = rows.features.dense() if isinstance(rows.features, SparseRows) else rows.features
        assert np.array_equal(found, features.astype(np.float32)), name
        if labels is not None:
            assert np.array_equal(rows.labels[:, 0], labels.astype(np.float32)), name


def test_the_sdk_reads_what_is_written_here(sdk2: str, tmp_path: Path):
    labelled = [name for name, (_, labels) in CASES.items() if labels is not None]
    for name in labelled:
        (tmp_path / f"{name}.rec").write_bytes(ours(name))
    ask_sdk(sdk2, "read", tmp_path)
    for name in labelled:
        features, labels = CASES[name]
        records = json.loads((tmp_path / f"{name}.json").read_text())
        assert len(records) == len(features)
        for record, row, label in zip(records, features, labels, strict=True):
            kept = np.flatnonzero(row) if name == "sparse" else np.arange(len(row))
            assert record["kind"] == f"{'float32' if name == 'sparse' else name}_tensor"
            assert np.array_equal(np.array(record["values"], row.dtype), row[kept])
            assert record["keys"] == (kept.tolist() if name == "sparse" else [])
            assert record["label"]["values"] == [label]
