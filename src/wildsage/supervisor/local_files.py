"""Objects whose content lies on this machine: copied by the kernel, or seen through links, never written to."""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from wildsage.supervisor.contract import InputObject

_FICLONE = 0x40049409
_PORTION = 64 << 20
# What says "not here, not so": another file system, an old kernel, a limit on links.
_CANNOT = frozenset(
    {errno.EXDEV, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EMLINK}
)  # fmt: skip


def copy(item: InputObject, target: Path, check: Callable[[], None]) -> bool:
    """Make `target` a private copy of an object, sharing its blocks where the file system can.

    Parameters
    ----------
    check
        Called between portions; raises to give up.

    Returns
    -------
    False where its content is not to be had here: it has to be fetched.

    Raises
    ------
    OSError
        If the disk is full, and the like.
    """
    try:
        if not item.files or sum(os.stat(path).st_size for path in item.files) != item.size:  # noqa: PTH116 - texts
            return False
        with target.open("wb", buffering=0) as file:
            for path in item.files:
                with open(path, "rb", buffering=0) as content:  # noqa: PTH123 - a text
                    if len(item.files) > 1 or not _cloned(content.fileno(), file.fileno()):
                        _copied(content.fileno(), file.fileno(), check)
    except FileNotFoundError:  # overwritten or deleted since the run was described
        return False
    except OSError as error:
        if error.errno in _CANNOT:
            return False
        raise
    return True


def link(item: InputObject, target: Path) -> bool:
    """Make `target` another name of an object's content; False where it is not one file that can be linked.

    Whoever may write to `target` could change the store: only for folders that are shown read-only.
    """
    if len(item.files) != 1:
        return False
    try:
        os.link(item.files[0], target, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in _CANNOT:
            return False
        raise
    return True


def _cloned(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _CANNOT:
            return False
        raise
    return True


def _copied(source: int, target: int, check: Callable[[], None]) -> None:
    while os.copy_file_range(source, target, _PORTION):
        check()
