"""The file system of a container, composed by whitelist: what is not named here does not exist in it.

The root is an ordinary folder on disk, private to the container and writable, like the upper layer of an
image. The system's program folders are mounted into it read-only; single files of ``/etc`` are copied, so
that a container may append to its own ``/etc/hosts``. Homes, data directories and the object store are
absent by construction.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from wildsage.compute.base import Container, Mount

_SYSTEM_FOLDERS = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix/store", "gnu/store")
_READABLE_STATE = ("/sys/devices/system",)  # how many processors there are: numerical libraries ask
_MACHINE_KNOBS = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs")
_OWN_FOLDERS = (
    "dev",
    "etc",
    "home",
    "opt",
    "proc",
    "root",
    "run",
    "srv",
    "sys",
    "var/cache",
    "var/lib",
    "var/log",
)
_SHARED_FOLDERS = ("tmp", "var/tmp")
_ETC_FOLDERS = (
    "alternatives", "ca-certificates", "crypto-policies", "fonts", "ld.so.conf.d", "openmpi", "pki", "profile.d",
    "skel", "ssl", "terminfo",
)  # fmt: skip
_ETC_FILES = (
    "bash.bashrc", "bashrc", "ca-certificates.conf", "debian_version", "environment", "gai.conf", "group",
    "host.conf", "ld.so.cache", "ld.so.conf", "locale.alias", "locale.conf", "localtime", "login.defs",
    "machine-id", "magic", "mime.types", "nsswitch.conf", "os-release", "passwd", "profile", "protocols",
    "resolv.conf", "services", "shells", "timezone",
)  # fmt: skip
_LOOPBACK = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"


def hosts_file(hostname: str, hosts: Mapping[str, str]) -> str:
    """Return the text of ``/etc/hosts``: loopback, the container itself, the hosts of its job."""
    known = {hostname: "127.0.0.1", **hosts}
    return _LOOPBACK + "".join(f"{address} {name}\n" for name, address in known.items())


def read_only_proc() -> list[str]:
    """Return where root could turn this machine's own knobs, whatever its capabilities."""
    return [path for path in _MACHINE_KNOBS if Path(path).exists()]


def prepare_root(container: Container) -> list[Mount]:
    """Fill the container's root folder and return what has to be mounted into it, parents first.

    Device nodes and ``/proc`` are the backend's to add.
    """
    root = container.root
    for name in _OWN_FOLDERS:
        (root / name).mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in _SHARED_FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(0o1777)
    mounts = [*_system(root), *_etc(container), *_opt(root)]
    mounts += [Mount(path, path) for path in _READABLE_STATE if Path(path).is_dir()]
    mounts += sorted(container.mounts, key=lambda mount: mount.target.count("/"))
    for mount in mounts:
        _make_mount_point(root, mount)
    return mounts


def _system(root: Path) -> Iterator[Mount]:
    for name in _SYSTEM_FOLDERS:
        there = Path("/", name)
        if there.is_symlink():
            _link(root / name, there)
        elif there.is_dir():
            yield Mount(str(there), str(there))


def _etc(container: Container) -> Iterator[Mount]:
    etc = container.root / "etc"
    for name in _ETC_FILES:
        there = Path("/etc", name)
        with suppress(OSError):  # absent, or not for us to read: then not for the container either
            shutil.copyfile(there, etc / name)
    (etc / "hosts").write_text(hosts_file(container.hostname, container.hosts), encoding="utf-8")
    (etc / "hostname").write_text(container.hostname + "\n", encoding="utf-8")
    _link(etc / "mtab", Path("/proc/mounts"), "/proc/mounts")
    for name in _ETC_FOLDERS:
        there = Path("/etc", name)
        if there.is_dir():
            yield Mount(str(there.resolve()), str(there))


def _opt(root: Path) -> Iterator[Mount]:
    with suppress(OSError):
        for child in sorted(Path("/opt").iterdir()):
            # A data directory below /opt holds our own root: it stays hidden.
            if child.name != "ml" and child.is_dir() and not root.is_relative_to(child.resolve()):
                yield Mount(str(child.resolve()), str(child))


def _link(place: Path, there: Path, target: str | None = None) -> None:
    with suppress(FileExistsError):
        place.symlink_to(target or there.readlink())


def _make_mount_point(root: Path, mount: Mount) -> None:
    place = root / mount.target.lstrip("/")
    with suppress(FileExistsError):
        if Path(mount.source).is_dir():
            place.mkdir(mode=0o755, parents=True, exist_ok=True)
        else:
            place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            place.touch()
