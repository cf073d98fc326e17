"""File and FastFile channels whose objects lie on this machine, and folders of this machine, on every backend."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from wildsage.compute.select import BACKENDS
from wildsage.supervisor import inputs, local_files
from wildsage.supervisor.contract import Channel, InputObject, Program, Share
from wildsage.supervisor.lazy_view import UnavailableViewError

CONTENT = b"1,2\n3,4\n"


@pytest.fixture(params=[backend.name for backend in BACKENDS])
def sandbox(request):
    backend = next(one for one in BACKENDS if one.name == request.param)
    probe = backend.probe()
    if not probe.available:
        pytest.skip(probe.reason)
    return backend


@pytest.fixture
def stored(store, tmp_path):
    """Objects as the store keeps them: in files of this machine."""
    folder = tmp_path / "objects"
    folder.mkdir()

    def put(key, *parts):
        item = store.put("b", f"p/{key}", b"".join(parts), key)
        files = []
        for number, part in enumerate(parts):
            path = folder / f"{key.replace('/', '-')}.{number}"
            path.write_bytes(part)
            path.chmod(0o600)
            files.append(str(path))
        return replace(item, files=tuple(files))

    return put


@pytest.fixture
def carry(run, store, sandbox):
    def carried(script, *channels):
        run.endpoint_url = store.url
        program = Program(("/bin/sh", "-c", f'cd "$SAGEMAKER_BASE_DIR/input/data"; {script}'), {})
        record = run.carry(
            "noop", program=program, channels=channels, sandbox=sandbox.name, needs_opt_ml=False
        )
        return record, run.lines() if run.log.exists() else []

    return carried


def state(paths):
    return [(path.read_bytes(), path.stat().st_mode, path.stat().st_nlink) for path in map(Path, paths)]


def test_files_are_the_jobs_own_and_no_request_is_made_for_what_is_here(carry, stored, store):
    one, two = stored("a.csv", CONTENT), stored("d/b.csv", b"5,6\n", b"7,8\n")
    before = state(one.files + two.files)
    script = "cat train/a.csv train/d/b.csv; echo more >> train/a.csv; echo x > train/d/b.csv; chmod 777 train/a.csv; rm train/a.csv"
    record, lines = carry(script, Channel("train", (one, two)))
    assert (record.outcome, lines) == ("completed", ["1,2", "3,4", "5,6", "7,8"])
    assert state(one.files + two.files) == before
    assert store.requests == []


ATTACKS = """
cat train/a.csv train/d/b.csv
for file in train/a.csv train/d/b.csv; do
  (echo evil > $file) 2>/dev/null && echo written
  chmod 777 $file 2>/dev/null && echo chmod
  touch -d 2001-01-01 $file 2>/dev/null && echo touched
  rm -f $file 2>/dev/null && echo removed
  mv $file train/moved 2>/dev/null && echo moved
  ln $file /opt/ml/model/link 2>/dev/null && echo linked
  exec 3< $file; (echo evil > /proc/self/fd/3) 2>/dev/null && echo reopened
done
mount -o remount,rw train 2>/dev/null && echo remounted
(echo x > train/new) 2>/dev/null && echo created
true
"""


def test_fast_files_are_there_at_once_and_nothing_can_be_changed(carry, stored, store, sandbox):
    if not sandbox.private:
        pytest.skip("shows copies: the next test")
    one, two = stored("a.csv", CONTENT), stored("d/b.csv", b"5,6\n")
    before = [state(item.files) for item in (one, two)]
    record, lines = carry(ATTACKS, Channel("train", (one, two), "FastFile"))
    assert (record.outcome, lines) == ("completed", ["1,2", "3,4", "5,6"])
    assert [state(item.files) for item in (one, two)] == before
    assert store.requests == []


def test_without_a_file_system_of_its_own_a_container_gets_copies(carry, stored, store, sandbox):
    one = stored("a.csv", CONTENT)
    before = state(one.files)
    record, lines = carry(
        "cat train/a.csv; echo evil >> train/a.csv; true", Channel("train", (one,), "FastFile")
    )
    assert (record.outcome, lines[:2]) == ("completed", ["1,2", "3,4"])
    assert state(one.files) == before


def test_fast_files_in_several_pieces_or_not_here_are_brought(carry, stored, store):
    pieces, far, gone = stored("a", b"5,6\n", b"7,8\n"), store.put("b", "far", b"9\n"), stored("g", b"10\n")
    Path(gone.files[0]).unlink()
    record, lines = carry("cat train/a train/far train/g", Channel("train", (pieces, far, gone), "FastFile"))
    assert (record.outcome, lines) == ("completed", ["5,6", "7,8", "9", "10"])
    assert sorted(path for path, _ in store.requests) == ["/b/far", "/b/p/g"]


def test_what_was_overwritten_since_fails_with_object_and_channel(carry, stored, store):
    item = stored("a", CONTENT)
    Path(item.files[0]).unlink()
    store.objects["/b/p/a"] = b"new"
    record, _ = carry("cat train/a", Channel("train", (item,)))
    assert record.outcome == "input_error"
    assert "s3://b/p/a has changed since the job was created" in record.message
    assert record.message.endswith("(channel 'train')")


def test_a_host_gets_its_share(carry, stored):
    objects = tuple(stored(str(n), f"{n}\n".encode()) for n in range(5))
    record, lines = carry("cat train/*", Channel("train", objects, share=Share(1, 2)))
    assert (record.outcome, lines) == ("completed", ["1", "3"])


def test_where_nothing_can_be_mounted_fast_files_in_pieces_are_brought(tmp_path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise UnavailableViewError("/dev/fuse is not there")

    monkeypatch.setattr(inputs, "LazyView", refuse)
    item = here(tmp_path, b"1,2\n", b"3,4\n")
    made = inputs.Inputs(
        (Channel("train", (item,), "FastFile"),), tmp_path, tmp_path / "ml", lambda: True, None
    )
    (placed,) = made.place()
    assert placed.path == tmp_path / "shown" / "train" / "k"
    (mount,) = made.mounts()
    assert (mount.source, mount.target, mount.writable) == (
        str(tmp_path / "shown" / "train"), "/opt/ml/input/data/train", False
    )  # fmt: skip
    assert made.failure is None
    made.close()


# Folders of this machine


@pytest.mark.parametrize("writable", [True, False])
def test_a_folder_of_this_machine_is_the_channel(carry, tmp_path, sandbox, writable):
    folder = tmp_path / "efs" / "train"
    folder.mkdir(parents=True)
    (folder / "a").write_text("here\n")
    channel = Channel("train", folder=str(folder), writable=writable)
    record, lines = carry("cat train/a; (echo new > train/b) 2>/dev/null; true", channel)
    assert (record.outcome, lines) == ("completed", ["here"])
    assert (folder / "b").exists() == (writable or not sandbox.private)
    assert (folder / "a").read_text() == "here\n"


def test_a_folder_that_is_gone_fails_the_job(carry, tmp_path):
    record, _ = carry("true", Channel("train", folder=str(tmp_path / "absent")))
    assert record.outcome == "input_error"
    assert "absent is not a folder of this machine" in record.message
    assert record.message.endswith("(channel 'train')")


# Copies


def here(tmp_path, *parts):
    files = []
    for number, part in enumerate(parts):
        path = tmp_path / f"part-{number}"
        path.write_bytes(part)
        files.append(str(path))
    return InputObject("b", "k", "k", sum(map(len, parts)), "e", files=tuple(files))


def test_a_copy_of_several_files_is_their_concatenation(tmp_path):
    parts = [os.urandom(5_000_001), b"", os.urandom(3)]
    assert local_files.copy(here(tmp_path, *parts), tmp_path / "copy", lambda: None)
    assert (tmp_path / "copy").read_bytes() == b"".join(parts)


def test_a_file_of_another_size_is_not_the_object(tmp_path):
    item = here(tmp_path, b"12345")
    (tmp_path / "part-0").write_bytes(b"1234")
    assert not local_files.copy(item, tmp_path / "copy", lambda: None)


def test_blocks_are_shared_where_the_file_system_can(tmp_path, monkeypatch):
    calls = []

    def clone(target, request, source):
        calls.append(request)
        os.write(target, os.pread(source, 100, 0))

    monkeypatch.setattr(local_files.fcntl, "ioctl", clone)
    monkeypatch.setattr(local_files.os, "copy_file_range", None)
    assert local_files.copy(here(tmp_path, b"content"), tmp_path / "copy", lambda: None)
    assert ((tmp_path / "copy").read_bytes(), calls) == (b"content", [0x40049409])


@pytest.mark.parametrize(("number", "said"), [(errno.EXDEV, False), (errno.EOPNOTSUPP, False)])
def test_what_cannot_be_linked_or_copied_here_is_fetched(tmp_path, monkeypatch, number, said):
    def refuse(*_arguments, **_options):
        raise OSError(number, "no")

    item = here(tmp_path, b"content")
    monkeypatch.setattr(local_files.os, "link", refuse)
    monkeypatch.setattr(local_files.os, "copy_file_range", refuse)
    assert local_files.link(item, tmp_path / "link") is said
    assert local_files.copy(item, tmp_path / "copy", lambda: None) is said


def test_a_full_disk_is_no_reason_to_fetch(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(local_files.os, "copy_file_range", refuse)
    with pytest.raises(OSError, match="full"):
        local_files.copy(here(tmp_path, b"content"), tmp_path / "copy", lambda: None)
