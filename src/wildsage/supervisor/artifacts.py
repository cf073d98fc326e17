"""What a container leaves behind: artifacts, packed, and the words it failed with. Its links are not followed.

The container may have replaced any of its folders by a link to anywhere; the supervisor, outside, would
follow it. So every path is walked part by part, and a link on the way counts as nothing there.
"""

import codecs
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from wildsage.formats.archives import real_path
from wildsage.supervisor.archives import pack, walk
from wildsage.supervisor.contract import Output
from wildsage.supervisor.watched_folder import Signature

FAILURE_CHARACTERS = 1024

Sent = Mapping[str, Mapping[str, Signature]]
_NOTHING: Sent = {}


def take(ml: Path, out: Path, outputs: Sequence[Output], sent: Sent = _NOTHING) -> dict[str, int]:
    """Bring what a container made into `out` and return sizes in bytes by name.

    Parameters
    ----------
    sent
        Files that were uploaded while it ran, by the output's name and their path: what has not changed since
        is not brought again.
    """
    sizes = {}
    for output in outputs:
        size = _take_one(ml, out, output, sent.get(output.name, {}), shared=_is_shared(output, outputs))
        if size is not None:
            sizes[output.name] = size
    return sizes


def _take_one(
    ml: Path, out: Path, output: Output, sent: Mapping[str, Signature], *, shared: bool
) -> int | None:
    """Return the bytes; None where there is nothing to take."""
    folder = _own_path(ml, output.place)
    if folder is not None and not folder.is_dir():
        folder = None
    if output.is_archive:
        is_wanted = output.is_always or (folder is not None and any(folder.iterdir()))
        return pack(folder, out / output.name) if is_wanted else None
    if folder is None:
        return None
    target = out / output.name
    # Copies first: moving breaks links.
    sizes = [*_copy_linked(folder, target)] if output.has_links else []
    sizes += _bring_regular(folder, target, sent, shared=shared)
    return sum(sizes) if sizes else None


def _is_shared(output: Output, outputs: Sequence[Output]) -> bool:
    """Tell whether another output has the same files, or some of them: then they have to stay where they are."""
    others = (f"{other.place}/" for other in outputs if other is not output)
    own = f"{output.place}/"
    return any(own.startswith(other) or other.startswith(own) for other in others)


def message_of(ml: Path, path: str) -> bytes:
    """Return the beginning of what the container wrote there, or nothing."""
    found = _own_path(ml, path)
    if found is None or not found.is_file():
        return b""
    try:
        descriptor = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        return file.read(4 * FAILURE_CHARACTERS)


def text_of(message: bytes) -> str:
    """Return the first characters of a message; what is no text is replaced."""
    return message.decode("utf-8", "replace")[:FAILURE_CHARACTERS]


def is_text(message: bytes) -> bool:
    """Tell whether a message is UTF-8, as far as it was read."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(message)
    except UnicodeDecodeError:
        return False
    return True


def _own_path(base: Path, relative: str) -> Path | None:
    """Return the path, or None where something on it is absent or a link."""
    path = base
    for part in relative.split("/"):
        path /= part
        if path.is_symlink() or not path.exists():
            return None
    return path


def _copy_linked(folder: Path, target: Path) -> Iterator[int]:
    root = folder.resolve()
    for path in walk(folder):
        there = real_path(path)
        if path.is_symlink() and there.is_relative_to(root) and there.is_file():
            place = _place(path, folder, target)
            shutil.copyfile(there, place)
            yield place.stat().st_size


def _bring_regular(
    folder: Path, target: Path, sent: Mapping[str, Signature], *, shared: bool
) -> Iterator[int]:
    for path in walk(folder):
        if path.is_symlink() or not path.is_file():
            continue
        status = path.stat()
        if sent.get(path.relative_to(folder).as_posix()) != Signature.of(status):
            place = _place(path, folder, target)
            # What has a second name would be changed through it when it is a stored object.
            if shared or status.st_nlink > 1:
                shutil.copyfile(path, place)
            else:
                path.rename(place)
        yield status.st_size


def _place(path: Path, folder: Path, target: Path) -> Path:
    place = target / path.relative_to(folder)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place
