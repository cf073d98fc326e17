"""Which folders stand for file systems."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from wildsage.store.file_systems import FileSystem, FileSystems, UnknownFolderError

ID = "fs-0123456789abcdef0"


@pytest.fixture
def file_systems(tmp_path):
    return FileSystems(tmp_path / "data" / "filesystems.json")


def test_a_folder_is_registered_changed_and_forgotten(file_systems, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert file_systems.list() == []
    file_systems.add(ID, tmp_path / "a")
    file_systems.add(ID, tmp_path / "b")
    assert file_systems.list() == [FileSystem(ID, str(tmp_path / "b"))]
    assert file_systems.folder(ID, "/") == tmp_path / "b"
    file_systems.remove(ID)
    with pytest.raises(UnknownFolderError, match=f"wildsage filesystems add {ID} PATH"):
        file_systems.require(ID)
    with pytest.raises(LookupError, match="no file system"):
        file_systems.remove(ID)


@pytest.mark.parametrize("name", ["efs", "fs-", "fs-0123", "fs-0123456X", "fs-" + "0" * 19, "../fs-01234567"])
def test_an_id_has_its_form(file_systems, tmp_path, name):
    with pytest.raises(ValueError, match="is no id of a file system"):
        file_systems.add(name, tmp_path)


def test_a_folder_must_be_one_and_never_the_servers_own(file_systems, tmp_path):
    (tmp_path / "data" / "objects").mkdir(parents=True)
    with pytest.raises(ValueError, match="not a folder"):
        file_systems.add(ID, tmp_path / "absent")
    for folder in (tmp_path, tmp_path / "data", tmp_path / "data" / "objects"):
        with pytest.raises(ValueError, match="data directory: jobs must not see it"):
            file_systems.add(ID, folder)


def test_processes_that_add_at_once_lose_nothing(file_systems, tmp_path):
    (tmp_path / "a").mkdir()
    ids = [f"fs-{number:08x}" for number in range(30)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda one: file_systems.add(one, tmp_path / "a"), ids))
    assert [item.id for item in file_systems.list()] == ids


@pytest.mark.parametrize("directory", ["/absent", "/file", "/a\0b", "/" + "x" * 300, "/loop", "/loop/a"])
def test_what_is_no_directory_is_said_to_be_none(file_systems, tmp_path, directory):
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "file").touch()
    (folder / "loop").symlink_to("loop")
    file_systems.add(ID, folder)
    with pytest.raises(UnknownFolderError, match=rf"^DirectoryPath '.*' is no directory of {ID} \("):
        file_systems.folder(ID, directory)


@pytest.mark.parametrize("directory", ["/../outside", "/link", "/link/sub"])
def test_a_directory_outside_is_refused(file_systems, tmp_path, directory):
    for name in ("shared", "outside/sub"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "shared" / "link").symlink_to("../outside")
    file_systems.add(ID, tmp_path / "shared")
    with pytest.raises(UnknownFolderError, match=f"leads out of {ID}"):
        file_systems.folder(ID, directory)
