"""A channel's objects as a read-only file system of its own: what the job reads is what is fetched.

For objects whose content is not one file of this machine. The kernel speaks FUSE with a process that was forked for
it and that dies with the run; no library is needed, only ``/dev/fuse`` open to the user. The mount is in a namespace of
the supervisor's own: nobody else sees it, and it goes with the last process in there.
"""

import ctypes
import errno
import os
import select
import signal
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from wildsage.supervisor.download import InputError, ObjectReader
from wildsage.supervisor.fuse import FuseServer, Tree
from wildsage.supervisor.object_content import ObjectContent
from wildsage.supervisor.staging import Placed

DEVICE = "/dev/fuse"

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REC, _MS_PRIVATE = 1, 2, 4, 16384, 1 << 18
_MNT_DETACH = 2
_PR_SET_PDEATHSIG = 1
_LONGEST_REPORT, _END_OF_KIND, _END_OF_REPORT = 4096, "\1", "\0"


class UnavailableViewError(Exception):
    """Objects cannot be shown lazily on this machine; the text says why."""


class LazyView:
    """One mounted channel.

    The constructor mounts. The process must have one thread, and changes for good: its mounts are its own from then on.

    Parameters
    ----------
    placed
        The objects, with their places below `point`, where their folders are.
    open_reader
        Makes what fetches objects.
    is_first
        This process has mounted nothing yet.

    Raises
    ------
    UnavailableViewError
        If there is no way to mount.
    """

    def __init__(
        self,
        channel: str,
        placed: Sequence[Placed],
        point: Path,
        open_reader: Callable[[], ObjectReader],
        *,
        is_first: bool,
    ) -> None:
        self._channel, self._point = channel, point
        folders = [folder.relative_to(point).parts for folder in point.rglob("*")]
        tree = Tree({one.path.relative_to(point).parts: one.item.size for one in placed}, folders)
        items = [one.item for one in placed]
        device = _mounted(point, is_first=is_first)
        self._failure: Exception | None = None
        self._report, report = os.pipe()
        # Only the first failure is read, and whoever waits until the others are answers nobody.
        os.set_blocking(report, False)
        parent = os.getpid()
        self._process = os.fork()
        if self._process == 0:
            _serve(parent, device, report, tree, lambda: ObjectContent(items, open_reader()))
        os.close(device)
        os.close(report)

    @property
    def failure(self) -> Exception | None:
        """Why an object could not be read, the first of all reasons; None while all could."""
        if self._failure is None and select.select([self._report], [], [], 0)[0]:
            self._failure = self._reported()
        return self._failure

    def _reported(self) -> Exception:
        report, *_ = os.read(self._report, _LONGEST_REPORT).decode("utf-8", "replace").split(_END_OF_REPORT)
        kind, _, text = report.partition(_END_OF_KIND)
        if kind == InputError.__name__:
            return InputError(text).of_channel(self._channel)
        return OSError(f"{text or 'the FastFile process is gone'} (channel '{self._channel}')")

    def close(self) -> None:
        """Unmount, and end the process that serves it. Call after the container's end."""
        _libc().umount2(os.fsencode(self._point), _MNT_DETACH)
        with suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self._process, 0)
        os.close(self._report)


def obstacle() -> str:
    """Say what keeps views from being mounted, as far as it shows without trying; empty: nothing."""
    return "" if os.access(DEVICE, os.R_OK | os.W_OK) else f"{DEVICE} is not there, or not open to this user"


def _serve(
    parent: int, device: int, report: int, tree: Tree, open_content: Callable[[], ObjectContent]
) -> NoReturn:
    """Answer the kernel until the mount is gone, in a process of its own."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
        if os.getppid() == parent:
            content = open_content()

            def read(number: int, start: int, size: int) -> bytes:
                try:
                    return content.read(number, start, size)
                except (InputError, OSError) as error:
                    _tell(report, error)
                    raise OSError(errno.EIO, str(error)) from error

            FuseServer(device, tree, read).serve()
    except BaseException:  # noqa: BLE001 - a process's boundary: the run's own one sees that it is gone
        traceback.print_exc()
    finally:
        os._exit(0)


def _tell(report: int, error: Exception) -> None:
    text = f"{type(error).__name__}{_END_OF_KIND}{error}".encode()
    with suppress(BlockingIOError):  # nobody asks for more than the first
        os.write(report, text[: _LONGEST_REPORT - 1] + _END_OF_REPORT.encode())


def _mounted(point: Path, *, is_first: bool) -> int:
    """Mount at `point`; return the descriptor on which the kernel asks."""
    if obstacle():
        raise UnavailableViewError(obstacle())
    if is_first:
        _own_mounts()
    try:
        device = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)  # by whoever mounts: in the same user namespace
    except OSError as error:
        raise UnavailableViewError(f"{DEVICE}: {error.strerror}") from error
    owner = f"user_id={os.getuid()},group_id={os.getgid()}"
    options = f"fd={device},rootmode=40555,{owner},allow_other,default_permissions"
    flags = ctypes.c_ulong(_MS_RDONLY | _MS_NOSUID | _MS_NODEV)
    try:
        _check(_libc().mount(b"wildsage", os.fsencode(point), b"fuse", flags, options.encode()), "mount")
    except UnavailableViewError:
        os.close(device)
        raise
    return device


def _own_mounts() -> None:
    """Make the mounts of this process its own."""
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        _check(_libc().unshare(_CLONE_NEWNS), "unshare")
    else:
        _check(_libc().unshare(_CLONE_NEWNS | _CLONE_NEWUSER), "unshare: user namespaces")
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            Path(f"/proc/self/{name}").write_text(text, encoding="ascii")
    _check(_libc().mount(b"none", b"/", b"", ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None), "mount")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        raise UnavailableViewError(f"{what}: {os.strerror(ctypes.get_errno())}")
