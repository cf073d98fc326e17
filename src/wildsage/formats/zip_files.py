"""Zip archives as model files: a few named contents, written alike at all times."""

import io
import zipfile
import zlib
from collections.abc import Mapping

from wildsage.formats.errors import FormatError

DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises for an archive that is damaged, encrypted, or compressed in a way that it does not know."""

_LARGEST_RATIO = 64
"""How many times its size an archive's contents may be; numbers do not compress that well."""
_FREE_BYTES = 1 << 20


def write_zip(files: Mapping[str, bytes]) -> bytes:
    """Put contents into an archive, in their order and uncompressed: equal contents give equal bytes."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)  # of 1980, whatever the time
            entry.external_attr = 0o644 << 16
            opened.writestr(entry, content)
    return archive.getvalue()


def read_zip(data: bytes, source: str = "zip archive") -> dict[str, bytes]:
    """Return the contents of an archive by their names.

    Raises
    ------
    FormatError
        If the bytes are no archive, are damaged, or hold far more than they should.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            entries = opened.infolist()
            size = sum(entry.file_size for entry in entries)
            if size <= _FREE_BYTES + _LARGEST_RATIO * len(data):
                return {entry.filename: opened.read(entry) for entry in entries}
    except (*DAMAGED, OSError) as error:
        raise FormatError(source, f"not a readable zip archive: {error}") from error
    raise FormatError(source, f"{len(data)} bytes claim to hold {size}: more than a model does")
