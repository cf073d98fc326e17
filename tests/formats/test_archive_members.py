import gzip
import io
import tarfile
import zipfile

import pytest

from wildsage.formats.archive_members import read_member
from wildsage.formats.archives import ArchiveError


def archive(*members, compress=True):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz" if compress else "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def written(folder, *parts):
    paths = [folder / str(number) for number in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        path.write_bytes(part)
    return paths


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("name", ["code/a.txt", "./code/a.txt"])
def test_a_member_is_found_by_its_path(tmp_path, compress, name):
    content = archive(("a.txt", b"no"), (name, b"yes"), ("code/a.txt", b"later"), compress=compress)
    assert read_member(written(tmp_path, content), "code/a.txt") == b"yes"


def test_an_archive_may_lie_in_several_files(tmp_path):
    content = archive(("a.txt", b"x" * 5000), ("b.txt", b"yes"))
    parts = [content[:3], b"", content[3:50], content[50:]]
    assert read_member(written(tmp_path, *parts), "b.txt") == b"yes"


def test_what_is_not_there_is_none(tmp_path):
    files = written(tmp_path, archive(("a.txt", b"1"), ("big", bytes((1 << 20) + 1))))
    assert read_member(files, "b.txt") is None
    assert read_member(files, "big") is None


def test_a_member_behind_the_bound_is_not_found(tmp_path):
    zeros = archive(("zeros", bytes(1 << 22)), ("a.txt", b"1"))
    files = written(tmp_path, zeros)
    assert read_member(files, "a.txt") == b"1"
    try:
        found = read_member(files, "a.txt", most_read=1 << 20)
    except ArchiveError:
        found = None
    assert found is None


@pytest.mark.parametrize(
    "content",
    [b"no archive at all", gzip.compress(b"x" * 600), archive(("a", b"1"))[:-30]],
    ids=["text", "compressed-text", "cut-off"],
)
def test_damaged_archives_are_refused(tmp_path, content):
    with pytest.raises(ArchiveError, match="the archive is damaged"):
        read_member(written(tmp_path, content), "b")


def test_a_link_is_no_file(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("a.txt")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    assert read_member(written(tmp_path, buffer.getvalue()), "a.txt") is None


def zipped(*members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


def test_a_member_of_a_zip_is_found(tmp_path):
    content = zipped(("a.txt", b"no"), ("code/a.txt", b"yes"), ("big", bytes((1 << 20) + 1)))
    files = written(tmp_path, content)
    assert read_member(files, "code/a.txt") == b"yes"
    assert read_member(files, "big") is None
    assert read_member(files, "code") is None
    assert read_member(written(tmp_path, content[:20], content[20:]), "code/a.txt") is None


def test_a_zip_whose_directory_lies_is_read_within_bounds(tmp_path):
    content = bytearray(zipped(("a.txt", bytes(3 << 20))))
    place = content.rindex(b"PK\x01\x02") + 24  # the size that the directory says
    content[place : place + 4] = (10).to_bytes(4, "little")
    try:
        found = read_member(written(tmp_path, bytes(content)), "a.txt")
    except ArchiveError:
        found = None
    assert found is None or len(found) <= 10


@pytest.mark.parametrize("cut", [slice(0, 40), slice(0, -10)])
def test_a_damaged_zip_says_so(tmp_path, cut):
    with pytest.raises(ArchiveError, match="damaged"):
        read_member(written(tmp_path, zipped(("a.txt", b"yes"))[cut]), "a.txt")
