"""The file system of a container, composed by whitelist: what is not named here does not exist in it.

The root is an ordinary folder on disk, private to the container and writable, like the upper layer of an
image. The system's program folders are mounted into it read-only; single files of ``/etc`` are copied, so
that a container may append to its own ``/etc/hosts``. Homes, data directories and the object store are
absent by construction.
"""

import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from wildsage.compute.base import Container, Mount, UnavailableError

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
# Of ssl and pki the certificates alone: beside them lie this machine's private keys, which root may read.
_ETC_FOLDERS = (
    "alternatives", "ca-certificates", "crypto-policies", "fonts", "ld.so.conf.d", "openmpi", "pki/ca-trust",
    "pki/tls/certs", "profile.d", "skel", "ssl/certs", "terminfo",
)  # fmt: skip
_ETC_FILES = (
    "bash.bashrc", "bashrc", "ca-certificates.conf", "debian_version", "environment", "gai.conf", "group",
    "host.conf", "ld.so.cache", "ld.so.conf", "locale.alias", "locale.conf", "localtime", "login.defs",
    "machine-id", "magic", "mime.types", "nsswitch.conf", "os-release", "passwd", "pki/tls/cert.pem",
    "pki/tls/openssl.cnf", "profile", "protocols", "resolv.conf", "services", "shells", "ssl/ca-bundle.pem",
    "ssl/cert.pem", "ssl/openssl.cnf", "timezone",
)  # fmt: skip
_OPEN_TO_OTHERS = stat.S_IROTH | stat.S_IXOTH
_LOOPBACK = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"


def hosts_file(hostname: str, hosts: Mapping[str, str]) -> str:
    """Return the text of ``/etc/hosts``: loopback, the container itself, the hosts of its job."""
    known = known_hosts(hostname, hosts)
    return _LOOPBACK + "".join(f"{address} {name}\n" for name, address in known.items())


def known_hosts(hostname: str, hosts: Mapping[str, str]) -> Mapping[str, str]:
    """Return addresses by name: the container itself, and the hosts of its job."""
    return {hostname: "127.0.0.1", **hosts}


def read_only_proc() -> list[str]:
    """Return where root could turn this machine's own knobs, whatever its capabilities."""
    return [path for path in _MACHINE_KNOBS if Path(path).exists()]


def prepare_root(container: Container) -> list[Mount]:
    """Fill the container's root folder and return what has to be mounted into it, parents first.

    Device nodes and ``/proc`` are the backend's to add.

    Raises
    ------
    UnavailableError
        If the root, and so everything beside it, lies in a folder that is to be mounted.
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
    refuse_visible_root(root, mounts)
    for mount in mounts:
        _make_mount_point(root, mount)
    return mounts


def refuse_visible_root(root: Path, mounts: Sequence[Mount]) -> None:
    """Refuse mounts that show a container what lies beside its root: other runs, the store.

    Raises
    ------
    UnavailableError
        If the root lies in a folder that is to be mounted.
    """
    for mount in mounts:
        if root.resolve().is_relative_to(Path(mount.source).resolve()):
            raise UnavailableError(
                f"{root} is inside {mount.source}, which containers see: put the data directory elsewhere"
            )


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
            content = there.read_bytes()
            (etc / name).parent.mkdir(parents=True, exist_ok=True)
            (etc / name).write_bytes(content)
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
            # A data directory below /opt holds our own root: it stays hidden. So does what is closed to others,
            # for a container of root could read it.
            hidden = child.name == "ml" or root.is_relative_to(child.resolve())
            if not hidden and child.is_dir() and child.stat().st_mode & _OPEN_TO_OTHERS == _OPEN_TO_OTHERS:
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
