"""What cannot be registered, removed or prepared is one line that says what to do."""

import pytest

from wildsage.cli.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "mine", "/absent/train"), "'/absent/train' is not a command"),
        (("add", "mine@sha256:" + "0" * 64, "cat"), "cannot name an image"),
        (("rm", "mine"), "no image 'mine' is registered"),
        (("prepare", "absent:1"), "wildsage images add absent DIR"),
    ],
)
def test_a_mistake_is_one_line(layout, capsys, words, said):
    assert main(["images", "--data-dir", str(layout.root), *words]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("wildsage: ")
    assert "Traceback" not in error


def test_a_command_may_be_longer_than_a_path(layout, capsys):
    command = "/bin/echo " + "word " * 2000
    assert main(["images", "--data-dir", str(layout.root), "add", "mine", command]) == 0
    assert "Registered mine:latest" in capsys.readouterr().out


def test_images_of_engines_are_listed_beside_the_registered(layout, capsys, monkeypatch):
    monkeypatch.setattr("wildsage.compute.engine.Engine.names", lambda engine: [f"localhost/{engine.name}:1"])
    main(["images", "--data-dir", str(layout.root), "add", "mine", "/bin/echo"])
    assert main(["images", "--data-dir", str(layout.root), "ls"]) == 0
    said = capsys.readouterr().out
    assert "mine:latest" in said
    assert "localhost/podman:1  a container of podman" in said
    assert "localhost/docker:1  a container of docker" in said


def test_a_directory_without_programs_is_told(layout, tmp_path, capsys):
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "train").touch()
    assert main(["images", "--data-dir", str(layout.root), "add", "mine", str(tmp_path / "image")]) == 1
    assert "chmod +x" in capsys.readouterr().err
