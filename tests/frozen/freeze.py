"""Freezes a data directory of this Wildsage for later releases to open: ``python -m tests.frozen.freeze``."""

import contextlib
import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.frozen.opening import Opened, archive_of, description_of
from tests.frozen.releases import describe_everything, until

import wildsage
from wildsage.core.clock import SystemClock
from wildsage.store.layout import Layout
from wildsage.supervisor.contract import JOB_FILE

_LEFT_OUT = (
    "credentials.json",  # a new server makes its own
    "server.lock",
    "server.log",
    "authority",
    "clients",
    "state.db-shm",
    "state.db-wal",
    "telemetry.db-shm",
    "telemetry.db-wal",
)


def freeze(version):
    """Make a data directory; write it, and what is said of it, beside this file."""
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder) / "data")
        with _server(layout.root) as url:
            opened = Opened(url, layout, SystemClock())
            for release in until(version):
                release.fill(opened)
            said = describe_everything(opened, version)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path in sorted(layout.root.rglob("*")):
                if path.relative_to(layout.root).parts[0] not in _LEFT_OUT:
                    _add(archive, path, layout)
        text = json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        _check_anonymous("what is said of it", text.encode(), _places(layout))
    archive_of(version).write_bytes(gzip.compress(packed.getvalue(), mtime=0))
    description_of(version).write_text(text)


@contextlib.contextmanager
def _server(data_dir):
    # From where this machine has its packages concerns nobody else.
    plain = {name: os.environ[name] for name in ("HOME", "PATH", "PYTHONPATH") if name in os.environ}
    environment = {**plain, "PIP_CONFIG_FILE": os.devnull, "WILDSAGE_DATA_DIR": str(data_dir)}
    subprocess.run([sys.executable, "-m", "wildsage", "up", "-d", "--port", "0"], check=True, env=environment)
    try:
        yield json.loads((data_dir / "server.json").read_text())["url"]
    finally:
        subprocess.run([sys.executable, "-m", "wildsage", "down", "--all"], check=True, env=environment)


def _add(archive, path, layout):
    """Add a file or folder, with nothing of this machine in it."""
    member = archive.gettarinfo(path, path.relative_to(layout.root))
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    if not path.is_file():
        archive.addfile(member)
        return
    content = path.read_bytes()
    places = _places(layout)
    if path.name == JOB_FILE:  # of a kept run: it says what of a machine was mounted
        for place, name in places.items():
            content = content.replace(place.encode(), name.encode())
    _check_anonymous(path, content, places)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _check_anonymous(what, content, places):
    for place in places:
        if place.encode() in content:
            raise SystemExit(f"{what} holds {place}, which is a place of this machine")


def _places(layout):
    """Return the folders of this machine that a data directory may name, longest first, each with another name."""
    places = {
        layout.root: "/frozen/data",
        layout.root.parent: "/frozen",
        Path(sys.prefix): "/frozen/environment",
        Path(sys.base_prefix): "/frozen/python",
        Path(wildsage.__file__).parents[1]: "/frozen/source",
        Path.home(): "/frozen/home",
    }
    return {str(path): places[path] for path in sorted(places, key=lambda path: len(str(path)), reverse=True)}


if __name__ == "__main__":
    freeze(wildsage.__version__)
