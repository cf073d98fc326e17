"""What a disk that is full or broken means to whoever asked for something to be stored.

Full: ``InsufficientStorage``, HTTP 507, in every service. Clients do not retry it, and the text says what to do.
Broken: ``InternalFailure``, HTTP 500; the log has the details. In both cases nothing was stored.
"""

import errno
import os
import sqlite3

from wildsage.core.errors import ServiceError

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_BASE_CODE = 0xFF  # of SQLite's extended codes


def disk_trouble(error: BaseException) -> ServiceError | None:
    """Return what to tell a client of an error of the disk; None if it is another one."""
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return disk_full(os.strerror(error.errno))
    if isinstance(error, OSError) and error.errno == errno.EIO:
        return _disk_broken(str(error))
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & _BASE_CODE
        if code == sqlite3.SQLITE_FULL:
            return disk_full(str(error))
        if code == sqlite3.SQLITE_IOERR:
            return _disk_broken(str(error))
    return None


def disk_full(reason: str) -> ServiceError:
    """Return the error of a write that found no space: one that clients do not retry."""
    return ServiceError(
        f"The server's disk is full ({reason}): nothing was stored. Free space in its data directory"
        " (`wildsage du` shows what takes it, `wildsage gc` removes what nobody needs) and try again",
        code="InsufficientStorage",
        status=507,
    )


def _disk_broken(reason: str) -> ServiceError:
    return ServiceError(
        f"The server's disk failed ({reason}): nothing was stored. Try again; if it stays so, look into the"
        " system's log, and restore a backup on another disk (`wildsage restore`)",
        status=500,
    )
