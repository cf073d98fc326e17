"""Content files: durable or absent, constant memory, readers undisturbed."""

import asyncio
import errno
import gc
import hashlib
import os
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from wildsage.core.errors import ServiceError
from wildsage.core.streams import ByteStream, PromisedByteStream
from wildsage.store import content_files as content_files_module
from wildsage.store.content_files import Intake, Span
from wildsage.store.objects import Objects


@pytest.fixture
def objects(tmp_path):
    store = Objects(tmp_path / "objects")
    yield store
    store.close()


def content_files(objects):
    return sorted(path.name for path in objects._folder.rglob("*") if path.is_file())


async def read_all(objects, *spans):
    return await (await objects.read(spans)).read(1 << 30)


def test_what_is_put_is_read(objects):
    data = os.urandom(3_000_000)

    async def chunks():
        for start in range(0, len(data), 70_001):
            yield data[start : start + 70_001]
            yield b""

    async def scenario():
        blob = await objects.put(ByteStream(chunks()), ["SHA256", "CRC32C"])
        assert blob.md5 == hashlib.md5(data).hexdigest()
        assert blob.size == len(data)
        assert set(blob.checksums) == {"SHA256", "CRC32C"}
        assert await read_all(objects, Span(blob.id, 0, blob.size)) == data
        tail = await read_all(objects, Span(blob.id, 2_500_000, 400_000), Span(blob.id, 5, 1))
        assert tail == data[2_500_000:2_900_000] + data[5:6]
        assert await read_all(objects) == b""

    asyncio.run(scenario())


def test_an_empty_stream_is_a_file(objects):
    async def scenario():
        blob = await objects.put(ByteStream.of(b""))
        assert (blob.size, content_files(objects)) == (0, [blob.id])

    asyncio.run(scenario())


class NthFails:
    """Lets a system call fail at its n-th use."""

    def __init__(self, real, number, code=errno.EIO):
        self.real, self.left, self.code = real, number, code

    def __call__(self, *args, **options):
        self.left -= 1
        if self.left == 0:
            raise OSError(self.code, os.strerror(self.code))
        return self.real(*args, **options)


@pytest.mark.parametrize("call", ["fdatasync", "fsync", "rename", "write"])
def test_a_failing_call_leaves_nothing(objects, monkeypatch, call):
    async def scenario():
        with pytest.raises(OSError):
            await objects.put(ByteStream.of(b"x" * 100))
        monkeypatch.undo()
        assert content_files(objects) == []
        blob = await objects.put(ByteStream.of(b"again"))
        assert await read_all(objects, Span(blob.id, 0, 5)) == b"again"

    if call == "rename":
        monkeypatch.setattr(Path, "rename", NthFails(Path.rename, 1))
    else:
        monkeypatch.setattr(os, call, NthFails(getattr(os, call), 1))
    asyncio.run(scenario())


def test_a_full_disk_says_so(objects, monkeypatch):
    async def chunks():
        for _ in range(5):
            yield b"x" * (1 << 20)

    async def scenario():
        monkeypatch.setattr(os, "write", NthFails(os.write, 3, errno.ENOSPC))
        with pytest.raises(ServiceError, match="disk is full") as caught:
            await objects.put(ByteStream(chunks()))
        assert (caught.value.code, caught.value.status) == ("InsufficientStorage", 507)
        assert content_files(objects) == []

    asyncio.run(scenario())


def test_a_client_that_goes_away_leaves_nothing(objects):
    async def chunks():
        yield b"x" * (3 << 20)
        raise ConnectionResetError

    async def scenario():
        with pytest.raises(ConnectionResetError):
            await objects.put(ByteStream(chunks()))
        assert content_files(objects) == []

    asyncio.run(scenario())


def test_memory_stays_flat(objects):
    chunk = bytes(1 << 18)

    async def chunks():
        for _ in range(256):
            yield chunk

    async def scenario():
        tracemalloc.start()
        blob = await objects.put(ByteStream(chunks()))
        async for _ in await objects.read([Span(blob.id, 0, blob.size)]):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert blob.size == 256 << 18
        assert peak < 16 << 20

    asyncio.run(scenario())


@pytest.mark.parametrize(("cores", "at_once"), [(1, 1), (2, 1), (3, 2)])
def test_one_core_is_left_to_the_event_loop(tmp_path, monkeypatch, cores, at_once):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(cores)))
    lock, inside, seen, original = threading.Lock(), [], [], Intake.write

    def watched(intake, chunks):
        with lock:
            inside.append(intake)
            seen.append(len(inside))
        original(intake, chunks)
        with lock:
            inside.remove(intake)

    monkeypatch.setattr(Intake, "write", watched)
    store = Objects(tmp_path / "objects")

    async def chunks():
        for _ in range(8):
            yield bytes(1 << 20)

    async def scenario():
        await asyncio.gather(*(store.put(ByteStream(chunks()), ["SHA256"]) for _ in range(6)))

    asyncio.run(scenario())
    store.close()
    assert max(seen) == at_once


@pytest.mark.parametrize(("size", "rests"), [(16 << 20, True), (4096, False)])
def test_hashing_lets_go_of_the_core_now_and_then(tmp_path, monkeypatch, size, rests):
    """At a gigabyte a second, which no MD5 reaches, 16 MiB are sixty stretches."""
    slept = []
    monkeypatch.setattr(content_files_module.time, "sleep", slept.append)
    intake = Intake(tmp_path / "incoming", ["SHA256"])
    intake.write([os.urandom(size)])
    intake.close()
    assert bool(slept) is rests
    assert len(slept) >= 16 * rests


def test_a_reader_keeps_what_is_removed(objects):
    async def scenario():
        first = await objects.put(ByteStream.of(b"a" * (2 << 20)))
        second = await objects.put(ByteStream.of(b"b" * 10))
        stream = await objects.read([Span(first.id, 0, first.size), Span(second.id, 0, 10)])
        await objects.remove([first.id, second.id])
        assert await stream.read(1 << 30) == b"a" * (2 << 20) + b"b" * 10
        del stream
        gc.collect()
        await objects._run(lambda: None)

    asyncio.run(scenario())
    objects.close()
    assert content_files(objects) == []


def test_a_stream_nobody_reads_lets_go(objects):
    async def scenario():
        blob = await objects.put(ByteStream.of(b"a"))
        stream = await objects.read([Span(blob.id, 0, 1)])
        await objects.remove([blob.id])
        assert content_files(objects) == [blob.id]
        del stream

    asyncio.run(scenario())
    gc.collect()
    objects.close()
    assert content_files(objects) == []


def test_adopting_leaves_the_file_until_its_owner_removes_it(objects, tmp_path):
    source = tmp_path / "model.tar.gz"
    source.write_bytes(b"model" * 1000)

    async def scenario():
        blob = await objects.adopt(source)
        again = await objects.adopt(source)
        assert blob.md5 == again.md5 == hashlib.md5(b"model" * 1000).hexdigest()
        source.unlink()
        assert await read_all(objects, Span(blob.id, 0, 5)) == b"model"

    asyncio.run(scenario())


def test_adopting_copies_where_links_are_impossible(objects, tmp_path, monkeypatch):
    source = tmp_path / "model.tar.gz"
    source.write_bytes(b"model")
    monkeypatch.setattr(os, "link", NthFails(os.link, 1, errno.EXDEV))

    async def scenario():
        blob = await objects.adopt(source)
        source.write_bytes(b"other")
        assert await read_all(objects, Span(blob.id, 0, 5)) == b"model"

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["link", "folder", "absent"])
def test_only_regular_files_are_adopted(objects, tmp_path, kind):
    source = tmp_path / "source"
    if kind == "link":
        source.symlink_to("/etc/hostname")
    elif kind == "folder":
        source.mkdir()

    async def scenario():
        with pytest.raises(OSError):
            await objects.adopt(source)
        assert content_files(objects) == []

    asyncio.run(scenario())


def test_the_sweep_removes_orphans_of_earlier_servers_only(objects):
    async def store():
        return [await objects.put(ByteStream.of(b"x")) for _ in range(3)]

    kept, *orphans = asyncio.run(store())
    (objects._incoming / "half").write_bytes(b"torn")
    successor = Objects(objects._folder)

    async def sweep():
        fresh = await successor.put(ByteStream.of(b"fresh"))
        count = await successor.sweep(lambda blobs: {kept.id} & set(blobs))
        assert count == len(orphans)
        assert content_files(successor) == sorted([kept.id, fresh.id])

    asyncio.run(sweep())
    successor.close()


@pytest.mark.parametrize("kind", ["plain", "promised"])
def test_memory_does_not_grow_with_the_stream(tmp_path, kind):
    objects = Objects(tmp_path / "objects")
    block = os.urandom(1 << 18)
    size = 256 * len(block)

    async def chunks():
        for _ in range(256):
            yield bytes(block)

    def stream():
        if kind == "plain":
            return ByteStream(chunks(), size)
        promised = hashlib.sha256(block * 256).hexdigest()
        return PromisedByteStream(chunks(), size, promised, ValueError)

    body = stream()
    tracemalloc.start()
    try:
        blob = asyncio.run(objects.put(body, ["CRC32"]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert blob.size == size
    assert peak < 8 << 20
    objects.close()


def test_a_broken_promise_stores_nothing(tmp_path):
    objects = Objects(tmp_path / "objects")
    stream = ByteStream.of(b"content")
    with pytest.raises(ValueError, match=hashlib.sha256(b"content").hexdigest()):
        asyncio.run(objects.put(PromisedByteStream(aiter(stream), 7, "0" * 64, ValueError)))
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []
    objects.close()


def test_a_lease_may_end_in_any_thread(tmp_path):
    objects = Objects(tmp_path / "objects")

    async def scenario():
        blob = await objects.put(ByteStream.of(b"content"))
        leases = [objects.lease([blob.id]) for _ in range(64)]
        await objects.remove([blob.id])
        (path,) = (path for path in (tmp_path / "objects").rglob(blob.id))
        threads = [threading.Thread(target=leases.pop) for _ in range(63)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        await asyncio.sleep(0)
        assert path.exists()
        leases.clear()
        deadline = time.monotonic() + 10
        while path.exists() and time.monotonic() < deadline:
            await asyncio.sleep(0.001)
        assert not path.exists()

    asyncio.run(scenario())
    objects.close()
