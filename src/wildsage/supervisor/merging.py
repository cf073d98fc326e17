"""What the hosts of a job left behind becomes one: whatever each of them wrote, under one name."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from wildsage.supervisor.archives import is_empty, join
from wildsage.supervisor.folder import remove_tree

_JOINED = "joined"
_SHOWN = 5

_log = logging.getLogger(__name__)


def merge_outputs(first: Path, others: Sequence[Path]) -> None:
    """Bring what is in the ``out/`` of other hosts into that of the first.

    Where several hosts wrote a file of one name, that of the first of them stays. May be repeated until the first
    host's outputs are taken away: what came over is gone from where it was, after it is where it belongs.
    """
    for name in sorted({path.name for other in others for path in other.glob("*")}):
        target = first / name
        places = [folder / name for folder in (first, *others) if (folder / name).exists()]
        if any(place.is_dir() for place in places):
            left_out = [lost for place in places if place != target for lost in _move(place, target)]
        else:
            left_out = _merge_archives(places, target)
        if left_out:
            some = ", ".join(left_out[:_SHOWN])
            _log.warning(
                "%s: %d files of %s are of several hosts (%s); the first one's are kept",
                first.parent.name,
                len(left_out),
                name,
                some,
            )


def _merge_archives(archives: Sequence[Path], target: Path) -> list[str]:
    """Return the names that several hosts wrote. Usually one host alone wrote anything: nothing is packed anew."""
    filled = [archive for archive in archives if not is_empty(archive)] or list(archives[:1])
    left_out = []
    if len(filled) > 1:
        joined = target.parent.with_name(_JOINED)  # not among what is taken away
        left_out = join(filled, joined)
        joined.replace(target)
    elif filled[0] != target:
        filled[0].replace(target)
    for archive in archives:
        if archive != target:
            archive.unlink(missing_ok=True)
    return left_out


def _move(folder: Path, target: Path) -> Iterator[str]:
    """Move the files of a folder, then remove it; yields the names that have no place there."""
    for path in sorted(folder.rglob("*")):
        place = target / path.relative_to(folder)
        if path.is_dir():
            continue
        if place.exists():
            yield place.name
            continue
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):  # what is a folder here is a file there
            yield place.name
        else:
            path.rename(place)
    with suppress(FileNotFoundError):
        remove_tree(folder)
