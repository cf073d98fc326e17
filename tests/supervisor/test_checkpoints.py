"""S3 follows the folder of a container: what goes up, what is deleted, and what becomes of half a file."""

import threading

import pytest

from wildsage.supervisor import checkpoints as module
from wildsage.supervisor import download
from wildsage.supervisor.checkpoints import Checkpoints
from wildsage.supervisor.contract import CheckpointPlace
from wildsage.supervisor.download import Credentials, UnreachableError
from wildsage.supervisor.staging import Staging
from wildsage.supervisor.upload import ObjectWriter, UploadError
from wildsage.supervisor.watched_folder import WatchedFolder

from .conftest import eventually
from .object_server import REGION, TOKEN

LOCAL = "/opt/ml/checkpoints"


class Synchronised:
    """The folder of a container that lives until `finish`, and the store beside it."""

    def __init__(self, store, root, local=LOCAL):
        self.store, self.root, self.local = store, root, local
        self.ml = root / "ml"
        self.ml.mkdir(parents=True)
        self.stop = threading.Event()
        self.thread = None

    def begin(self, prefix="p/"):
        objects = tuple(
            self.store.put("b", path.removeprefix("/b/"), content, path.removeprefix(f"/b/{prefix}"))
            for path, content in list(self.store.objects.items())
            if path.startswith(f"/b/{prefix}")
        )
        place = CheckpointPlace("b", prefix, self.local, objects)
        credentials = Credentials(f"{self.store.url}/credentials", TOKEN)
        self.sync = Checkpoints(
            place, self.root, self.ml, lambda pause: ObjectWriter(self.store.url, REGION, credentials, pause)
        )
        Staging(self.store.url, REGION, credentials, lambda: None).fetch(self.sync.place())
        self.sync.remember()
        self.sync.start()
        self.thread = threading.Thread(target=self._live)
        self.thread.start()

    def _live(self):
        while not self.stop.wait(0.01):
            self.sync.look()

    @property
    def folder(self):
        return self.ml / self.local.removeprefix("/opt/ml/")

    @property
    def stored(self):
        return {path.removeprefix("/b/p/"): content for path, content in self.store.objects.items()}

    def becomes(self, **files):
        wanted = {name: text.encode() for name, text in files.items()}
        eventually(lambda: self.stored == wanted)

    def end_container(self):
        self.stop.set()
        if self.thread is not None:
            self.thread.join()

    def finish(self, *, well=True, may_give_up=lambda: True):
        self.end_container()
        return self.sync.finish(well=well, may_give_up=may_give_up)


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(download, "_FIRST_PAUSE_SECONDS", 0.001)


@pytest.fixture
def both(store, tmp_path):
    made = Synchronised(store, tmp_path / "run")
    yield made
    made.end_container()
    made.sync.close()


def test_what_is_there_is_brought_back_and_not_written_again(both):
    both.store.objects |= {"/b/p/old": b"1", "/b/p/deep/old": b"2", "/b/other": b"3"}
    both.begin()
    assert (both.folder / "old").read_text() == "1"
    assert (both.folder / "deep/old").read_text() == "2"
    assert not (both.folder / "other").exists()
    done = both.finish()
    assert (done.restored, done.uploaded, done.deleted) == (2, 0, 0)
    assert both.store.written == []


def test_new_and_changed_files_go_up_and_removed_ones_go(both):
    both.begin()
    (both.folder / "a").write_text("1")
    both.becomes(a="1")
    (both.folder / "a").write_text("22")
    (both.folder / "b").write_text("3")
    both.becomes(a="22", b="3")
    (both.folder / "a").unlink()
    both.becomes(b="3")
    done = both.finish()
    assert (done.uploaded, done.uploaded_bytes, done.deleted, done.unfinished) == (3, 4, 1, ())


def test_what_others_put_there_is_not_brought_in_and_stays(both):
    both.begin()
    both.store.objects["/b/p/foreign"] = b"x"
    (both.folder / "a").write_text("1")
    both.becomes(a="1", foreign="x")
    both.finish()
    assert not (both.folder / "foreign").exists()
    assert both.stored == {"a": b"1", "foreign": b"x"}


def test_half_a_file_replaces_nothing(both):
    both.store.objects["/b/p/a"] = b"whole"
    both.begin()
    with (both.folder / "a").open("w") as file:
        file.write("ha")
        file.flush()
        (both.folder / "b").write_text("2")
        both.becomes(a="whole", b="2")
        file.write("lf")
    both.becomes(a="half", b="2")


@pytest.mark.parametrize("well", [True, False])
def test_at_the_end_a_file_counts_if_the_container_ended_well_or_it_was_seen_finished(both, well):
    both.store.objects["/b/p/a"] = b"whole"
    both.begin()
    (both.folder / "seen").write_text("1")
    both.becomes(a="whole", seen="1")
    both.end_container()  # what follows nobody saw while it lived
    (both.folder / "a").write_text("may be torn")
    (both.folder / "seen").unlink()
    done = both.finish(well=well)
    assert both.stored == ({"a": b"may be torn"} if well else {"a": b"whole", "seen": b"1"})
    assert done.unfinished == (() if well else ("a",))


def test_what_was_seen_closed_while_the_container_lived_goes_up_however_it_ended(both):
    both.begin()
    both.end_container()
    (both.folder / "a").write_text("saved on SIGTERM")
    both.sync.look(may_end=True)
    both.finish(well=False)
    assert both.stored == {"a": b"saved on SIGTERM"}


def test_what_a_new_file_replaces_goes_only_when_the_new_one_is_stored(both):
    both.store.objects["/b/p/step-1"] = b"1"
    both.begin()
    with (both.folder / "step-2").open("w") as file:
        file.write("2")
        (both.folder / "step-1").unlink()
        (both.folder / "probe").write_text("x")
        eventually(lambda: "probe" in both.stored)
        assert both.stored["step-1"] == b"1", "S3 has no other whole checkpoint"
    both.becomes(**{"step-2": "2", "probe": "x"})


def test_what_comes_while_the_folder_is_looked_through_counts_too(both, monkeypatch):
    """A look is no moment: it lists a folder, and then asks for each file."""
    walk, written = WatchedFolder._walk, []

    def walk_meanwhile(folder):
        for entry in walk(folder):
            if not written:
                written.append((both.folder / "step-2").open("w"))
                (both.folder / "step-1").unlink()
            yield entry

    both.store.objects["/b/p/step-1"] = b"1"
    both.begin()
    monkeypatch.setattr(WatchedFolder, "_walk", walk_meanwhile)
    eventually(lambda: written)
    (both.folder / "probe").write_text("x")
    eventually(lambda: "probe" in both.stored)
    assert both.stored["step-1"] == b"1"
    written[0].close()
    both.becomes(**{"step-2": "", "probe": "x"})


@pytest.mark.parametrize("well", [True, False])
def test_at_the_end_what_is_gone_stays_if_its_successor_may_be_torn(both, well):
    both.store.objects["/b/p/step-1"] = b"1"
    both.begin()
    both.end_container()
    (both.folder / "step-2").write_text("2")
    (both.folder / "step-1").unlink()
    both.finish(well=well)
    assert both.stored == ({"step-2": b"2"} if well else {"step-1": b"1"})


def test_a_file_that_is_written_for_ever_holds_a_deletion_up_for_a_while_only(both, monkeypatch):
    monkeypatch.setattr(module, "_LONGEST_WAIT_SECONDS", 0.1)
    both.store.objects["/b/p/old"] = b"1"
    both.begin()
    with (both.folder / "log").open("w") as file:
        file.write("a line")
        (both.folder / "old").unlink()
        both.becomes()


@pytest.mark.parametrize("local", ["/opt/ml/checkpoints/", "/opt/ml/model/saved", "/elsewhere"])
def test_the_folder_is_where_the_job_wants_it(store, tmp_path, local):
    both = Synchronised(store, tmp_path / "run", local)
    store.objects["/b/p/old"] = b"1"
    both.begin()
    mounts = both.sync.mounts()
    folder = both.folder if local.startswith("/opt/ml/") else both.root / module.OUTSIDE_FOLDER
    assert (folder / "old").read_text() == "1"
    assert [(mount.source, mount.target, mount.writable) for mount in mounts] == (
        [] if local.startswith("/opt/ml/") else [(str(folder), local, True)]
    )
    (folder / "new").write_text("2")
    both.finish()
    assert both.stored == {"old": b"1", "new": b"2"}


def test_a_refusal_is_the_failure_of_the_run(both):
    both.begin()
    both.store.forbidden.add("/b/p/a")
    (both.folder / "a").write_text("1")
    failure = eventually(lambda: both.sync.failure)
    assert isinstance(failure, UploadError)
    assert "s3://b/p/a cannot be written: access denied" in str(failure)
    both.finish()


def test_a_folder_that_became_a_link_is_a_failure(both, tmp_path):
    both.begin()
    both.folder.rmdir()
    both.folder.symlink_to(tmp_path)
    failure = eventually(lambda: both.sync.failure)
    assert str(failure).startswith(f"{LOCAL}: it is not a folder any more")


def test_a_server_that_is_away_is_waited_for(both, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE_SECONDS", 0.05)
    both.begin()
    both.store.faults = ["reset"] * 8
    (both.folder / "a").write_text("1")
    asked = []

    def may_give_up():
        asked.append(1)
        return False

    both.finish(may_give_up=may_give_up)
    assert both.sync.failure is None
    assert both.stored == {"a": b"1"}
    assert asked


def test_who_may_give_up_does_and_says_so(both, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE_SECONDS", 0.0)
    both.begin()
    both.store.faults = ["reset"] * 1000
    (both.folder / "a").write_text("1")
    both.finish()
    assert isinstance(both.sync.failure, UnreachableError)


def test_a_full_disk_passes_or_is_given_up(both, monkeypatch):
    both.begin()
    both.store.faults = [(507, "InsufficientStorage")] * 3
    (both.folder / "a").write_text("1")
    both.becomes(a="1")
    monkeypatch.setattr(download, "PATIENCE_SECONDS", 0.0)
    both.store.faults = [(507, "InsufficientStorage")] * 1000
    (both.folder / "a").write_text("2")
    both.finish(may_give_up=lambda: False)
    assert "507" in str(both.sync.failure)
    assert both.stored == {"a": b"1"}


def test_a_job_without_checkpoints_has_nothing_of_all_this(tmp_path):
    sync = Checkpoints(None, tmp_path, tmp_path, lambda _pause: pytest.fail("nothing is written"))
    assert sync.place() == []
    assert sync.mounts() == []
    sync.remember()
    sync.start()
    sync.look()
    assert sync.finish(well=True, may_give_up=lambda: False) is None
    assert list(tmp_path.iterdir()) == []
