"""Objects go up whole or not at all, whatever the server and the network do."""

import pytest

from wildsage.supervisor import download, upload
from wildsage.supervisor.download import Credentials, UnreachableError
from wildsage.supervisor.upload import ObjectWriter, UploadError

from .object_server import REGION, TOKEN


class Text:
    """A content in memory; `changes_at` makes its check fail once so many bytes were read."""

    def __init__(self, text, *, changes=False):
        self.text, self.size, self.changes = text, len(text), changes

    def read(self, start, size):
        return self.text[start : start + size]

    def check(self):
        if self.changes:
            raise InterruptedError("changed")


@pytest.fixture
def writer(store):
    made = ObjectWriter(
        store.url, REGION, Credentials(f"{store.url}/credentials", TOKEN), lambda _seconds: None
    )
    yield made
    made.close()


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(upload, "PART_BYTES", 1000)
    monkeypatch.setattr(upload, "_CHUNK_BYTES", 300)


@pytest.mark.parametrize("size", [0, 1, 299, 300, 1000, 1001, 5432])
def test_an_object_is_written(store, writer, small_parts, size):
    text = bytes(range(256)) * 30
    writer.put("bucket", "a folder/ä.txt", Text(text[:size]))
    assert store.objects == {"/bucket/a folder/ä.txt": text[:size]}
    assert store.uploads == {}


def test_an_object_is_deleted_and_what_is_not_there_too(store, writer):
    store.objects["/bucket/key"] = b"x"
    writer.delete("bucket", "key")
    writer.delete("bucket", "key")
    assert store.objects == {}


@pytest.mark.parametrize("size", [900, 3500])
@pytest.mark.parametrize("fault", ["reset", (503, "SlowDown"), (400, "ExpiredToken")])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_fault_costs_one_attempt(store, writer, small_parts, size, fault, at):
    store.faults = [None] * at + [fault]
    for _ in range(3):
        writer.put("bucket", "key", Text(b"y" * size))
    assert store.objects == {"/bucket/key": b"y" * size}


@pytest.mark.parametrize("size", [900, 3500])
def test_a_content_that_changed_while_it_was_read_replaces_nothing(store, writer, small_parts, size):
    store.objects["/bucket/key"] = b"before"
    with pytest.raises(InterruptedError, match="changed"):
        writer.put("bucket", "key", Text(b"y" * size, changes=True))
    assert store.objects == {"/bucket/key": b"before"}
    assert store.uploads == {}, "parts of an upload that was given up are removed"
    writer.put("bucket", "key", Text(b"z" * size))
    assert store.objects == {"/bucket/key": b"z" * size}


@pytest.mark.parametrize("size", [900, 3500])
def test_what_the_role_may_not_write_is_refused_before_the_content_is_sent(store, writer, small_parts, size):
    store.forbidden.add("/bucket/key")
    with pytest.raises(UploadError) as raised:
        writer.put("bucket", "key", Text(b"y" * size))
    assert str(raised.value) == (
        "s3://bucket/key cannot be written: access denied to the job's role (AccessDenied: about AccessDenied)"
    )
    with pytest.raises(UploadError, match="s3://bucket/key cannot be deleted: access denied"):
        writer.delete("bucket", "key")


def test_a_server_in_trouble_is_given_up_in_the_end(store, writer, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE_SECONDS", 0.0)
    store.faults = [(507, "InsufficientStorage")] * 3
    with pytest.raises(UnreachableError, match="HTTP 507: about InsufficientStorage"):
        writer.put("bucket", "key", Text(b"y"))
    assert store.objects == {}
