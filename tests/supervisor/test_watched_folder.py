"""Which files of a container's folder are finished, and that nothing outside of it is ever read."""

import os

import pytest

from wildsage.supervisor import watched_folder
from wildsage.supervisor.watched_folder import (
    ChangedError,
    Look,
    Signature,
    WatchedFolder,
    WatchedFolderError,
)


@pytest.fixture
def base(tmp_path):
    (tmp_path / "ml/checkpoints").mkdir(parents=True)
    return tmp_path / "ml"


@pytest.fixture
def path(base):
    return base / "checkpoints"


@pytest.fixture
def folder(base):
    return WatchedFolder(base, "checkpoints")


def looks(folder, count=2, **options):
    look = Look()
    for _ in range(count):
        look = folder.look(look, {}, **options)
    return look


def content(folder, look, name):
    with folder.opened(name, look.files[name]) as file:
        return file.read(0, 1000)


def test_a_closed_file_is_finished_at_the_second_look(folder, path):
    (path / "deep/er").mkdir(parents=True)
    (path / "deep/er/a").write_text("content")
    assert looks(folder, 1).finished == frozenset()
    assert looks(folder).finished == {"deep/er/a"}
    assert content(folder, looks(folder), "deep/er/a") == b"content"


def test_a_file_that_is_being_written_is_not(folder, path):
    with (path / "a").open("wb") as file:
        file.write(b"half")
        file.flush()
        assert looks(folder, 3).finished == frozenset()
        assert looks(folder, 3, may_end=True).finished == frozenset()
    assert looks(folder).finished == {"a"}


def test_where_the_container_is_to_end_one_look_will_do(folder, path):
    (path / "a").write_text("x")
    assert looks(folder, 1, may_end=True).finished == {"a"}


def test_what_changes_between_looks_begins_anew(folder, path):
    (path / "a").write_text("x")
    first = folder.look(Look(), {})
    (path / "a").write_text("y")
    second = folder.look(first, {})
    assert second.finished == frozenset()
    assert folder.look(second, {}).finished == {"a"}


def test_a_renamed_file_is_another(folder, path):
    (path / "a").write_text("x")
    first = folder.look(Look(), {})
    (path / "b").write_text("y")
    (path / "b").rename(path / "a")
    assert folder.look(first, {}).finished == frozenset()


def test_what_is_stored_as_it_is_need_not_be_asked_about(folder, path):
    (path / "a").write_text("x")
    look = looks(folder)
    assert folder.look(look, look.files).finished == frozenset()
    os.utime(path / "a", (1, 1))
    again = folder.look(look, look.files)
    assert folder.look(again, look.files).finished == {"a"}


def test_a_file_that_changes_while_it_is_read_is_noticed(folder, path):
    (path / "a").write_text("content")
    look = looks(folder)
    with folder.opened("a", look.files["a"]) as file:
        file.check()
        with (path / "a").open("ab") as writer:
            with pytest.raises(ChangedError):  # somebody writes
                file.check()
            writer.write(b"more")
        with pytest.raises(ChangedError):
            file.check()
    with pytest.raises(ChangedError), folder.opened("a", look.files["a"]):
        pass
    (path / "a").unlink()
    with pytest.raises(ChangedError), folder.opened("a", look.files["a"]):
        pass


def test_a_file_that_shrinks_ends_the_reading(folder, path):
    (path / "a").write_text("content")
    look = looks(folder)
    with folder.opened("a", look.files["a"]) as file:
        os.truncate(path / "a", 0)
        with pytest.raises(ChangedError):
            file.read(0, 10)


def test_without_leases_a_file_has_to_be_quiet_for_a_while(folder, path, monkeypatch):
    monkeypatch.setattr(watched_folder, "_is_written", lambda _descriptor: None)
    now = 100.0
    monkeypatch.setattr(watched_folder.time, "monotonic", lambda: now)
    (path / "a").write_text("x")
    first = folder.look(Look(), {})
    now = 101.9
    assert folder.look(first, {}).finished == frozenset()
    now = 102.0
    assert folder.look(first, {}).finished == {"a"}


def test_links_and_what_is_no_file_are_left_out(folder, path, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (path / "link").symlink_to(tmp_path / "secret")
    (path / "folder").symlink_to(tmp_path)
    os.mkfifo(path / "fifo")
    assert looks(folder).files == {}


@pytest.mark.parametrize("name", ["secret", "folder/secret"])
def test_a_link_that_takes_a_files_place_is_not_followed(folder, path, tmp_path, name):
    (path / name).parent.mkdir(exist_ok=True)
    (path / name).write_text("mine")
    (tmp_path / "secret").write_text("secret")
    look = looks(folder)
    first = path / name.partition("/")[0]
    first.rename(path / "away")
    first.symlink_to(tmp_path if "/" in name else tmp_path / "secret")
    with pytest.raises(ChangedError), folder.opened(name, look.files[name]):
        pass


def test_a_folder_that_became_a_link_is_an_error_and_one_that_is_gone_is_empty(folder, path, tmp_path):
    path.rmdir()
    assert looks(folder) == Look()
    (tmp_path / "elsewhere").mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WatchedFolderError, match="not a folder any more"):
        looks(folder)


def test_what_no_key_can_name_is_an_error(folder, path):
    deep = path.joinpath(*["x" * 200] * 6)
    deep.mkdir(parents=True)
    (deep / "a").write_text("x")
    with pytest.raises(WatchedFolderError, match="too long for a key"):
        looks(folder)


def test_a_signature_tells_a_file_from_another_of_the_same_size_and_time(path):
    (path / "a").write_text("x")
    before = Signature.of((path / "a").stat())
    (path / "a").write_text("y")
    os.utime(path / "a", ns=(before.modified, before.modified))
    assert Signature.of((path / "a").stat()) != before
