"""A code archive that nobody should trust is refused, and nothing of it lands outside the code folder."""

import gzip
import io
import tarfile
import zlib

import pytest

from wildsage.toolkit.script_mode import source
from wildsage.toolkit.script_mode.errors import ClientError


@pytest.fixture
def house(tmp_path, monkeypatch):
    folder = tmp_path / "house" / "code"
    monkeypatch.setattr(source, "code_folder", lambda: folder)
    return tmp_path


def archive_of(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content, changes in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for field, value in changes.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_code_arrives_with_its_modes_and_inner_links(house):
    path = archive_of(
        house / "sourcedir.tar.gz",
        ("train.py", b"print(1)", {}),
        ("run.sh", b"#!", {"mode": 0o755}),
        ("alias.py", b"", {"type": tarfile.SYMTYPE, "linkname": "train.py"}),
    )
    folder = source.bring_code(path.as_uri())
    assert (folder / "alias.py").read_bytes() == b"print(1)"
    assert (folder / "run.sh").stat().st_mode & 0o100


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("../evil", {}),
        ("/evil", {}),
        ("evil", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("evil", {"type": tarfile.LNKTYPE, "linkname": "../../secret"}),
        ("evil", {"type": tarfile.CHRTYPE}),
        ("evil", {"type": tarfile.FIFOTYPE}),
        ("evil", {"mode": 0o4755}),
        ("evil", {"pax_headers": {"path": "a\0b"}}),
    ],
)
def test_hostile_code_is_refused(house, name, changes):
    (house / "secret").write_text("secret")
    path = archive_of(house / "sourcedir.tar.gz", ("good.py", b"1", {}), (name, b"", changes))
    with pytest.raises(ClientError, match=r"the code archive .*sourcedir.tar.gz cannot be extracted"):
        source.bring_code(str(path))
    assert {entry.name for entry in house.iterdir()} == {"house", "secret", "sourcedir.tar.gz"}
    assert {entry.name for entry in (house / "house").iterdir()} == {"code"}
    assert {entry.name for entry in (house / "house/code").iterdir()} == {"good.py"}


def test_a_bomb_of_zeros_is_refused_from_its_header(house):
    """Ten gigabytes in ten megabytes: the zeros are one deflate block, repeated."""
    info = tarfile.TarInfo("zeros")
    info.size = 10 << 30
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    with (house / "bomb.tar.gz").open("wb") as file:
        file.write(deflate.compress(info.tobuf()))
        for _ in range(64):
            file.write(deflate.compress(bytes(1 << 20)))
        file.write(deflate.flush())
    with pytest.raises(ClientError, match="times its size"):
        source.bring_code(str(house / "bomb.tar.gz"))
    assert not list((house / "house/code").iterdir())


def test_a_million_files_are_too_many(house, monkeypatch):
    assert source.CODE_QUOTA.members < 1_000_000
    monkeypatch.setattr(source, "CODE_QUOTA", source.Quota(members=50))
    with gzip.open(house / "many.tar.gz", "wb", 1) as file:
        header = tarfile.TarInfo("f").tobuf()
        for _ in range(500):
            file.write(header * 2000)
    with pytest.raises(ClientError, match="more than 50 members"):
        source.bring_code(str(house / "many.tar.gz"))


@pytest.mark.parametrize("place", ["http://169.254.169.254/code.tar.gz", "https://127.0.0.1/x", "ftp://x/y"])
def test_code_is_fetched_from_no_address(house, place, monkeypatch):
    monkeypatch.setattr(source, "download", lambda *_: pytest.fail("something was fetched"))
    with pytest.raises(ClientError, match="there is no code at"):
        source.bring_code(place)
