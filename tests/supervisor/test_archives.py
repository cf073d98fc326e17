"""What a container left behind is packed, and comes back."""

import os
import random
import socket
import tarfile

import pytest

from wildsage.formats.archives import extract
from wildsage.supervisor.archives import pack


@pytest.fixture
def target(tmp_path):
    target = tmp_path / "outer" / "target"
    target.mkdir(parents=True)
    return target


def everything_below(path):
    return {entry.relative_to(path).as_posix() for entry in path.rglob("*")}


def test_what_is_packed_comes_back(tmp_path, target):
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "big").write_bytes(random.Random(0).randbytes(3 << 20))
    (source / "sub" / "tool").write_bytes(b"#!")
    (source / "sub" / "tool").chmod(0o755)
    os.utime(source / "sub" / "tool", (1_000_000, 1_000_000))
    (source / "twice").hardlink_to(source / "sub" / "tool")
    (source / "link").symlink_to("sub/tool")
    (source / "empty").mkdir()
    size = pack(source, tmp_path / "a.tar.gz")
    assert size == (tmp_path / "a.tar.gz").stat().st_size
    extract(tmp_path / "a.tar.gz", target)
    assert everything_below(target) == everything_below(source)
    assert (target / "sub/big").read_bytes() == (source / "sub/big").read_bytes()
    assert (target / "twice").read_bytes() == b"#!"
    assert (target / "link").readlink().as_posix() == "sub/tool"
    assert (target / "sub/tool").stat().st_mtime == 1_000_000


def test_packing_is_repeatable(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in "cab":
        (source / name).write_text(name)
    pack(source, tmp_path / "1")
    pack(source, tmp_path / "2")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_packing_follows_no_link_and_leaves_out_what_is_no_file(tmp_path):
    (tmp_path / "secret").write_text("secret")
    source = tmp_path / "source"
    source.mkdir()
    (source / "stolen").symlink_to(tmp_path / "secret")
    (source / "folder").symlink_to(tmp_path)
    os.mkfifo(source / "fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(source / "s"))
        pack(source, tmp_path / "a.tar.gz")
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        assert {info.name: info.issym() for info in tar} == {"folder": True, "stolen": True}
        assert {(info.uid, info.uname) for info in tar} == {(0, "root")}


def test_nothing_packs_to_an_empty_archive(tmp_path, target):
    pack(None, tmp_path / "a")
    assert extract(tmp_path / "a", target) == 0
