"""Images for tests, made of files of this machine: no registry is asked."""

import io
import shutil
import subprocess
import tarfile
import uuid
from contextlib import contextmanager

_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_FOLDERS = ("etc", "home", "opt", "root", "usr", "var/tmp")
_FILES = {"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/nsswitch.conf": "hosts: files dns\n"}


@contextmanager
def machine_image(engine):
    """Make an image without programs, whose system folders are this machine's if ``/usr`` is mounted."""
    with imported(engine, _archive()) as name:
        yield name


@contextmanager
def imported(engine, archive, *changes):
    """Make an image of an archive of files; `changes` are lines of a Containerfile."""
    name = f"localhost/wildsage-test-{uuid.uuid4().hex[:12]}:1"
    options = [word for change in changes for word in ("--change", change)]
    subprocess.run([engine, "import", *options, "-", name], input=archive, check=True, capture_output=True)
    try:
        yield name
    finally:
        subprocess.run([engine, "image", "rm", "--force", name], check=False, capture_output=True)


def packed(files, links=(), folders=()):
    """Pack files (content by name, all of them executable), links (target by name) and folders.

    No two archives are equal: they would be one image, which another test may be about to remove.
    """
    files = {**files, "note": uuid.uuid4().hex.encode()}
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name in folders:
            item = tarfile.TarInfo(name)
            item.type, item.mode = tarfile.DIRTYPE, 0o1777 if name.endswith("tmp") else 0o755
            archive.addfile(item)
        for name, there in dict(links).items():
            item = tarfile.TarInfo(name)
            item.type, item.linkname = tarfile.SYMTYPE, there
            archive.addfile(item)
        for name, content in files.items():
            item = tarfile.TarInfo(name)
            item.size, item.mode = len(content), 0o755
            archive.addfile(item, io.BytesIO(content))
    return target.getvalue()


def _archive():
    files = {name: content.encode() for name, content in _FILES.items()}
    return packed(files, {name: f"usr/{name}" for name in _LINKS}, (*_FOLDERS, "tmp"))


def compiled(source, folder):
    """Compile a program that needs no library, and return its content; None where nothing can."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    target = folder / source.stem
    if compiler is None:
        return None
    done = subprocess.run(
        [compiler, "-static", "-O1", "-o", target, source], check=False, capture_output=True
    )
    return target.read_bytes() if done.returncode == 0 else None
