"""Become a container: a script that an isolated interpreter runs, ``python -I -S enter.py SPECIFICATION``.

It stands alone and imports little, because every container's start waits for it. The specification is a
marshalled mapping on the given descriptor; see `wildsage.compute.namespaces` and `wildsage.compute.plain`,
which write it. The processes, outermost first:

- *outer*, our launcher's child: makes the namespaces, waits, reports. Dies with the launcher.
- *init*: process 1 of the container (in ``plain`` it is *outer* itself, a subreaper). Builds the file
  system, reaps, and when the command ends takes everything else with it.
- the command, in init's process group.
"""

import ctypes
import marshal
import os
import signal
import sys
import time

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
_SYS_MOUNT_SETATTR = 442  # the same on every architecture
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_SIOCSIFFLAGS, _IFF_UP_RUNNING = 0x8914, 0x1 | 0x40
_LAST_CAPABILITY = 63
_CAPABILITY_VERSION = 0x20080522

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)

_libc = ctypes.CDLL(None, use_errno=True)


class Specification:
    """What to start. See `wildsage.compute.base.Container` for the meaning of the fields."""

    def __init__(self, descriptor: int) -> None:
        with open(descriptor, "rb") as file:
            fields = marshal.load(file)  # noqa: S302 - written by our own parent process
        self.argv: list[str] = fields["argv"]
        self.environment: dict[str, str] = fields["environment"]
        self.working_directory: str = fields["working_directory"]
        self.root: str = fields["root"]
        self.mounts: list[tuple[str, str, bool]] = fields["mounts"]
        self.read_only: list[str] = fields["read_only"]
        self.hostname: str = fields["hostname"]
        self.isolated: bool = fields["isolated"]
        self.private: bool = fields["private"]
        self.launcher: int = fields["launcher"]
        self.status: int = fields["status"]
        self.kept_capabilities: list[int] = fields["kept_capabilities"]


class SetupError(Exception):
    """A step of the way into the container failed."""


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise SetupError(f"{what}: {os.strerror(error)}")


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl({option})")


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    arguments = (source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())
    _check(_libc.mount(*arguments), f"mount {source} at {target}")


def _set_attributes(target: str, attributes: int) -> None:
    """Restrict a mount and all below it; a plain remount would reach the uppermost only."""
    block = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    result = _libc.syscall(
        _SYS_MOUNT_SETATTR, _AT_FDCWD, target.encode(), _AT_RECURSIVE, block, ctypes.c_size_t(32)
    )
    _check(result, f"mount_setattr {target} (Linux 5.12 has it)")


def _bind(source: str, target: str, attributes: int) -> None:
    _mount(source, target, "", _MS_BIND | _MS_REC)
    if attributes:
        _set_attributes(target, attributes)


def _die_with(parent: int, number: int = signal.SIGKILL) -> None:
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(1)


def _report(status: int, key: str, value: int) -> None:
    os.write(status, b'{"%b": %d}\n' % (key.encode(), value))


def _code_of(wait_status: int) -> int:
    code = os.waitstatus_to_exitcode(wait_status)
    return 128 - code if code < 0 else code


# The command


def _execute(spec: Specification) -> None:
    """Become the command. Never returns."""
    for number in signal.valid_signals():  # exec resets handlers, but what is ignored would stay ignored
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    failure: OSError | None = None
    try:
        os.chdir(spec.working_directory)
        for path in _candidates(spec.argv[0], spec.environment.get("PATH", os.defpath)):
            try:
                os.execve(path, spec.argv, spec.environment)  # noqa: S606 - no shell is wanted
            except (FileNotFoundError, NotADirectoryError) as error:
                failure = failure or error
    except OSError as error:
        failure = error
    reason = os.strerror(failure.errno or 0) if failure else "not found"
    os.write(2, f"cannot run {spec.argv[0]}: {reason}\n".encode())
    os._exit(127 if failure is None or isinstance(failure, FileNotFoundError | NotADirectoryError) else 126)


def _candidates(program: str, path: str) -> list[str]:
    """Where a program may be. Not `os.execvpe`, which imports: here Python's own library is out of sight."""
    if "/" in program:
        return [program]
    return [f"{folder or '.'}/{program}" for folder in path.split(":")]


def _drop_capabilities(kept: list[int]) -> None:
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _drop_inheritable_capabilities()
    if os.geteuid() == 0:
        for number in range(_LAST_CAPABILITY + 1):
            if number not in kept and _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0):
                break  # the kernel knows fewer


def _drop_inheritable_capabilities() -> None:
    """Drop, and with them the ambient ones: what a service was started with would pass through exec."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; the lower and then the upper halves
    _check(_libc.capget(header, sets), "capget")
    sets[2] = sets[5] = 0
    _check(_libc.capset(header, sets), "capset")


def _supervise(spec: Specification) -> int:
    """Start the command, reap whatever ends, and return the command's exit code."""
    # A signal that comes between fork and exec is the command's, not for the handler that it still has.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    command = os.fork()
    if command == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _execute(spec)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    while True:
        child, status = os.wait()
        if child == command:
            code = _code_of(status)
            _report(spec.status, "exit-code", code)
            return code


# In namespaces


def _unshare(spec: Specification) -> None:
    flags = _CLONE_NEWNS | _CLONE_NEWPID | _CLONE_NEWIPC | _CLONE_NEWUTS
    if spec.isolated:
        flags |= _CLONE_NEWNET
    user, group = os.geteuid(), os.getegid()
    if user != 0 or _libc.unshare(flags) != 0:
        _unshare_as(user, group, flags)
    if spec.isolated:
        _raise_loopback()


def enter_network_namespace() -> None:
    """Move this process into a network namespace of its own, where loopback alone is up."""
    user, group = os.geteuid(), os.getegid()
    if user != 0 or _libc.unshare(_CLONE_NEWNET) != 0:
        _unshare_as(user, group, _CLONE_NEWNET)
    _raise_loopback()


def _unshare_as(user: int, group: int, flags: int) -> None:
    """Get the rights that namespaces need from a user namespace, in which we stay who we are."""
    _check(_libc.unshare(flags | _CLONE_NEWUSER), "unshare: user namespaces")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib costs 5 ms
            file.write(text)


def _build_root(spec: Specification) -> None:
    root = spec.root
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    _bind(root, root, _ATTR_NOSUID | _ATTR_NODEV)
    for source, target, writable in spec.mounts:
        _bind(source, root + target, _ATTR_NOSUID | _ATTR_NODEV | (0 if writable else _ATTR_RDONLY))
    _mount("proc", f"{root}/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    for path in spec.read_only:
        _bind(root + path, root + path, _ATTR_RDONLY)
    _build_dev(f"{root}/dev")
    os.chdir(root)
    machine = os.uname().machine
    if machine not in _SYS_PIVOT_ROOT:
        raise SetupError(f"pivot_root: its number on {machine} is not known; install bubblewrap")
    _check(_libc.syscall(_SYS_PIVOT_ROOT[machine], b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", _MNT_DETACH), "umount the old root")
    os.chdir("/")


def _build_dev(dev: str) -> None:
    _mount("tmpfs", dev, "tmpfs", _MS_NOSUID, "mode=0755,size=1m")
    for name in _DEVICES:
        os.close(os.open(f"{dev}/{name}", os.O_CREAT | os.O_WRONLY))
        _bind(f"/dev/{name}", f"{dev}/{name}", 0)
    for name, target in _DEVICE_LINKS:
        os.symlink(target, f"{dev}/{name}")  # noqa: PTH211 - pathlib costs 5 ms
    os.mkdir(f"{dev}/shm")  # noqa: PTH102 - pathlib costs 5 ms
    _mount("tmpfs", f"{dev}/shm", "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=1777")
    os.mkdir(f"{dev}/pts")  # noqa: PTH102 - pathlib costs 5 ms
    _mount("devpts", f"{dev}/pts", "devpts", _MS_NOSUID | _MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")


def _raise_loopback() -> None:
    import fcntl  # noqa: PLC0415 - only isolated containers pay for these imports
    import socket  # noqa: PLC0415 - as above

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = b"lo".ljust(16, b"\0") + _IFF_UP_RUNNING.to_bytes(2, sys.byteorder) + bytes(14)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)


def _be_init(spec: Specification, lifeline: int) -> None:
    """Be process 1. Never returns; the kernel then ends every process of the container."""
    code = 1
    try:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.read(lifeline, 1)  # "go" from outer: it was alive after we asked to die with it
        os.setsid()
        _build_root(spec)
        name = spec.hostname.encode()
        _check(_libc.sethostname(name, len(name)), "sethostname")
        _drop_capabilities(spec.kept_capabilities)
        code = _supervise(spec)
    except (SetupError, OSError) as error:
        os.write(2, f"sandbox: {error}\n".encode())
    finally:
        os._exit(code)


def _enter_namespaces(spec: Specification) -> int:
    _die_with(spec.launcher)
    _unshare(spec)
    reader, writer = os.pipe()
    init = os.fork()
    if init == 0:
        os.close(writer)
        _be_init(spec, reader)
    os.close(reader)
    _report(spec.status, "child-pid", init)
    os.write(writer, b"!")
    _, status = os.waitpid(init, 0)
    code = _code_of(status)
    if os.WIFSIGNALED(status):
        _report(spec.status, "exit-code", code)
    return code


# Without namespaces


def _descendants(of: int) -> list[int]:
    """Return every process below a subreaper; orphans are its children."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib costs 5 ms
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - pathlib costs 5 ms
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            children.setdefault(parent, []).append(int(name))
    found, queue = [], [of]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def _kill_descendants() -> None:
    """Kill until nobody is left: one that forks meanwhile is found in the next round."""
    while True:
        remaining = _descendants(os.getpid())
        for process in remaining:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def _end_all(_number: int, _frame: object) -> None:
    _kill_descendants()
    os._exit(137)


def _enter_plain(spec: Specification) -> int:
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    os.setsid()
    signal.signal(signal.SIGTERM, lambda *_: None)  # sent to the whole group: meant for the command
    signal.signal(signal.SIGUSR1, _end_all)
    _die_with(spec.launcher, signal.SIGUSR1)
    _report(spec.status, "child-pid", os.getpid())
    code = _supervise(spec)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    _kill_descendants()
    return code


def main() -> int:
    """Start what the specification says; return the command's exit code."""
    spec = Specification(int(sys.argv[1]))
    os.set_inheritable(spec.status, False)
    try:
        return _enter_namespaces(spec) if spec.private else _enter_plain(spec)
    except (SetupError, OSError) as error:
        os.write(2, f"sandbox: {error}\n".encode())
        return 1


if __name__ == "__main__":
    os._exit(main())
