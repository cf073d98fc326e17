"""Lines, bounds and the file they go to."""

import fcntl
import os
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wildsage.formats.logframes import LARGEST_MESSAGE, encode_frame, read_frames
from wildsage.supervisor.logs import LineSplitter, LogFile, LogPump, Throttle

from .conftest import eventually


def split(*chunks):
    splitter = LineSplitter()
    return [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.flush()


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"a\nb\n"], [b"a", b"b"]),
        ([b"a\r\nb\r\n"], [b"a", b"b"]),
        ([b"a\r", b"\nb"], [b"a", b"b"]),
        ([b"half", b" line\nre", b"st"], [b"half line", b"rest"]),
        ([b"10%\r20%\r30%\n"], [b"10%", b"20%", b"30%"]),
        ([b"\r10%\r20%"], [b"10%", b"20%"]),
        ([b"a\n\nb\n"], [b"a", b"", b"b"]),
        ([b"\r\n"], [b""]),
        ([b""], []),
        ([b"x" * (LARGEST_MESSAGE + 5) + b"\n"], [b"x" * LARGEST_MESSAGE, b"x" * 5]),
    ],
)
def test_lines(chunks, lines):
    assert split(*chunks) == lines


def test_a_progress_bar_shows_before_its_end():
    assert LineSplitter().feed(b"10%\r20%\r") == [b"10%"]


def test_a_line_without_end_is_not_kept_in_memory():
    splitter = LineSplitter()
    for _ in range(100):
        splitter.feed(b"x" * 65536)
    assert len(splitter._rest) <= LARGEST_MESSAGE


@given(st.text("a\r\n", max_size=12).map(str.encode), st.lists(st.integers(0, 12), max_size=4))
def test_where_the_bytes_are_cut_does_not_matter(content, cuts):
    edges = [0, *sorted(cuts), len(content)]
    chunks = [content[a:b] for a, b in pairwise(edges)]
    assert split(*chunks) == split(content)


def test_a_flood_is_cut_to_the_rate_and_told():
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    passed = 0
    for _ in range(1000):  # a million lines a second for ten seconds
        now[0] += 0.01
        passed += len(throttle.admit([b"line"] * 10_000))
    assert 100_000 <= passed <= 150_000
    note = throttle.take_note()
    assert f"{10_000_000 - passed} lines dropped" in note
    assert throttle.take_note() is None


def test_few_long_lines_are_bounded_too():
    throttle = Throttle(lambda: 0.0)
    passed = sum(len(line) for _ in range(1000) for line in throttle.admit([b"x" * LARGEST_MESSAGE]))
    assert passed <= 64 << 20


def messages(path):
    with path.open("rb") as file:
        return [frame.message for frame in read_frames(file, 0)]


def test_a_torn_frame_is_cut_off_before_more_is_appended(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(encode_frame(1, b"whole") + encode_frame(2, b"torn")[:-2])
    assert LogFile(path).append([b"next"])
    assert messages(path) == ["whole", "next"]


def test_a_full_disk_keeps_the_frames_whole(tmp_path, monkeypatch):
    log = LogFile(tmp_path / "log")
    assert log.append([b"one"])
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:5]))
    assert not log.append([b"lost"])
    monkeypatch.undo()
    assert log.append([b"two"])
    assert messages(tmp_path / "log") == ["one", "two"]


def test_the_pump_writes_while_the_container_runs_and_flushes_at_its_end(tmp_path):
    reader, writer = os.pipe()
    pump = LogPump(reader, LogFile(tmp_path / "log"))
    pump.start()
    before = int(time.time() * 1000)
    os.write(writer, b"first\nbroken \xff\xfe utf-8\nno end")
    eventually(lambda: messages(tmp_path / "log") == ["first", "broken \ufffd\ufffd utf-8"])
    os.close(writer)
    pump.join(20)
    assert messages(tmp_path / "log")[-1] == "no end"
    assert pump.tail == ("first", "broken \ufffd\ufffd utf-8", "no end")
    with (tmp_path / "log").open("rb") as file:
        assert all(before <= frame.timestamp_ms <= before + 20_000 for frame in read_frames(file, 0))


def test_the_server_can_tell_that_a_supervisor_writes(tmp_path):
    log = LogFile(tmp_path / "log")
    with (tmp_path / "log").open("ab") as server, pytest.raises(BlockingIOError):
        fcntl.flock(server, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert log.append([b"line"])


def test_a_full_disk_keeps_what_another_wrote_meanwhile(tmp_path, monkeypatch):
    log = LogFile(tmp_path / "log")
    assert log.append([b"one"])
    with (tmp_path / "log").open("ab") as server:
        server.write(encode_frame(1, b"from a client"))
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:5]))
    assert not log.append([b"lost"])
    monkeypatch.undo()
    assert messages(tmp_path / "log") == ["one", "from a client"]
