"""Files that clients are pointed at."""

import hashlib
import os
import tempfile
from pathlib import Path


def keep_file(folder: Path, name: str, content: bytes) -> Path:
    """Write a file that only the owner can read, once, and return where it is.

    A folder named by the content's digest holds it: two clients with different content never share a
    file, and a file in use never changes.
    """
    home = folder / hashlib.sha256(content).hexdigest()[:16]
    path = home / name
    if not path.exists():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=home)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    return path
