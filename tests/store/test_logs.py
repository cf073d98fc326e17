"""Log streams: positions, both directions, and the tailer's one transaction."""

import asyncio
import fcntl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wildsage.formats.logframes import encode_frame
from wildsage.store.log_groups import GroupNotFoundError
from wildsage.store.logs import LogStreams, MetricPoint, StreamNotFoundError


@pytest.fixture
def logs(telemetry, tmp_path):
    folder = tmp_path / "segments"
    folder.mkdir()
    return LogStreams(telemetry, folder)


def attach(logs, stream="job/algo-1"):
    return asyncio.run(logs.attach("1", "r", "/group", stream, 1.0))


def write(stream, *messages, start=0):
    with stream.path.open("ab") as file:
        for number, message in enumerate(messages):
            file.write(encode_frame(start + number, message.encode()))


def scan_all(logs, stream, scrape=lambda _frame: ()):
    total = 0
    while count := asyncio.run(logs.scan(stream.id, "arn", scrape, 2.0)):
        total += count
    return total


def test_attaching_again_gives_the_same_stream(logs):
    assert attach(logs).id == attach(logs).id
    assert [group.name for group in logs.groups("1", "r")] == ["/group"]
    assert logs.groups("1", "other-region") == []


def test_absent_groups_and_streams_are_named(logs):
    with pytest.raises(GroupNotFoundError, match="/none"):
        logs.group("1", "r", "/none")
    attach(logs)
    with pytest.raises(StreamNotFoundError, match="none"):
        logs.stream(logs.group("1", "r", "/group"), "none")


def test_a_torn_frame_is_not_part_of_the_stream_until_it_is_whole(logs):
    stream = attach(logs)
    write(stream, "first")
    whole = encode_frame(1, b"second")
    with stream.path.open("ab") as file:
        file.write(whole[:-2])
    assert [frame.message for frame in logs.read_forward(stream, 0, 10)] == ["first"]
    assert scan_all(logs, stream) == 1
    with stream.path.open("ab") as file:
        file.write(whole[-2:])
    assert [frame.message for frame in logs.read_forward(stream, 0, 10)] == ["first", "second"]
    assert scan_all(logs, stream) == 1


def test_metrics_and_offset_are_committed_together(logs):
    stream = attach(logs)
    write(stream, "loss=3", "noise", "loss=2")

    def scrape(frame):
        if frame.message.startswith("loss="):
            yield MetricPoint("loss", float(frame.timestamp_ms), float(frame.message[5:]))

    def broken(_frame):
        raise RuntimeError("crash")

    with pytest.raises(RuntimeError):
        asyncio.run(logs.scan(stream.id, "arn", broken, 2.0))
    assert scan_all(logs, stream, scrape) == 3
    assert scan_all(logs, stream, scrape) == 0
    assert logs.latest_metrics("arn") == [MetricPoint("loss", 2.0, 2.0)]
    assert logs.stream_by_id(stream.id).last_event_ms == 2


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(0, 40_000), max_size=40),
    page=st.integers(1, 9),
    scanned=st.booleans(),
)
def test_reading_in_pages_gives_every_event_once_in_both_directions(logs, sizes, page, scanned):
    stream = attach(logs, f"s{len(list(logs._folder.iterdir()))}-{sizes[:3]}-{len(sizes)}")
    stream.path.unlink(missing_ok=True)
    messages = [f"{number}:" + "x" * size for number, size in enumerate(sizes)]
    write(stream, *messages)
    if scanned:
        scan_all(logs, stream)
    forward, position = [], 0
    while frames := logs.read_forward(stream, position, page):
        forward += frames
        position = frames[-1].end
    assert [frame.message for frame in forward] == messages
    backward, end = [], None
    while frames := logs.read_backward(stream, end, page):
        backward = frames + backward
        end = frames[0].start
    assert [frame.message for frame in backward] == messages


def test_appended_events_are_indexed_and_found_by_time(logs):
    stream = attach(logs)
    asyncio.run(logs.append(stream, [(at, "y" * 50_000) for at in range(20)], 3.0))
    position = logs.position_at(stream, 15)
    frames = logs.read_forward(stream, position, 100)
    assert position > 0
    assert frames[0].timestamp_ms < 15
    assert frames[-1].timestamp_ms == 19


def test_events_that_come_late_hide_none_before_them(logs):
    stream = attach(logs)
    large = "x" * 200_000
    for times in ((5_000, 5_001), (1_000, 1_001), (6_000,)):
        asyncio.run(logs.append(stream, [(time, large) for time in times], 9.0))
    seen = logs.stream_by_id(stream.id)
    assert (seen.first_event_ms, seen.last_event_ms) == (1_000, 6_000)
    assert logs.position_at(stream, 5_000) == 0
    start = logs.position_at(stream, 6_000)
    assert start > 0
    found = [frame.timestamp_ms for frame in logs.read_forward(stream, 0, 10) if frame.start < start]
    assert all(time < 6_000 for time in found)


def test_what_is_appended_to_a_deleted_stream_is_refused_and_leaves_nothing(logs):
    stream = attach(logs)
    asyncio.run(logs.delete_stream(stream))
    with pytest.raises(StreamNotFoundError, match="job/algo-1"):
        asyncio.run(logs.append(stream, [(1, "late")], 9.0))
    assert not stream.path.exists()


def test_a_deleted_group_is_gone_with_its_content(logs):
    stream = attach(logs)
    write(stream, "x")
    asyncio.run(logs.delete_group(logs.group("1", "r", "/group")))
    assert logs.groups("1", "r") == []
    assert not stream.path.exists()


def messages(logs, stream):
    return [frame.message for frame in logs.read_forward(stream, 0, 10_000)]


def test_an_append_cuts_off_what_a_crash_tore(logs):
    stream = attach(logs)
    write(stream, "first")
    scan_all(logs, stream)
    write(stream, "second")  # whole, and not scanned yet
    with stream.path.open("ab") as file:
        file.write(encode_frame(2, b"torn")[:-1])
    asyncio.run(logs.append(logs.stream_by_id(stream.id), [(3, "next")], 2.0))
    assert messages(logs, stream) == ["first", "second", "next"]


def test_an_append_leaves_alone_what_a_living_supervisor_writes(logs):
    stream = attach(logs)
    whole = encode_frame(1, b"half of it is there")
    with stream.path.open("ab") as supervisor:
        fcntl.flock(supervisor, fcntl.LOCK_EX)
        supervisor.write(whole[:-4])
        supervisor.flush()
        asyncio.run(logs.append(stream, [(3, "next")], 2.0))
        assert whole[:-4] in stream.path.read_bytes()


def test_a_segment_that_lost_its_end_in_a_power_cut_goes_on(logs):
    """The database may be ahead of the file: what was scanned and is gone must not hide what comes."""
    stream = attach(logs)
    write(stream, "kept", *["lost " * 6000] * 10)

    def scrape(frame):
        return [MetricPoint(frame.message[:5].strip(), 1.0, 1.0)]

    scan_all(logs, stream, scrape)
    end = logs.read_forward(stream, 0, 1)[0].end
    with stream.path.open("r+b") as file:
        file.truncate(end + 7)
    scan_all(logs, stream, scrape)
    asyncio.run(logs.append(logs.stream_by_id(stream.id), [(9, "new")], 2.0))
    assert messages(logs, stream) == ["kept", "new"]
    assert [frame.message for frame in logs.read_backward(stream, None, 10)] == ["kept", "new"]
    assert logs.stream_by_id(stream.id).scanned == stream.path.stat().st_size
