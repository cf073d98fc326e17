"""Folders that stand for file systems, from the command line."""

import pytest

from wildsage.cli.main import main

ID = "fs-0123456789abcdef0"


def call(layout, *words):
    return main(["filesystems", "--data-dir", str(layout.root), *words])


def test_a_folder_is_added_listed_and_removed(layout, tmp_path, capsys):
    (tmp_path / "efs").mkdir()
    assert call(layout, "add", ID, str(tmp_path / "efs")) == 0
    assert call(layout, "ls") == 0
    assert f"{ID}  {tmp_path / 'efs'}" in capsys.readouterr().out
    assert call(layout, "rm", ID) == 0
    assert call(layout, "ls") == 0
    assert ID not in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "efs", "/tmp"), "'efs' is no id of a file system"),
        (("add", ID, "/absent"), "/absent is not a folder"),
        (("rm", ID), "no file system 'fs-0123456789abcdef0' is registered"),
    ],
)
def test_a_mistake_is_one_line(layout, capsys, words, said):
    assert call(layout, *words) == 1
    error = capsys.readouterr().err
    assert error.startswith("wildsage: ")
    assert said in error
