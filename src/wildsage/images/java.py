"""The Java of this machine: where it is, and what a container has to see of it."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HOW_TO_INSTALL = (
    "install one (Debian and Ubuntu: apt install openjdk-17-jre-headless; Fedora: dnf install java-17-openjdk-headless),"
    " or set JAVA_HOME, and start the server again"
)
_CONFIGURATION = ("conf", "lib/security")
"""Below a Java home: where distributions put links to files in ``/etc``."""


@dataclass(frozen=True, slots=True)
class Java:
    """An installed Java.

    Attributes
    ----------
    home
        What ``JAVA_HOME`` says of it.
    folders
        What it needs to be seen: its home, and where the links in it lead.
    """

    home: Path
    folders: tuple[Path, ...]


def find_java(environment: Mapping[str, str] = os.environ) -> Java | None:
    """Return the Java that ``JAVA_HOME`` names, else the one on the ``PATH``; None where there is none."""
    named = environment.get("JAVA_HOME", "")
    if named and os.access(Path(named, "bin/java"), os.X_OK):
        home = Path(named).resolve()
    else:
        program = shutil.which("java", path=environment.get("PATH"))
        if program is None:
            return None
        home = Path(program).resolve().parent.parent
    return Java(home, (home, *sorted(set(_linked_folders(home)))))


def _linked_folders(home: Path) -> Iterator[Path]:
    for name in _CONFIGURATION:
        for path in (home / name).rglob("*"):
            if path.is_symlink() and path.exists() and not path.resolve().is_relative_to(home):
                yield path.resolve().parent
