"""Inputs over HTTP: placed, signed, continued, refused."""

import errno
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wildsage.supervisor import download
from wildsage.supervisor.contract import InputObject
from wildsage.supervisor.download import Credentials, InputError, UnreachableError
from wildsage.supervisor.staging import Staging, place

from .object_server import REGION, TOKEN, serve


def staging(store, check=lambda: None, token=TOKEN):
    return Staging(store.url, REGION, Credentials(f"{store.url}/credentials", token), check)


def fetch(store, items, folder, **more):
    return staging(store, **more).fetch(place(items, folder))


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(download, "_FIRST_PAUSE_SECONDS", 0.001)


# Places


def item(path, key=None):
    return InputObject("b", key or f"p/{path}", path, 1, "e")


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/etc/passwd", "a/./b", "..", "a//b", "a\0b", "x" * 256, "a/.."]
)
def test_a_key_that_is_no_file_of_its_channel_is_refused(tmp_path, path):
    with pytest.raises(InputError, match=r"Data download failed.*s3://b/p/"):
        place([item("fine"), item(path)], tmp_path / "channel")
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("paths", [("a", "a/b"), ("a/b", "a"), ("a/", "a"), ("a/b/c", "a/b")])
def test_a_key_that_is_file_and_folder_is_refused(tmp_path, paths):
    with pytest.raises(InputError, match="needs a folder"):
        place([item(path) for path in paths], tmp_path)


def test_two_objects_for_one_file_are_refused_but_one_named_twice_is_one(tmp_path):
    assert len(place([item("a"), item("a")], tmp_path)) == 1
    with pytest.raises(InputError, match="same file"):
        place([item("a"), item("a", key="q/a")], tmp_path)


def test_folder_markers_become_folders(tmp_path):
    placed = place([item("", key="p/"), item("a/"), item("b/c")], tmp_path / "channel")
    assert [one.path for one in placed] == [tmp_path / "channel/b/c"]
    assert sorted(path.name for path in (tmp_path / "channel").iterdir()) == ["a", "b"]


@given(st.lists(st.text(st.sampled_from("a./\0"), max_size=6), max_size=5))
def test_nothing_is_ever_placed_outside(tmp_path_factory, paths):
    folder = tmp_path_factory.mktemp("channel")
    try:
        placed = place([item(path) for path in paths], folder)
    except InputError:
        return
    for one in placed:
        assert one.path.resolve().is_relative_to(folder.resolve())
        one.path.write_bytes(b"")  # its folder is there, and it is none itself


# Content


def test_objects_arrive_whole(store, tmp_path):
    contents = {f"p/ä {n}+~?&%.csv": bytes([n]) * n * 1000 for n in range(20)}
    items = [store.put("b", key, content, path=key[2:]) for key, content in contents.items()]
    total = fetch(store, items, tmp_path)
    assert total == sum(map(len, contents.values()))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        key[2:]: content for key, content in contents.items()
    }
    assert store.credentials_given <= 4


def test_a_broken_connection_is_continued_where_it_broke(store, tmp_path):
    content = bytes(range(256)) * 4000
    store.faults = ["half", "reset", (503, "SlowDown"), "half"]
    fetch(store, [store.put("b", "k", content)], tmp_path)
    assert (tmp_path / "k").read_bytes() == content
    ranges = [wanted for _, wanted in store.requests]
    assert ranges[0] is None
    assert ranges[1] == f"bytes={len(content) // 2}-"


def test_stale_credentials_are_fetched_again(store, tmp_path):
    store.faults = [(400, "ExpiredToken")]
    fetch(store, [store.put("b", "k", b"x")], tmp_path)
    assert store.credentials_given == 2


def test_a_server_that_is_away_for_a_while_is_waited_for(store, tmp_path):
    first = serve(store)
    port = first.server_port
    first.shutdown()
    first.server_close()
    items = [store.put("b", "k", b"x")]
    attempts = []
    back = []

    def check():
        attempts.append(1)
        if len(attempts) == 5:
            back.append(serve(store, port))

    Staging(store.url, REGION, Credentials(f"{store.url}/credentials", TOKEN), check).fetch(
        place(items, tmp_path)
    )
    assert (tmp_path / "k").read_bytes() == b"x"
    back[0].shutdown()
    back[0].server_close()


def test_a_server_that_is_gone_is_given_up(store, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE_SECONDS", 0.05)
    items = [store.put("b", "k", b"x")]
    store.faults = [(500, "InternalError")] * 1000
    with pytest.raises(UnreachableError, match="HTTP 500"):
        fetch(store, items, tmp_path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda store: store.objects.clear(), r"s3://b/p/k does not exist \(NoSuchKey"),
        (lambda store: store.forbidden.add("/b/p/k"), "s3://b/p/k cannot be read: access denied"),
        (lambda store: store.objects.update({"/b/p/k": b"other"}), "s3://b/p/k has changed"),
        (lambda store: store.faults.append((400, "Odd")), "s3://b/p/k cannot be read.*Odd: about Odd"),
    ],
)
def test_what_cannot_be_had_fails_with_a_reason(store, tmp_path, spoil, words):
    items = [store.put("b", "p/k", b"content", path="k")]
    spoil(store)
    with pytest.raises(InputError, match=f"^ClientError: Data download failed.*{words}"):
        fetch(store, items, tmp_path)


def test_a_void_token_is_no_fault_of_the_input(store, tmp_path):
    with pytest.raises(PermissionError, match="no credentials"):
        fetch(store, [store.put("b", "k", b"x")], tmp_path, token="other")


def test_a_stop_ends_the_staging(store, tmp_path):
    store.faults = [(503, "SlowDown")] * 1000
    stop = threading.Event()

    class StopError(Exception):
        pass

    def check():
        if len(store.requests) > 3:
            stop.set()
            raise StopError

    with pytest.raises(StopError):
        fetch(store, [store.put("b", "k", b"x")], tmp_path, check=check)


def test_a_full_disk_is_reported_as_that(store, tmp_path):
    placed = place([store.put("b", "k", b"x" * 100_000)], tmp_path)
    (tmp_path / "k").symlink_to("/dev/full")
    with pytest.raises(OSError) as caught:
        staging(store).fetch(placed)
    assert caught.value.errno == errno.ENOSPC
