"""Images that the user registered: a directory with ``train``, ``process`` or ``serve``, or a command."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from wildsage.images.program import PURPOSES
from wildsage.images.uri import ImageUri, parse_image_uri

_CONTENT = "content"


@dataclass(frozen=True, slots=True)
class RegisteredImage:
    """One registered image.

    Attributes
    ----------
    repository, tag
        Its name.
    digest
        ``sha256:…`` of its content: equal content has an equal digest.
    executables
        Which of ``train``, ``process`` and ``serve`` the directory has; empty for a command.
    command
        The command, which gets ``train`` or ``serve`` as its last argument, and nothing in a processing job;
        empty for a directory.
    relocatable
        True: its programs find their files through ``SAGEMAKER_BASE_DIR``, so they need no sandbox.
    """

    repository: str
    tag: str
    digest: str
    executables: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    relocatable: bool = False

    @property
    def name(self) -> str:
        """``REPOSITORY:TAG``."""
        return f"{self.repository}:{self.tag}"


@dataclass(frozen=True, slots=True)
class _Known:
    """A record as it was read: another file at its path is another version."""

    path: Path
    version: tuple[int, int, int]
    image: RegisteredImage


class RegisteredImages:
    """The images in one folder: a record ``NAME.json`` each, and their content by digest.

    A record appears by rename after its content is on disk, so an interrupted `add` leaves no image.

    Parameters
    ----------
    folder
        Where they are kept. Other processes may read and change it at the same time: records and
        content appear and go by rename.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, str], _Known] = {}

    def add_directory(self, name: str, directory: Path, *, relocatable: bool = False) -> RegisteredImage:
        """Register a copy of `directory`: later changes of the original do not reach it.

        Raises
        ------
        ValueError
            If the name is not an image name, or the directory has no such program.
        """
        uri = _own_name(name)
        found = tuple(one for one in PURPOSES if os.access(directory / one, os.X_OK))
        if not directory.is_dir() or not found:
            raise ValueError(
                f"{directory} is not an image directory: it needs an executable file `train`, `process` or `serve` (chmod +x)"
            )
        digest = self._store_content(directory)
        image = RegisteredImage(uri.repository, uri.tag, digest, executables=found, relocatable=relocatable)
        self._write(image)
        return image

    def add_command(self, name: str, command: Sequence[str], *, relocatable: bool = False) -> RegisteredImage:
        """Register a command of this machine; it gets ``train`` or ``serve`` as its last argument, to process none.

        Raises
        ------
        ValueError
            If the name is not an image name, or there is no such program.
        """
        uri = _own_name(name)
        program = shutil.which(command[0]) if command else None
        if program is None:
            raise ValueError(f"{' '.join(command)!r} is not a command: there is no executable {command[:1]}")
        # Files that the command names are mounted, so their paths must not hang on the current folder.
        argv = tuple(_absolute(word) for word in (program, *command[1:]))
        digest = "sha256:" + hashlib.sha256("\0".join(argv).encode()).hexdigest()
        image = RegisteredImage(uri.repository, uri.tag, digest, command=argv, relocatable=relocatable)
        self._write(image)
        return image

    def list(self) -> Sequence[RegisteredImage]:
        """Return the registered images in the order of their names."""
        if not self._folder.is_dir():
            return ()
        images = [_read(path) for path in self._folder.glob("*.json")]
        return sorted(images, key=lambda image: (image.repository, image.tag))

    def find(self, uri: ImageUri) -> RegisteredImage | None:
        """Return the image that a URI names, by its digest where it has one, else by its tag."""
        if uri.digest:
            same = (image for image in self.list() if image.repository == uri.repository)
            return next((image for image in same if image.digest == uri.digest), None)
        known = self._known.get((uri.repository, uri.tag))
        path = known.path if known else self._record(uri.repository, uri.tag)
        try:
            status = path.stat()
        except OSError:
            return None
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        if known is None or known.version != version:
            known = self._known[uri.repository, uri.tag] = _Known(path, version, _read(path))
        return known.image

    def remove(self, name: str) -> None:
        """Forget an image. Content that no other image has goes too: stop the jobs that run it first.

        Raises
        ------
        LookupError
            If there is none of this name.
        """
        uri = parse_image_uri(name)
        image = self.find(uri)
        if image is None:
            raise LookupError(
                f"no image {name!r} is registered; there are: {[one.name for one in self.list()]}"
            )
        self._record(image.repository, image.tag).unlink()
        _sync(self._folder)
        if all(other.digest != image.digest for other in self.list()):
            shutil.rmtree(self.content(image), ignore_errors=True)

    def unreferenced(self) -> Sequence[Path]:
        """Return the content that belongs to no image: of one that was removed, or whose adding was killed."""
        used = {self.content(image) for image in self.list()}
        contents = self._folder / _CONTENT
        return sorted(path for path in contents.iterdir() if path not in used) if contents.is_dir() else ()

    def content(self, image: RegisteredImage) -> Path:
        """Return the folder that holds the copied directory."""
        return self._folder / _CONTENT / image.digest.removeprefix("sha256:")

    def _record(self, repository: str, tag: str) -> Path:
        return self._folder / f"{quote(f'{repository}:{tag}', safe='')}.json"

    def _store_content(self, directory: Path) -> str:
        """Copy, and return the digest of the copy: what was hashed is what runs."""
        contents = self._folder / _CONTENT
        contents.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = contents / f".adding.{os.getpid()}"
        try:
            shutil.copytree(directory, temporary, symlinks=True)
            digest = _digest_of(temporary)
            target = contents / digest.removeprefix("sha256:")
            if not target.is_dir():
                for path in _walk(temporary):
                    if path.is_file() and not path.is_symlink():
                        _sync(path)
                temporary.rename(target)
                _sync(contents)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return digest

    def _write(self, image: RegisteredImage) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._record(image.repository, image.tag)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(asdict(image), indent=1))
        _sync(temporary)
        temporary.rename(path)
        _sync(self._folder)


def _own_name(name: str) -> ImageUri:
    uri = parse_image_uri(name)
    if uri.digest:
        raise ValueError(f"{name!r} cannot name an image: give NAME or NAME:TAG, without a digest")
    return uri


def _absolute(word: str) -> str:
    # A folder is meant where a path is written: a module, or an action such as `run`, may have its name.
    named = os.path.isfile(word) or ("/" in word and os.path.lexists(word))  # noqa: PTH113 - as below
    return os.path.abspath(word) if named else word  # noqa: PTH100 - keeps symlinks


def _read(path: Path) -> RegisteredImage:
    raw = json.loads(path.read_text())
    return RegisteredImage(
        **{**raw, "executables": tuple(raw["executables"]), "command": tuple(raw["command"])}
    )


def _walk(folder: Path) -> Iterator[Path]:
    """All paths below `folder`, in one order on every machine."""
    return iter(sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).parts))


def _digest_of(folder: Path) -> str:
    """SHA-256 over names, modes and bytes."""
    total = hashlib.sha256()
    for path in _walk(folder):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            kind, content = "link", str(path.readlink()).encode()
        elif path.is_file():
            with path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").digest()
            kind = "program" if os.access(path, os.X_OK) else "file"
        else:
            kind, content = "folder", b""
        total.update(f"{kind}\0{name}\0{len(content)}\0".encode() + content)
    return "sha256:" + total.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
