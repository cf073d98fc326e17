"""Read a channel into a DMatrix."""

import importlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wildsage.formats.content_types import CSV, LIBSVM, ContentType, media_type


def get_dmatrix(data_path: str, content_type: str, csv_weights: int = 0, is_pipe: bool = False) -> Any:
    """Return the DMatrix of all files below a path, or None where there is none.

    Parameters
    ----------
    content_type
        CSV (label first; with `csv_weights` 1 the weight follows) or libsvm, short or as a media type.

    Raises
    ------
    ValueError
        For another content type or Pipe mode.
    """
    if is_pipe:
        raise ValueError("Pipe mode is not available in scripts: use File mode")
    xgboost, numpy = importlib.import_module("xgboost"), importlib.import_module("numpy")
    kind = ContentType(media_type(content_type)).format
    lines = [
        line for path in _files(Path(data_path)) for line in path.read_text().splitlines() if line.strip()
    ]
    if not lines:
        return None
    if kind == CSV:
        table = numpy.genfromtxt(lines, delimiter=",", ndmin=2)
        weights = table[:, 1] if csv_weights else None
        return xgboost.DMatrix(table[:, 2 if csv_weights else 1 :], label=table[:, 0], weight=weights)
    if kind == LIBSVM:
        with tempfile.NamedTemporaryFile("w", suffix=".libsvm") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            return xgboost.DMatrix(f"{file.name}?format=libsvm")
    raise ValueError(f"the content type {content_type!r} is none of text/csv and text/libsvm")


def _files(path: Path) -> Iterator[Path]:
    """The files of a channel: hidden ones and those that begin with ``_`` are not data."""
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from (one for one in sorted(path.rglob("*")) if one.is_file() and one.name[0] not in "._")
