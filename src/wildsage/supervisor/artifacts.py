"""What a container leaves behind: artifacts, packed, and the words it failed with. Its links are not followed.

The container may have replaced any of its folders by a link to anywhere; the supervisor, outside, would
follow it. So every path is walked part by part, and a link on the way counts as nothing there.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from wildsage.formats.archives import real_path
from wildsage.supervisor.archives import pack, walk

FAILURE_CHARACTERS = 1024

_ARTIFACTS = (("model", "model", "model.tar.gz"), ("output/data", "output", "output.tar.gz"))
_ALWAYS = "model"


def pack_artifacts(ml: Path, out: Path, *, compress: bool) -> dict[str, int]:
    """Pack ``model`` and ``output/data`` into `out` and return sizes in bytes by name.

    Parameters
    ----------
    compress
        True gives ``model.tar.gz``, and ``output.tar.gz`` where there is output; False gives folders.
    """
    sizes = {}
    for place, folder_name, archive_name in _ARTIFACTS:
        folder = _own_path(ml, place)
        if folder is None or not folder.is_dir():
            folder = None
        if compress:
            if place == _ALWAYS or (folder is not None and any(folder.iterdir())):
                sizes[archive_name] = pack(folder, out / archive_name)
        elif folder is not None:
            size = _move_files(folder, out / folder_name)
            if size is not None:
                sizes[folder_name] = size
    return sizes


def failure_text(ml: Path) -> str:
    """Return the first characters of ``output/failure``, or nothing."""
    path = _own_path(ml, "output/failure")
    if path is None or not path.is_file():
        return ""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        content = file.read(4 * FAILURE_CHARACTERS)
    return content.decode("utf-8", "replace")[:FAILURE_CHARACTERS]


def _own_path(base: Path, relative: str) -> Path | None:
    """Return the path, or None where something on it is absent or a link."""
    path = base
    for part in relative.split("/"):
        path /= part
        if path.is_symlink() or not path.exists():
            return None
    return path


def _move_files(folder: Path, target: Path) -> int | None:
    """Move the regular files to `target` and return their bytes; None where there are none.

    An object store has no links: one to a file of the same folder becomes a copy, any other is left out.
    """
    # Copies first: moving breaks links.
    sizes = [*_copy_linked(folder, target), *_move_regular(folder, target)]
    return sum(sizes) if sizes else None


def _copy_linked(folder: Path, target: Path) -> Iterator[int]:
    root = folder.resolve()
    for path in walk(folder):
        there = real_path(path)
        if path.is_symlink() and there.is_relative_to(root) and there.is_file():
            place = _place(path, folder, target)
            shutil.copyfile(there, place)
            yield place.stat().st_size


def _move_regular(folder: Path, target: Path) -> Iterator[int]:
    for path in walk(folder):
        if path.is_file() and not path.is_symlink():
            yield path.rename(_place(path, folder, target)).stat().st_size


def _place(path: Path, folder: Path, target: Path) -> Path:
    place = target / path.relative_to(folder)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place
