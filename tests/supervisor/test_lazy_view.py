"""FastFile of objects that are not one file of this machine: seen through FUSE where it can be mounted."""

import os
import random
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from wildsage.compute.select import BACKENDS
from wildsage.supervisor import lazy_view
from wildsage.supervisor.contract import Channel, Program

from .conftest import eventually

CONTENT = random.Random(0).randbytes(3_000_001)


def can_mount():
    """Try in a process of its own: it changes its namespace."""
    child = os.fork()
    if not child:
        try:
            lazy_view._own_mounts()
            os.open(lazy_view.DEVICE, os.O_RDWR)
        except (lazy_view.UnavailableViewError, OSError):
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


pytestmark = pytest.mark.skipif(not can_mount(), reason="no way to mount FUSE here")


@pytest.fixture(params=[backend.name for backend in BACKENDS if backend.private])
def carry(run, store, request):
    backend = next(one for one in BACKENDS if one.name == request.param)
    probe = backend.probe()
    if not probe.available:
        pytest.skip(probe.reason)

    def carried(script, *objects, **changes):
        run.endpoint_url = store.url
        program = Program(("/bin/sh", "-c", f"cd /opt/ml/input/data/train; {script}"), {})
        record = run.carry(
            "noop",
            program=program,
            channels=(Channel("train", objects, "FastFile"),),
            sandbox=backend.name,
            **changes,
        )
        return record, run.lines() if run.log.exists() else []

    return carried


def kept(run, name):
    return (run.folder.path / "run" / name).read_bytes()


def test_only_what_is_read_is_fetched(carry, run, store):
    objects = [store.put("b", f"p/{n}", CONTENT[n:], f"d{n % 2}/{n}") for n in range(4)]
    script = "find . | sort; stat -c '%s %a %F' d1/1; cat d1/3 > /run/wildsage/3; tail -c 10 d0/2 > /run/wildsage/2; cat d1/3 | cmp - /run/wildsage/3"
    record, lines = carry(script, *objects)
    assert record.outcome == "completed"
    assert lines == [".", "./d0", "./d0/0", "./d0/2", "./d1", "./d1/1", "./d1/3", "3000000 444 regular file"]
    assert kept(run, "3") == CONTENT[3:]
    assert kept(run, "2") == CONTENT[-10:]
    assert {path for path, _ in store.requests} == {"/b/p/2", "/b/p/3"}
    assert "downloading" not in run.kinds()


def test_objects_in_pieces_are_read_from_their_files(carry, run, store, tmp_path):
    cuts = [CONTENT[:1_000_000], CONTENT[1_000_000:1_000_003], CONTENT[1_000_003:]]
    for number, part in enumerate(cuts):
        (tmp_path / str(number)).write_bytes(part)
    item = replace(store.put("b", "k", CONTENT), files=tuple(str(tmp_path / str(n)) for n in range(3)))
    record, _ = carry("cat k > /run/wildsage/k", item)
    assert record.outcome == "completed"
    assert kept(run, "k") == CONTENT
    assert store.requests == []


def test_nothing_can_be_written(carry, store):
    script = "(echo x > new) 2>/dev/null || echo no; (echo x > k) 2>/dev/null || echo no; rm -f k 2>/dev/null || echo no; mkdir d 2>/dev/null || echo no"
    record, lines = carry(script, store.put("b", "k", b"x"))
    assert (record.outcome, lines) == ("completed", ["no"] * 4)


def test_many_entries_of_a_folder(carry, store):
    objects = [store.put("b", f"{n:04}-{'x' * 100}", b"") for n in range(1500)]
    record, lines = carry("ls | wc -l", *objects)
    assert (record.outcome, lines) == ("completed", ["1500"])


@pytest.mark.parametrize("then", ["exit 0", "sleep 60", "head -c 1 k 2>/dev/null; exit 0"])
def test_an_object_that_changed_fails_the_job(carry, store, then):
    """Whether the container ends by itself, is stopped for it, or fails to read it again."""
    item = store.put("b", "k", b"old")
    store.objects["/b/k"] = b"new"
    record, _ = carry(f"cat k 2>/dev/null; {then}", item)
    assert record.outcome == "input_error"
    assert "s3://b/k has changed since the job was created" in record.message
    assert record.message.count("(channel 'train')") == 1
    assert record.message.endswith("(channel 'train')")


def test_failures_that_nobody_asked_for_hold_no_reader_up(carry, store):
    """A container that skips what it cannot read, and ignores SIGTERM: its reports are more than a pipe holds."""
    objects = [store.put("b", f"{n:03}-{'x' * 240}", b"old") for n in range(250)]
    store.objects.clear()
    record, lines = carry("trap '' TERM; cat * 2> /dev/null; echo over", *objects, stop_grace_seconds=20)
    assert record.outcome == "input_error"
    assert f"s3://b/000-{'x' * 240} does not exist" in record.message
    assert lines == ["over"]


def test_what_the_platform_does_not_give_is_no_fault_of_the_input(carry, store):
    """As in the other modes: then the job is tried again."""
    store.gives_credentials = False
    script = "trap '' TERM; cat k"  # or the stop might come before it has said what it met
    record, lines = carry(script, store.put("b", "k", b"x"), stop_grace_seconds=20)
    assert record.outcome == "platform_error"
    assert record.message == "OSError: the server gave no credentials (HTTP 404) (channel 'train')"
    assert lines == ["cat: k: Input/output error"]


def test_a_process_that_is_gone_fails_the_run(run, store):
    run.endpoint_url = store.url
    program = Program(("/bin/sh", "-c", "sleep 60"), {})
    channel = Channel("train", (store.put("b", "k", b"x"),), "FastFile")
    run.start("noop", program=program, channels=(channel,))
    run.wait_for("launched")
    supervisor = run.folder.events()[0].detail["pid"]
    os.kill(view_of(supervisor), signal.SIGKILL)
    record = run.wait()
    assert record.outcome == "platform_error"
    assert record.message == "OSError: the FastFile process is gone (channel 'train')"


def view_of(supervisor):
    """Return the process that was forked, and never became another program."""
    own = Path(f"/proc/{supervisor}/cmdline").read_bytes()
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    (found,) = (int(child) for child in children if Path(f"/proc/{child}/cmdline").read_bytes() == own)
    return found


def test_of_several_views_the_one_that_failed_is_named(run, store):
    run.endpoint_url = store.url
    good, bad = store.put("b", "good", b"x"), store.put("b", "bad", b"x")
    del store.objects["/b/bad"]
    program = Program(("/bin/sh", "-c", "cd /opt/ml/input/data; cat one/good; cat two/bad; sleep 60"), {})
    channels = (Channel("one", (good,), "FastFile"), Channel("two", (bad,), "FastFile"))
    record = run.carry("noop", program=program, channels=channels)
    assert record.outcome == "input_error"
    assert "s3://b/bad does not exist" in record.message
    assert record.message.endswith("(channel 'two')")


def test_a_folder_that_holds_nothing_is_there(carry, store):
    marker = store.put("b", "p/empty/", b"", "empty/")
    record, lines = carry("find . | sort; ls empty", store.put("b", "a", b"x"), marker)
    assert (record.outcome, lines) == ("completed", [".", "./a", "./empty"])


def test_a_connection_that_breaks_leaves_no_seam(carry, run, store):
    store.faults = ["half", "reset", (503, "SlowDown")]
    record, _ = carry("cat k > /run/wildsage/k", store.put("b", "k", CONTENT))
    assert record.outcome == "completed"
    assert kept(run, "k") == CONTENT


def test_a_supervisor_that_is_killed_leaves_nobody_behind(run, store):
    """The process of a view holds the run's lock too: while it lived, the run would seem to."""
    run.endpoint_url = store.url
    program = Program(("/bin/sh", "-c", "sleep 60"), {})
    channel = Channel("train", (store.put("b", "k", b"x"),), "FastFile")
    run.start("noop", program=program, channels=(channel,))
    run.wait_for("launched")
    (started, *_) = run.folder.events()
    os.kill(started.detail["pid"], signal.SIGKILL)
    eventually(lambda: not run.folder.is_alive())
    assert run.folder.exit_record() is None
    run.folder.delete()
    assert not run.folder.path.exists()
