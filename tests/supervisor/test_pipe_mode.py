"""Pipe mode: whole runs whose containers read FIFOs."""

import contextlib
import gzip
import json
import os
import random
import re
import time
from pathlib import Path

import pytest

from wildsage.formats.recordio import frame_record, read_records
from wildsage.formats.recordio_frames import MAGIC_BYTES
from wildsage.supervisor.contract import Channel, Program, Share
from wildsage.supervisor.fifo import Fifo

from .conftest import eventually

DATA = "/opt/ml/input/data"


def sh(script, **environment):
    return Program(("/bin/sh", "-c", f"cd {DATA}; {script}"), environment)


def carry(run, store, channel, script, **changes):
    run.endpoint_url = store.url
    return run.carry("noop", program=sh(script), channels=(channel,), **changes)


@pytest.fixture
def copies(run, store):
    """Read epochs as a container does, and return their bytes."""

    def carried(channel, epochs=1):
        script = "; ".join(f"cat train_{n} > /run/wildsage/{n} || exit 9" for n in range(epochs))
        record = carry(run, store, channel, script)
        assert record.outcome == "completed", (record, run.lines())
        return [(run.folder.path / "run" / str(n)).read_bytes() for n in range(epochs)]

    return carried


def pipe(*objects, **members):
    return Channel("train", objects, "Pipe", **members)


def test_an_epoch_is_all_objects_one_behind_the_other_and_each_has_its_fifo(copies, store, run):
    objects = [store.put("b", f"p/{n}", f"object {n}\n".encode() * 10_000, str(n)) for n in range(3)]
    objects.insert(1, store.put("b", "p/folder/", b"", "folder/"))
    whole = b"".join(store.objects[f"/b/p/{n}"] for n in range(3))
    assert copies(pipe(*objects), epochs=3) == [whole] * 3
    assert list((run.folder.ml / "input/data").iterdir()) == []


def test_a_channel_elsewhere_streams_there(run, store):
    channel = pipe(store.put("b", "k", b"content"), target="processing/in/put")
    script = "cd /opt/ml/processing/in; cat put_0; cat put_1"
    record = carry(run, store, channel, script)
    assert record.outcome == "completed", run.lines()
    assert run.lines() == ["contentcontent"]


def test_the_first_fifo_waits_for_the_container_and_the_next_comes_with_its_reader(run, store):
    one = store.put("b", "k", b"x\n" * (2 << 20))
    script = (
        "ls; test -p train_0 || exit 1; exec 3< train_0; read line <&3; ls; exec 3<&-; ls -d train* | wc -l"
    )
    record = carry(run, store, pipe(one), script)
    assert record.outcome == "completed"
    assert run.lines()[:3] == ["train_0", "train_0", "train_1"]


def test_a_reader_that_closes_early_starts_again_with_the_next(run, store):
    content = b"".join(b"%07d\n" % n for n in range(1_000_000))
    script = "head -c 8 train_0; head -c 16 train_1; cat train_2 | wc -c"
    record = carry(run, store, pipe(store.put("b", "k", content)), script)
    assert record.outcome == "completed"
    assert run.lines() == ["0000000", "0000000", "0000001", "8000000"]


def test_files_of_this_machine_are_spliced_and_what_is_gone_is_fetched(copies, store, tmp_path):
    parts = [os.urandom(3_000_001), os.urandom(5)]
    for number, part in enumerate(parts):
        (tmp_path / str(number)).write_bytes(part)
    item = store.put("b", "k", b"".join(parts))
    here = type(item)(**{**fields(item), "files": tuple(str(tmp_path / name) for name in ("0", "1"))})
    gone = type(item)(**{**fields(item), "files": (str(tmp_path / "absent"),)})
    (whole,) = copies(pipe(here, gone))
    assert whole == b"".join(parts) * 2
    assert len(store.requests) == 1


def fields(item):
    return {name: getattr(item, name) for name in item.__dataclass_fields__}


def test_nothing_is_fetched_ahead_of_the_reader(run, store):
    objects = [store.put("b", str(n), bytes(1 << 20)) for n in range(30)]
    run.endpoint_url = store.url
    script = "exec 3< train_0; head -c 10 <&3 > /dev/null; echo begun; while ! test -e /run/wildsage/go; do sleep 0.01; done; cat <&3 | wc -c"
    run.start("noop", program=sh(script), channels=(pipe(*objects),))
    eventually(lambda: run.log.exists() and "begun" in run.lines())
    time.sleep(0.3)
    assert len(store.requests) < 8
    (run.folder.path / "run" / "go").touch()
    assert run.wait().outcome == "completed"
    assert len(store.requests) == 30


SIZE = 96 << 20


def large(kind, store):
    """A channel of `SIZE` bytes: fetched, decompressed, or picked from lines."""
    if kind == "lines":
        line = json.dumps({"a": "x" * 1000, "b": "y" * 20_000})
        return manifest(store, *[line] * (SIZE // len(line)), attributes=("a",)), SIZE // len(line) * 1008
    content = bytes(SIZE // 2)
    packed = gzip.compress(content, 1, mtime=0) if kind == "gzip" else content
    objects = [store.put("b", str(n), packed) for n in range(2)]
    return pipe(*objects, gzip=kind == "gzip"), SIZE


@pytest.mark.parametrize("kind", ["fetched", "gzip", "lines"])
def test_neither_memory_nor_disk_grows_with_a_channel(run, store, kind):
    channel, size = large(kind, store)
    run.endpoint_url = store.url
    script = "cat train_0 | wc -c; while ! test -e /run/wildsage/go; do sleep 0.01; done"
    run.start("noop", program=sh(script), channels=(channel,))
    eventually(lambda: run.log.exists() and run.lines())
    (pid,) = supervisors(run.folder.path)
    status = Path(f"/proc/{pid}/status").read_text()
    assert int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) < 48 << 10
    used = sum(path.lstat().st_blocks * 512 for path in run.folder.path.rglob("*"))
    (run.folder.path / "run" / "go").touch()
    assert run.wait().outcome == "completed"
    assert run.lines() == [str(size)]
    assert used < 1 << 20


def supervisors(folder):
    """Return the process ids of the supervisors of a run."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                if b"wildsage.supervisor" in words and b"sh" not in words and bytes(folder) in words:
                    found.append(int(process.name))
    return found


def test_a_connection_that_breaks_in_the_middle_leaves_no_seam(copies, store):
    content = random.Random(1).randbytes(3_000_000)
    item = store.put("b", "k", content)
    store.faults = ["half", "reset", (503, "SlowDown")]
    assert copies(pipe(item)) == [content]


# Order


def test_a_seed_gives_each_epoch_another_order_and_a_share_its_part(copies, store):
    objects = [store.put("b", str(n), f"{n} ".encode()) for n in range(12)]
    epochs = [text.split() for text in copies(pipe(*objects, seed=3), epochs=3)]
    assert [sorted(map(int, epoch)) for epoch in epochs] == [list(range(12))] * 3
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_a_share_is_dealt(copies, store):
    objects = [store.put("b", str(n), f"{n} ".encode()) for n in range(5)]
    assert copies(pipe(*objects, share=Share(1, 2))) == [b"1 3 "]


# Gzip and RecordIO


def test_gzip_is_taken_off_member_by_member(copies, store):
    text = b"1,2,3\n" * 400_000
    members = gzip.compress(text, mtime=0) + gzip.compress(b"4,5,6\n", mtime=0)
    objects = (
        store.put("b", "a.gz", members),
        store.put("b", "empty", b""),
        store.put("b", "b.gz", gzip.compress(b"7\n", mtime=0)),
    )
    assert copies(pipe(*objects, gzip=True)) == [text + b"4,5,6\n7\n"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"1,2,3\n", "is no gzip data at byte 0"),
        (gzip.compress(b"1,2,3\n" * 1000, mtime=0)[:-9], "ends inside of a gzip member, at byte"),
        (gzip.compress(b"1,2,3\n", mtime=0) + b"more", "is no gzip data at byte 2"),
    ],
    ids=["plain", "cut off", "garbage behind"],
)
def test_what_is_no_gzip_fails_the_job_with_the_place(run, store, content, said):
    record = carry(run, store, pipe(store.put("b", "p/a.gz", content), gzip=True), "cat train_0 > /dev/null")
    assert record.outcome == "input_error"
    assert record.message.startswith(
        "ClientError: Data download failed:Failed to decompress data. S3 key: s3://b/p/a.gz "
    )
    assert said in record.message
    assert record.message.endswith("(channel 'train')")


@pytest.mark.parametrize("compressed", [False, True])
def test_objects_become_records_where_the_job_says_so(copies, store, compressed):
    contents = [b"first", b"", MAGIC_BYTES * 3 + b"x", b"four"]
    pack = gzip.compress if compressed else bytes
    objects = [store.put("b", str(n), pack(content)) for n, content in enumerate(contents)]
    (got,) = copies(pipe(*objects, wrap_records=True, gzip=compressed))
    assert got == b"".join(map(frame_record, contents))


# Augmented manifests


def manifest(store, *lines, **members):
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    store.any_version.update(store.objects)
    item = store.put("b", "m.manifest", text.encode())
    return pipe(item, **{"wrap_records": True, **members})


def test_a_manifests_attributes_are_records_in_the_order_of_the_job(copies, store):
    store.put("b", "i/1.jpg", b"first image")
    store.put("b", "i/2.jpg", b"second")
    channel = manifest(
        store,
        {"label": 1, "other": "x", "image-ref": "s3://b/i/1.jpg"},
        "",
        {"image-ref": "s3://b/i/2.jpg", "label": {"a": [1, "ä"]}},
        {"image-ref": "s3://b/i/1.jpg", "label": "plain ä"},
        attributes=("image-ref", "label"),
    )
    (got,) = copies(channel)
    assert [bytes(record) for record in read_records(got)] == [
        b"first image", b"1", b"second", '{"a": [1, "ä"]}'.encode(), b"first image", "plain ä".encode()
    ]  # fmt: skip


def test_references_are_fetched_while_the_manifest_is_on_its_way(copies, store):
    """What lies on this machine is not fetched; here it is, and is more than one portion."""
    lines = []
    for number in range(30):
        store.put("b", f"i/{number}", b"image %d\n" % number)
        lines.append({"image-ref": f"s3://b/i/{number}", "other": "x" * 100_000})
    (got,) = copies(manifest(store, *lines, attributes=("image-ref",), wrap_records=False))
    assert got == b"".join(b"image %d\n" % number for number in range(30))


def test_without_a_wrapper_the_values_follow_each_other(copies, store):
    channel = manifest(store, {"a": "x\n"}, {"a": 2}, attributes=("a",), wrap_records=False)
    assert copies(channel) == [b"x\n2"]


def test_lines_are_shuffled_anew_in_each_epoch_and_dealt(copies, store):
    lines = [{"n": n} for n in range(20)]
    epochs = copies(manifest(store, *lines, attributes=("n",), seed=5), epochs=2)
    orders = [[int(bytes(record)) for record in read_records(epoch)] for epoch in epochs]
    assert [sorted(order) for order in orders] == [list(range(20))] * 2
    assert orders[0] != orders[1]


def test_a_share_of_lines(copies, store):
    channel = manifest(
        store, *({"n": n} for n in range(5)), attributes=("n",), wrap_records=False, share=Share(1, 2)
    )
    assert copies(channel) == [b"13"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "s3://b/m.manifest, line 2, byte 1: not JSON: "),
        ("[1]", "line 2: '[1]' is no JSON object, as each line must be"),
        ({"other": 1}, "line 2: no attribute 'image-ref' of AttributeNames; it has 'other'"),
        ({"image-ref": 5}, "line 2: 'image-ref' is '5', not the S3 URI of an object"),
        ({"image-ref": "i/1.jpg"}, "line 2: 'image-ref' is 'i/1.jpg', not the S3 URI of an object"),
        ({"image-ref": "s3://b/absent"}, "S3 key: s3://b/absent does not exist"),
    ],
)
def test_a_bad_line_fails_the_job_and_is_named(run, store, line, said):
    store.put("b", "good", b"x")
    store.any_version.add("/b/absent")
    channel = manifest(store, {"image-ref": "s3://b/good"}, line, attributes=("image-ref",))
    record = carry(run, store, channel, "cat train_0 > /dev/null; exit 0")
    assert record.outcome == "input_error"
    assert said in record.message
    assert "line 2" in record.message
    assert "s3://b/m.manifest" in record.message
    assert record.message.endswith("(channel 'train')")
    assert record.message.startswith("ClientError: ")


def test_an_object_that_changed_fails_the_job_while_it_reads(run, store):
    item = store.put("b", "k", b"old")
    store.objects["/b/k"] = b"new"
    record = carry(run, store, pipe(item), "cat train_0 > /dev/null")
    assert record.outcome == "input_error"
    assert "s3://b/k has changed since the job was created" in record.message
    assert record.artifacts == {}


@pytest.mark.parametrize("mode", ["File", "FastFile", "Pipe"])
def test_a_key_as_long_as_they_come_leaves_room_for_what_is_wrong_with_it(run, store, mode):
    """FailureReason has 1024 characters."""
    key = "/".join(["k" * 204] * 5)
    item = store.put("b", key, b"old", "k")
    del store.objects[f"/b/{key}"]
    record = carry(run, store, Channel("train", (item,), mode), "cat train_0 train/k")
    assert record.outcome == "input_error"
    assert record.message[:1000].endswith("does not exist (NoSuchKey: about NoSuchKey) (channel 'train')")
    assert f"s3://b/{'k' * 193}…{'k' * 99} does not exist" in record.message


# What a container may do to its FIFOs


def test_a_container_that_never_reads_ends_as_ever(run, store):
    assert carry(run, store, pipe(store.put("b", "k", b"x")), "exit 3").exit_code == 3
    assert store.requests == []


@pytest.mark.parametrize("how", ["ln -s {victim} train_0", "ln {own} train_0", "mkdir train_0"])
def test_nothing_but_the_fifo_that_was_made_is_written_to(run, store, tmp_path, how):
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    own = "/opt/ml/model/own"
    replaced = how.format(victim=victim, own=own)
    script = f"echo own > {own}; mv train_0 gone; {replaced}; cat gone > /dev/null; cat {own}"
    record = carry(run, store, pipe(store.put("b", "k", b"evil")), script)
    assert record.outcome == "completed"
    assert victim.read_bytes() == b"untouched"
    assert run.lines() == ["own"]


def test_a_fifo_that_the_container_removed_keeps_nobody_from_ending(run, store):
    record = carry(run, store, pipe(store.put("b", "k", b"x\n")), "rm train_0")
    assert record.outcome == "completed"


def test_a_name_that_the_container_took_is_its_own_fault(run, store):
    record = carry(run, store, pipe(store.put("b", "k", b"x\n")), "mkdir train_1; cat train_0")
    assert record.outcome == "input_error"
    assert "train_1 is there, and is no FIFO" in record.message


def test_a_link_in_the_place_of_a_fifo_is_not_followed(tmp_path):
    (tmp_path / "pipe_0").symlink_to(tmp_path / "victim")
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(FileExistsError, match="pipe_0 is there, and is no FIFO"):
            Fifo(folder, "pipe_0")
    finally:
        os.close(folder)
    assert not (tmp_path / "victim").exists()
