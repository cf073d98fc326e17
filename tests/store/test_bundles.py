"""What goes into a bundle comes out of it, and what should not come out does not."""

import io
import json
import tarfile

import pytest

from wildsage.store.bundles import (
    MANIFEST,
    BundleError,
    CheckSink,
    Entry,
    FolderSink,
    Manifest,
    TarSink,
    discard,
    read_entries,
    transfer,
)

SINKS = {"tar": TarSink, "folder": FolderSink}


def write(kind, path, content=b"content"):
    sink = SINKS[kind](path)
    sink.add(Entry("folder", "folder", 0o500))
    sink.add_file(Entry("folder/é", "file", 0o640, len(content)), io.BytesIO(content))
    sink.add(Entry("link", "link", target="/anywhere"))
    sink.close_with(Manifest("1.2.3", "now", {"state": 5}, sink.digests))
    return path


@pytest.mark.parametrize("kind", SINKS)
@pytest.mark.parametrize("back", SINKS)
def test_a_bundle_becomes_the_other_kind_and_stays_the_same(tmp_path, kind, back):
    first = write(kind, tmp_path / "first")
    sink = SINKS[back](tmp_path / "second")
    manifest = transfer(first, sink)
    sink.close_with(manifest)
    assert manifest.version == "1.2.3"
    found = {
        entry.name: (entry.kind, entry.mode, entry.target, content.read())
        for entry, content in read_entries(tmp_path / "second")
    }
    assert found.pop(MANIFEST)[0] == "file"
    assert found["folder"][:2] == ("folder", 0o500)
    assert found["folder/é"] == ("file", 0o640, "", b"content")
    assert found["link"][2] == "/anywhere"


@pytest.mark.parametrize("kind", SINKS)
def test_a_changed_byte_is_found(tmp_path, kind):
    path = write(kind, tmp_path / "bundle")
    file = path if kind == "tar" else path / "folder" / "é"
    file.write_bytes(file.read_bytes().replace(b"content", b"CONTENT"))
    with pytest.raises(BundleError, match="folder/é is damaged"):
        transfer(path, CheckSink())


def test_a_missing_and_an_extra_file_are_found(tmp_path):
    path = write("folder", tmp_path / "bundle")
    (path / "extra").touch()
    with pytest.raises(BundleError, match="extra does not belong"):
        transfer(path, CheckSink())
    (path / "extra").unlink()
    (path / "folder").chmod(0o700)
    (path / "folder" / "é").unlink()
    with pytest.raises(BundleError, match="folder/é is missing"):
        transfer(path, CheckSink())


@pytest.mark.parametrize("kind", SINKS)
def test_a_torn_bundle_is_none(tmp_path, kind):
    path = write(kind, tmp_path / "bundle")
    if kind == "tar":
        path.write_bytes(path.read_bytes()[:1500])
    else:
        (path / MANIFEST).unlink()
    with pytest.raises(BundleError):
        transfer(path, CheckSink())


def test_what_is_no_bundle_says_so(tmp_path):
    (tmp_path / "text").write_text("text" * 1000)
    with pytest.raises(BundleError, match="no backup"):
        transfer(tmp_path / "text", CheckSink())


def test_a_manifest_of_another_time_is_refused():
    with pytest.raises(BundleError, match="format 2"):
        Manifest.read(json.dumps({"format": 2}).encode())
    with pytest.raises(BundleError, match="damaged"):
        Manifest.read(b"{")


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", ""])
def test_a_name_that_leaves_is_refused(tmp_path, name):
    with pytest.raises(BundleError):
        FolderSink(tmp_path / "sink").add_file(Entry(name, "file", size=1), io.BytesIO(b"x"))
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_through_a_link(tmp_path):
    sink = FolderSink(tmp_path / "sink")
    sink.add(Entry("link", "link", target=str(tmp_path)))
    with pytest.raises(BundleError, match="through a link"):
        sink.add_file(Entry("link/out", "file", size=1), io.BytesIO(b"x"))
    assert not (tmp_path / "out").exists()


def test_devices_are_refused(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        device = tarfile.TarInfo("null")
        device.type = tarfile.CHRTYPE
        tar.addfile(device)
    with pytest.raises(BundleError, match="neither file, folder nor link"):
        transfer(tmp_path / "x.tar", CheckSink())


@pytest.mark.parametrize("kind", SINKS)
def test_a_file_that_became_shorter_is_told(tmp_path, kind):
    sink = SINKS[kind](tmp_path / "bundle")
    with pytest.raises(BundleError):
        sink.add_file(Entry("file", "file", size=10), io.BytesIO(b"short"))
    discard(tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
