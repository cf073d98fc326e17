"""Old events go, and positions stay what they are."""

import asyncio
import fcntl

import pytest

from wildsage.formats.logframes import drop_before, encode_frame, first_position, read_frames, whole_length
from wildsage.store.log_pages import StreamOrder
from wildsage.store.log_retention import LogRetention, oldest_kept
from wildsage.store.logs import LogStreams

DAY = 86_400
NOW = 100.0 * DAY


@pytest.fixture
def logs(telemetry, tmp_path):
    folder = tmp_path / "segments"
    folder.mkdir()
    return LogStreams(telemetry, folder)


def stream_with(logs, *days, size=135_000, name="s"):
    """Make a stream with one event at each day; each is larger than what the index steps over."""
    stream = asyncio.run(logs.attach("1", "r", "/group", name, NOW))
    with stream.path.open("ab") as file:
        for day in days:
            file.write(encode_frame(day * DAY * 1000, f"{day}:".encode() + b"x" * size))
    asyncio.run(logs.scan(stream.id, "", lambda _frame: (), NOW))
    return logs.stream_by_id(stream.id)


def keep(logs, days):
    asyncio.run(logs.set_retention(logs.group("1", "r", "/group"), days))


def sweep(logs):
    """Return how many streams gave back room."""

    async def story():
        retention = LogRetention(logs)
        would = [await retention.expire(*each, dry_run=True) for each in retention.candidates(NOW)]
        before = sum(stream.dropped for stream in logs.streams(logs.group("1", "r", "/group")))
        await retention.sweep(NOW)
        after = sum(stream.dropped for stream in logs.streams(logs.group("1", "r", "/group")))
        assert after - before == sum(would)
        return sum(size > 0 for size in would)

    return asyncio.run(story())


def days_in(frames):
    return [int(frame.message.partition(":")[0]) for frame in frames]


def test_a_group_without_retention_keeps_everything(logs):
    stream = stream_with(logs, 1, 99)
    assert sweep(logs) == 0
    assert days_in(logs.read_forward(stream, 0, 10)) == [1, 99]
    assert oldest_kept(None, NOW) == 0


def test_the_room_of_old_events_is_given_back_and_tokens_stay_valid(logs):
    stream = stream_with(logs, 1, 2, 3, 4, 5, 98, 99)
    positions = {
        day: frame.start
        for day, frame in zip((1, 2, 3, 4, 5, 98, 99), logs.read_forward(stream, 0, 9), strict=True)
    }
    blocks, group = stream.path.stat().st_blocks, logs.group("1", "r", "/group")
    stored = logs.stored_bytes(group)
    keep(logs, 7)
    assert sweep(logs) == 1
    stream = logs.stream_by_id(stream.id)
    assert stream.path.stat().st_blocks < blocks * 0.7
    assert logs.stored_bytes(group) < stored * 0.7
    assert days_in(logs.read_forward(stream, 0, 10))[-2:] == [98, 99]
    assert days_in(logs.read_forward(stream, positions[2], 10))[-2:] == [98, 99]
    assert days_in(logs.read_forward(stream, positions[99], 10)) == [99]
    assert days_in(logs.read_backward(stream, None, 10))[-2:] == [98, 99]
    assert days_in(logs.read_backward(stream, positions[99], 1)) == [98]
    assert logs.read_backward(stream, positions[2], 10) == []
    assert sweep(logs) == 0


def test_a_stream_whose_events_are_all_old_is_empty_and_goes_on(logs):
    stream = stream_with(logs, 1, 2)
    keep(logs, 1)
    assert sweep(logs) == 1
    stream = logs.stream_by_id(stream.id)
    assert (logs.read_forward(stream, 0, 10), logs.read_backward(stream, None, 10)) == ([], [])
    assert stream.first_event_ms is None
    asyncio.run(logs.append(stream, [(99 * DAY * 1000, "99:")], NOW))
    stream = logs.stream_by_id(stream.id)
    assert days_in(logs.read_forward(stream, 0, 10)) == days_in(logs.read_backward(stream, None, 5)) == [99]
    assert stream.scanned == stream.path.stat().st_size
    assert sweep(logs) == 0


def test_a_stream_that_a_supervisor_writes_is_left_alone(logs):
    stream = stream_with(logs, 1, 2)
    keep(logs, 1)
    with stream.path.open("ab") as supervisor:
        fcntl.flock(supervisor, fcntl.LOCK_EX)
        assert sweep(logs) == 0
    assert days_in(logs.read_forward(stream, 0, 10)) == [1, 2]


def test_a_supervisor_continues_a_segment_that_lost_its_beginning(tmp_path):
    path = tmp_path / "segment.log"
    first, second = encode_frame(1, b"x" * 50), encode_frame(2, b"second", 9)
    path.write_bytes(first + second + b"torn")
    drop_before(path, len(first))
    with path.open("rb") as file:
        assert first_position(file) == len(first)
        assert whole_length(file) == len(first + second)
        (frame,) = read_frames(file, 0)
    assert (frame.timestamp_ms, frame.ingested_ms, frame.message) == (2, 9, "second")
    assert (frame.start, frame.end) == (len(first), len(first + second))
    drop_before(path, len(first + second))
    with path.open("rb") as file:
        assert whole_length(file) == len(first + second)


def test_streams_come_in_pages_by_time_and_by_name(logs, telemetry):
    for number, day in enumerate((5, 3, 3, 9)):
        stream_with(logs, day, name=f"s{number}", size=10)
    group = logs.group("1", "r", "/group")
    asyncio.run(logs.create_stream(group, "s9", NOW))

    def listed(**order):
        found, after = [], None
        while page := logs.stream_page(group, StreamOrder(after=after, **order), 2):
            found += [stream.name for stream in page]
            last = page[-1]
            after = [last.last_event_ms or 0, last.name] if order.get("by_time") else [last.name]
        return found

    assert listed() == ["s0", "s1", "s2", "s3", "s9"]
    assert listed(descending=True, prefix="s") == ["s9", "s3", "s2", "s1", "s0"]
    assert listed(by_time=True) == ["s9", "s1", "s2", "s0", "s3"]
    assert listed(by_time=True, descending=True) == ["s3", "s0", "s2", "s1", "s9"]
    plan = telemetry.read(
        "EXPLAIN QUERY PLAN SELECT * FROM log_stream WHERE group_id = 1 AND"
        " (COALESCE(last_event_ms, 0), name) < (5, 'a')"
        " ORDER BY COALESCE(last_event_ms, 0) DESC, name DESC LIMIT 50"
    )
    assert ["log_stream_by_last_event" in row["detail"] for row in plan] == [True]
    assert [stream.name for stream in logs.streams_since(group, "s", 6 * DAY * 1000)] == ["s3", "s9"]
