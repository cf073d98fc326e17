"""The index of buckets and objects: atomic, conditional, in the order of keys."""

import asyncio
import errno
import itertools
import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.core.clock import SystemClock
from wildsage.core.errors import ServiceError
from wildsage.core.streams import ByteStream
from wildsage.store.buckets import Buckets, ContentGoneError
from wildsage.store.database import Database
from wildsage.store.object_index import Condition, NewObject, Piece, spans, successor
from wildsage.store.objects import Objects
from wildsage.store.versions import Deletion


@pytest.fixture
def buckets(tmp_path):
    database = Database(tmp_path / "state.db", "state")
    objects = Objects(tmp_path / "objects")
    yield Buckets(database, objects, SystemClock())
    database.close()
    objects.close()


def content_files(buckets):
    return [path for path in buckets.objects._folder.rglob("*") if path.is_file()]


def run(coroutine):
    return asyncio.run(coroutine)


async def filled(buckets, *keys):
    await buckets.create_bucket("data", "123456789012", "us-west-2")
    for key in keys:
        await buckets.put_bytes("data", key, key.encode())


def test_two_hundred_creates_make_one_bucket(buckets):
    async def scenario():
        made = await asyncio.gather(*(buckets.create_bucket("data", str(n), "us-west-2") for n in range(200)))
        return [bucket for bucket in made if bucket is not None]

    (only,) = run(scenario())
    assert buckets.bucket("data") == only


def test_an_object_comes_and_goes_with_its_file(buckets):
    async def scenario():
        await filled(buckets)
        record = await buckets.put_bytes("data", "a/b", b"one", {"ContentType": "text/plain"})
        assert buckets.head("data", "a/b") == record
        await buckets.put_bytes("data", "a/b", b"two")
        assert await buckets.read_bytes("data", "a/b", 3) == b"two"
        assert len(content_files(buckets)) == 1
        with pytest.raises(ValueError, match="larger"):
            await buckets.read_bytes("data", "a/b", 2)
        await buckets.delete_objects("data", [Deletion("a/b"), Deletion("absent")])
        assert buckets.head("data", "a/b") is None
        assert content_files(buckets) == []

    run(scenario())


def test_a_reader_of_an_overwritten_object_keeps_the_old_bytes(buckets):
    async def scenario():
        await filled(buckets)
        old = b"o" * (3 << 20)
        await buckets.put_bytes("data", "key", old)
        record, pieces = buckets.stored("data", "key")
        stream = await buckets.objects.read(spans(pieces, 0, record.size))
        await buckets.put_bytes("data", "key", b"new")
        assert await stream.read(1 << 30) == old
        assert await buckets.read_bytes("data", "key", 10) == b"new"

    run(scenario())


def test_no_row_without_a_bucket_and_no_file_without_a_row(buckets):
    async def scenario():
        with pytest.raises(ServiceError) as caught:
            await buckets.put_bytes("nowhere", "key", b"x")
        assert caught.value.code == "NoSuchBucket"
        assert content_files(buckets) == []

    run(scenario())


def test_a_failing_commit_leaves_the_old_object(buckets, monkeypatch):
    async def scenario():
        await filled(buckets, "key")

        async def full(work):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

        monkeypatch.setattr(buckets.database, "write", full)
        with pytest.raises(ServiceError, match="disk is full"):
            await buckets.put_bytes("data", "key", b"new")
        assert await buckets.read_bytes("data", "key", 10) == b"key"
        assert len(content_files(buckets)) == 1

    run(scenario())


@pytest.mark.parametrize(
    ("owner", "call"), [(os, "fdatasync"), (os, "fsync"), (os, "write"), (Path, "rename")]
)
def test_a_fault_at_any_call_leaves_the_old_object_or_the_new(buckets, monkeypatch, owner, call):
    real = getattr(owner, call)

    async def scenario():
        await filled(buckets, "key")
        for number in itertools.count(1):
            calls = itertools.count(1)

            def faulty(*arguments, calls=calls, number=number):
                if next(calls) == number:
                    raise OSError(errno.EIO, "I/O error")
                return real(*arguments)

            monkeypatch.setattr(owner, call, faulty)
            content = b"new %d" % number
            try:
                await buckets.put_bytes("data", "key", content)
            except OSError:
                content = b"key"
            monkeypatch.undo()
            assert await buckets.read_bytes("data", "key", 100) == content
            assert len(content_files(buckets)) == 1
            if content != b"key":
                break
        assert number > 1

    run(scenario())


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        (Condition(if_none_match="*"), "PreconditionFailed"),
        (Condition(if_match="0" * 32), "PreconditionFailed"),
        (Condition(if_match="3c6e0b8a9c15224a8228b9a98ca1531d"), None),
        (Condition(if_match="*"), None),
    ],
)
def test_conditions_hold_inside_the_commit(buckets, condition, code):
    async def scenario():
        await filled(buckets, "key")
        blob = await buckets.objects.put(ByteStream.of(b"new"))
        await buckets.place(NewObject("data", "key", blob.md5, condition=condition), blob)

    if code is None:
        run(scenario())
        return
    with pytest.raises(ServiceError) as caught:
        run(scenario())
    assert caught.value.code == code
    assert buckets.head("data", "key").size == 3
    assert len(content_files(buckets)) == 1


def test_if_match_on_nothing_is_no_such_key(buckets):
    async def scenario():
        await filled(buckets)
        blob = await buckets.objects.put(ByteStream.of(b"new"))
        await buckets.place(NewObject("data", "key", blob.md5, condition=Condition(if_match="*")), blob)

    with pytest.raises(ServiceError) as caught:
        run(scenario())
    assert caught.value.code == "NoSuchKey"


def test_copies_share_content_until_the_last_goes(buckets):
    async def scenario():
        await filled(buckets, "one")
        source = buckets.head("data", "one")
        await buckets.share(NewObject("data", "two", source.etag), source)
        assert len(content_files(buckets)) == 1
        await buckets.share(NewObject("data", "one", source.etag, {"ContentType": "a/b"}), source)
        await buckets.delete_objects("data", [Deletion("one")])
        assert await buckets.read_bytes("data", "two", 10) == b"one"
        await buckets.delete_objects("data", [Deletion("two")])
        assert content_files(buckets) == []
        with pytest.raises(ContentGoneError):
            await buckets.share(NewObject("data", "three", source.etag), source)

    run(scenario())


def test_a_file_is_adopted_once_and_again(buckets, tmp_path):
    async def scenario():
        await filled(buckets)
        path = tmp_path / "model.tar.gz"
        for content in (b"first", b"second"):
            path.write_bytes(content)
            await buckets.adopt_file(path, "data", "model.tar.gz")
            assert not path.exists()
            assert await buckets.read_bytes("data", "model.tar.gz", 10) == content

    run(scenario())


def test_a_bucket_goes_when_it_is_empty(buckets):
    async def scenario():
        await filled(buckets, "key")
        with pytest.raises(ServiceError) as caught:
            await buckets.delete_bucket("data")
        assert caught.value.code == "BucketNotEmpty"
        await buckets.delete_objects("data", [Deletion("key")])
        await buckets.delete_bucket("data")
        assert buckets.bucket("data") is None

    run(scenario())


def test_records_are_set_and_removed(buckets):
    async def scenario():
        await filled(buckets)
        await buckets.record("data", "policy", "{}")
        assert buckets.bucket("data").records == {"policy": "{}"}
        await buckets.record("data", "policy", None)
        await buckets.record("data", "cors", None)
        assert buckets.bucket("data").records == {}

    run(scenario())


def test_the_sweep_keeps_what_rows_lead_to(buckets):
    async def scenario():
        await filled(buckets, "key")
        await buckets.objects.put(ByteStream.of(b"orphan"))
        later = Buckets(buckets.database, Objects(buckets.objects._folder), buckets.clock)
        assert await later.sweep() == 1
        assert await later.read_bytes("data", "key", 10) == b"key"
        later.objects.close()

    run(scenario())


def test_lists_follow_utf8_order(buckets):
    keys = [
        "a",
        "a/",
        "a/b",
        "a0",
        "é",
        "\ud7ff",
        "\ue000",
        "\U00010000",
        "\U0010ffff",
        "\U0010ffff\U0010ffff",
    ]

    async def scenario():
        await filled(buckets, *keys)

    run(scenario())
    assert [record.key for record in buckets.list_objects("data")] == sorted(keys, key=str.encode)
    for prefix in ("a", "\ud7ff", "\U0010ffff", ""):
        found = [record.key for record in buckets.list_objects("data", prefix)]
        assert found == sorted((key for key in keys if key.startswith(prefix)), key=str.encode)
        assert buckets.exists_under("data", prefix)
    assert not buckets.exists_under("data", "b")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), st.text(max_size=3))
def test_successor_bounds_the_prefix(prefix, text):
    end = successor(prefix)
    encodable = text.encode("utf-8", "replace").decode()
    if end is not None:
        assert (prefix + encodable).encode() < end.encode()
        assert prefix.encode() < end.encode()


@given(st.lists(st.integers(0, 5), max_size=6), st.integers(0, 30), st.integers(0, 30))
@settings(max_examples=100)
def test_spans_cut_the_pieces(sizes, start, length):
    pieces = [Piece(n, str(n), size, {}) for n, size in enumerate(sizes)]
    whole = [(str(n), offset) for n, size in enumerate(sizes) for offset in range(size)]
    found = [
        (span.blob, offset)
        for span in spans(pieces, start, length)
        for offset in range(span.start, span.start + span.length)
    ]
    assert found == whole[start : start + length]
