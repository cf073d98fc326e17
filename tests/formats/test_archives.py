"""Archives that nobody trusts are extracted or refused."""

import gzip
import io
import os
import tarfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.formats.archives import ArchiveError, Quota, extract


def member(name, content=b"x", **changes):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in changes.items():
        setattr(info, field, value)
    return info, content


def link(name, target, kind=tarfile.SYMTYPE):
    return member(name, b"", type=kind, linkname=target)


def archive_of(path, *members, opener=gzip.open):
    with opener(path, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def target(tmp_path):
    target = tmp_path / "outer" / "target"
    target.mkdir(parents=True)
    return target


def everything_below(path):
    return {entry.relative_to(path).as_posix() for entry in path.rglob("*")}


@pytest.mark.parametrize("opener", [gzip.open, open])
def test_files_folders_modes_and_inner_links_arrive(tmp_path, target, opener):
    path = archive_of(
        tmp_path / "a",
        member("./", b"", type=tarfile.DIRTYPE),
        member("./code/", b"", type=tarfile.DIRTYPE),
        member("code/run.sh", b"#!", mode=0o755, mtime=1000),
        member("deep/er/file", b"content"),
        link("code/alias", "../deep/er/file"),
        link("again", "deep/er/file", tarfile.LNKTYPE),
        opener=opener,
    )
    assert extract(path, target) == 9
    assert (target / "deep/er/file").read_bytes() == b"content"
    assert (target / "code/alias").read_bytes() == b"content"
    assert (target / "again").read_bytes() == b"content"
    assert os.access(target / "code/run.sh", os.X_OK)
    assert not os.access(target / "deep/er/file", os.X_OK)
    assert (target / "code/run.sh").stat().st_mtime == 1000


@pytest.mark.parametrize(
    "members",
    [
        [member("../evil")],
        [member("a/../../evil")],
        [member("/evil")],
        [member("//evil")],
        [link("evil", "/etc/passwd")],
        [link("evil", "../../outside")],
        [link("a/evil", "../../outside")],
        [link("way", ".."), member("way/evil")],
        [link("way", "/"), member("way/evil")],
        [link("one", "two"), link("two", "../.."), member("one/evil")],
        [link("evil", "/etc/passwd", tarfile.LNKTYPE)],
        [link("evil", "../secret", tarfile.LNKTYPE)],
        [link("evil", "absent", tarfile.LNKTYPE)],
        [member("evil", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
        [member("evil", b"", type=tarfile.BLKTYPE)],
        [member("evil", b"", type=tarfile.FIFOTYPE)],
        [member("evil", mode=0o4755)],
        [member("evil", mode=0o2755)],
        [member("evil", pax_headers={"path": "a\0b"})],
        [member("evil", pax_headers={"path": "../evil"})],
        [link("l", "t"), member("l", b"replaced"), link("m", "../x")],
    ],
)
def test_hostile_members_are_refused(tmp_path, target, members):
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(ArchiveError):
        extract(archive_of(tmp_path / "a", *members), target)
    assert everything_below(tmp_path) - {"outer", "outer/target", "a", "secret"} <= {
        f"outer/target/{name}" for name in ("one", "two", "way", "a", "l", "t")
    }
    assert (tmp_path / "secret").read_text() == "secret"


@pytest.mark.parametrize(
    "members",
    [
        [member("a"), member("a/b")],
        [member("a/b"), member("a")],
        [member("a"), member("a", b"", type=tarfile.DIRTYPE)],
        [member("a/b"), link("a", "c")],
        [link("a", "a"), member("a/b")],
        [link("a", "b"), link("b", "a"), member("b/c/d")],
        [member("n" * 300)],
        [member("a", pax_headers={"mtime": "1e400"})],
        [member("a", pax_headers={"mtime": "nan"})],
        [member("a", pax_headers={"GNU.sparse.map": "0,1,two"})],
    ],
    ids=[
        "file that is a folder", "folder that is a file", "file, then folder", "folder, then link",
        "link to itself", "links in a circle", "long name", "infinite time", "no time", "no sparse map",
    ],
)  # fmt: skip
def test_members_that_cannot_be_there_are_refused_with_their_archive(tmp_path, target, members):
    path = archive_of(tmp_path / "impossible", *members)
    with pytest.raises(ArchiveError) as refused:
        extract(path, target)
    assert str(tmp_path) not in str(refused.value)


def test_links_in_a_circle_are_links_like_others(tmp_path, target):
    assert extract(archive_of(tmp_path / "circle", link("a", "b"), link("b", "a")), target) == 0
    assert everything_below(target) == {"a", "b"}


def test_a_file_does_not_write_through_a_link_of_its_name(tmp_path, target):
    (target / "there").write_text("old")
    extract(archive_of(tmp_path / "a", link("name", "there"), member("name", b"new")), target)
    assert (target / "there").read_text() == "old"
    assert (target / "name").read_text() == "new"


def test_a_bomb_of_zeros_is_stopped(tmp_path, target):
    """Ten gigabytes that take ten megabytes: refused from the header, nothing of it written."""
    path = tmp_path / "bomb"
    info = tarfile.TarInfo("zeros")
    info.size = 10 * 1024**3
    with gzip.open(path, "wb") as file:
        file.write(info.tobuf())
        file.write(bytes(1 << 20))
    with pytest.raises(ArchiveError, match="times its size"):
        extract(path, target)
    assert everything_below(target) == set()


def test_too_many_members_are_stopped(tmp_path, target):
    members = [member(str(n), b"") for n in range(20)]
    with pytest.raises(ArchiveError, match="more than 10 members"):
        extract(archive_of(tmp_path / "a", *members), target, Quota(members=10))
    assert len(everything_below(target)) == 10


def test_too_many_bytes_are_stopped(tmp_path, target):
    path = archive_of(tmp_path / "a", member("one", b"x" * 600), member("two", b"x" * 600))
    with pytest.raises(ArchiveError, match="more than 1000 bytes"):
        extract(path, target, Quota(total_bytes=1000))
    assert everything_below(target) == {"one"}


def test_a_huge_extended_header_is_not_read_into_memory(tmp_path, target):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 1 << 32
    (tmp_path / "a").write_bytes(gzip.compress(info.tobuf()))
    with pytest.raises(ArchiveError, match="extended header of 4294967296 bytes"):
        extract(tmp_path / "a", target)


def test_data_behind_the_end_is_bounded(tmp_path, target):
    path = archive_of(tmp_path / "a", member("file"))
    with path.open("ab") as file:
        file.write(gzip.compress(bytes(8 << 20)))
    with pytest.raises(ArchiveError, match="behind its end"):
        extract(path, target)


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"\x1f\x8b but no gzip", os.urandom(2000)])
def test_what_is_no_archive_is_refused(tmp_path, target, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ArchiveError, match="damaged"):
        extract(tmp_path / "a", target)


@pytest.mark.parametrize("opener", [gzip.open, open])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_an_archive_error_or_harmless(tmp_path_factory, opener, data):
    folder = tmp_path_factory.mktemp("damage")
    path = archive_of(
        folder / "a", member("one", b"1" * 700), link("l", "one"), member("d/two"), opener=opener
    )
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    target = folder / "outer" / "target"
    target.mkdir(parents=True)
    with suppress(ArchiveError, OSError):
        extract(path, target)
    assert {entry.name for entry in (folder / "outer").iterdir()} == {"target"}
