import os
from pathlib import Path

import pytest

from wildsage.images.registered import RegisteredImages
from wildsage.images.uri import parse_image_uri


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    folder = tmp_path / "container"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "words").write_text("hello")
    (folder / "train").write_text("#!/bin/sh\necho train\n")
    (folder / "train").chmod(0o755)
    (folder / "alias").symlink_to("train")
    return folder


@pytest.fixture
def images(tmp_path: Path) -> RegisteredImages:
    return RegisteredImages(tmp_path / "images")


def test_copy_does_not_change_with_its_source(images: RegisteredImages, directory: Path) -> None:
    image = images.add_directory("team/echo:v1", directory)
    (directory / "train").write_text("#!/bin/sh\necho changed\n")
    content = images.content(image)
    assert (content / "train").read_text() == "#!/bin/sh\necho train\n"
    assert os.access(content / "train", os.X_OK)
    assert (content / "alias").readlink() == Path("train")
    assert image.executables == ("train",)


def test_survives_a_restart_and_is_found_by_tag_and_digest(tmp_path: Path, directory: Path) -> None:
    image = RegisteredImages(tmp_path / "images").add_directory("echo", directory)
    again = RegisteredImages(tmp_path / "images")
    assert again.list() == [image]
    assert image.name == "echo:latest"
    assert again.find(parse_image_uri("echo")) == image
    assert again.find(parse_image_uri(f"echo@{image.digest}")) == image
    assert again.find(parse_image_uri("echo:v2")) is None
    assert again.find(parse_image_uri("other")) is None


def test_equal_content_has_an_equal_digest_and_changed_content_another(
    images: RegisteredImages, directory: Path
) -> None:
    first = images.add_directory("a", directory)
    second = images.add_directory("b", directory)
    assert first.digest == second.digest
    (directory / "lib" / "words").write_text("other")
    replaced = images.add_directory("a", directory)
    assert replaced.digest != first.digest
    assert [image.digest for image in images.list()] == [replaced.digest, second.digest]


def test_remove_keeps_content_that_another_image_has(images: RegisteredImages, directory: Path) -> None:
    first = images.add_directory("a", directory)
    second = images.add_directory("b", directory)
    images.remove("a")
    assert images.content(second).is_dir()
    images.remove("b:latest")
    assert not images.content(first).exists()
    with pytest.raises(LookupError, match="no image 'a' is registered"):
        images.remove("a")


@pytest.mark.parametrize("name", ["UPPER", "echo:", "echo@sha256:" + "0" * 64, "../escape"])
def test_refuses_bad_names(images: RegisteredImages, directory: Path, name: str) -> None:
    with pytest.raises(ValueError, match="image"):
        images.add_directory(name, directory)
    assert not list(images.list())


def test_refuses_a_directory_without_executables(images: RegisteredImages, directory: Path) -> None:
    (directory / "train").chmod(0o644)
    with pytest.raises(ValueError, match="executable file `train`, `process` or `serve`"):
        images.add_directory("echo", directory)
    with pytest.raises(ValueError, match="is not an image directory"):
        images.add_directory("echo", directory / "absent")


def test_commands_are_found_on_the_path(images: RegisteredImages) -> None:
    image = images.add_command("tool", ["sh", "-c", "echo"])
    assert Path(image.command[0]).is_absolute()
    assert image.command[1:] == ("-c", "echo")
    with pytest.raises(ValueError, match="no-such-program"):
        images.add_command("tool", ["no-such-program"])


def test_words_that_name_files_are_made_absolute(
    images: RegisteredImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "script.py").touch()
    monkeypatch.chdir(tmp_path)
    image = images.add_command("tool", ["sh", "script.py", "./mine", "mine", "absent/file"])
    assert image.command[1:] == (f"{tmp_path}/script.py", f"{tmp_path}/mine", "mine", "absent/file")


def test_an_interrupted_copy_leaves_no_image(
    images: RegisteredImages, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(directory / "pipe")  # cannot be copied
    with pytest.raises(Exception, match="pipe"):
        images.add_directory("echo", directory)
    assert not list(images.list())
    assert not list((images.content(images.add_command("x", ["sh"])).parent).glob(".adding*"))
