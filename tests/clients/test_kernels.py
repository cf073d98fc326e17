"""Jupyter kernels: what is written, that nobody else's is touched, and that all can be found again."""

import json
import sys
from pathlib import Path

import pytest

from wildsage.clients.kernels import (
    Kernel,
    KernelError,
    install,
    installed,
    prefix_folder,
    remove,
    user_folder,
)
from wildsage.store.layout import Layout


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "data")


def kernel(layout, name="wildsage"):
    return Kernel(layout, name, "Python (Wildsage)", "/opt/notebooks/bin/python")


def test_a_kernel_is_written_and_removed(layout, tmp_path):
    place = install(kernel(layout), tmp_path / "kernels")
    said = json.loads((place / "kernel.json").read_text())
    assert said["argv"][:5] == [sys.executable, "-m", "wildsage", "jupyter", "kernel"]
    assert said["argv"][-5:] == [
        "/opt/notebooks/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}",
    ]  # fmt: skip
    assert said["argv"][5:8] == ["--data-dir", str(layout.root), "--"]
    assert (said["language"], said["display_name"]) == ("python", "Python (Wildsage)")
    assert installed(layout) == [place]
    assert remove(layout) == [place]
    assert not place.exists()
    assert installed(layout) == []


def test_kernels_of_several_folders_are_found_and_removed_by_name(layout, tmp_path):
    places = [
        install(kernel(layout, name), tmp_path / folder)
        for name, folder in (("one", "user"), ("two", "user"), ("two", "prefix"))
    ]
    install(kernel(layout, "one"), tmp_path / "user")  # again
    assert installed(layout) == sorted(places)
    assert remove(layout, "two") == sorted(places[1:])
    assert installed(layout) == places[:1]


def test_another_kernel_stays(layout, tmp_path):
    other = tmp_path / "python3"
    other.mkdir()
    (other / "kernel.json").write_text('{"argv": ["python"], "metadata": {}}')
    with pytest.raises(KernelError, match="is another kernel: choose another --name"):
        install(kernel(layout, "python3"), tmp_path)
    # One that took the place of ours since.
    place = install(kernel(layout, "mine"), tmp_path)
    (place / "kernel.json").write_text("{}")
    assert remove(layout) == []
    assert place.exists()


@pytest.mark.parametrize("name", ["", "../up", "Mixed", "two words"])
def test_a_name_that_is_none_is_told(layout, tmp_path, name):
    with pytest.raises(KernelError, match="is no name of a kernel"):
        install(kernel(layout, name), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_folders_are_those_of_jupyter(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert user_folder({}) == Path("/home/me/.local/share/jupyter/kernels")
    assert user_folder({"XDG_DATA_HOME": "/data"}) == Path("/data/jupyter/kernels")
    assert user_folder({"JUPYTER_DATA_DIR": "/j", "XDG_DATA_HOME": "/data"}) == Path("/j/kernels")
    assert prefix_folder(Path("/env")) == Path("/env/share/jupyter/kernels")
