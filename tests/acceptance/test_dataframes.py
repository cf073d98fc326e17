"""Data frames of libraries that are no AWS clients: pandas (s3fs), pyarrow (C++) and polars (Rust)."""

from pathlib import Path

import pytest
from tests.acceptance.live import FOLDER, Live

pytestmark = pytest.mark.acceptance


def test_data_frames_are_read_and_written(server: Live, notebook: str, tmp_path: Path):
    finished = server.run(notebook, str(FOLDER / "checks" / "dataframes.py"), cwd=tmp_path)
    assert finished.outside == []
