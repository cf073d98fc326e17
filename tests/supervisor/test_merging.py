"""What several hosts left behind becomes one, whenever it is interrupted."""

import tarfile
from pathlib import Path

import pytest

from wildsage.formats.archives import extract
from wildsage.supervisor import merging
from wildsage.supervisor.archives import pack
from wildsage.supervisor.merging import merge_outputs


def packed(tmp_path, number, files):
    """The ``out/`` of a host whose model has these files."""
    model, out = tmp_path / f"model-{number}", tmp_path / f"run-{number}" / "out"
    out.mkdir(parents=True)
    model.mkdir()
    for name, content in files.items():
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_text(content)
    pack(model, out / "model.tar.gz")
    return out


def unpacked(tmp_path, archive):
    target = tmp_path / "unpacked"
    target.mkdir()
    extract(archive, target)
    return {
        path.relative_to(target).as_posix(): path.read_text() for path in target.rglob("*") if path.is_file()
    }


HOSTS = (
    {"w/1": "one", "both": "of one", "file": "a file"},
    {"w/2": "two", "both": "of two", "file/below": "of a folder"},
    {"w/3": "three"},
)
MERGED = {"w/1": "one", "both": "of one", "file": "a file", "w/2": "two", "w/3": "three"}


def test_files_of_all_are_in_one_archive_and_the_first_of_a_name_stays(tmp_path):
    first, *others = (packed(tmp_path, number, files) for number, files in enumerate(HOSTS))
    merge_outputs(first, others)
    assert unpacked(tmp_path, first / "model.tar.gz") == MERGED
    assert [list(other.iterdir()) for other in others] == [[], []]
    with tarfile.open(first / "model.tar.gz") as archive:
        names = archive.getnames()
    assert len(names) == len(set(names))


@pytest.mark.parametrize("writer", [0, 1])
def test_where_one_host_wrote_alone_its_archive_is_taken_as_it_is(tmp_path, writer):
    outs = [packed(tmp_path, number, {"w": "x"} if number == writer else {}) for number in range(3)]
    content = (outs[writer] / "model.tar.gz").read_bytes()
    merge_outputs(outs[0], outs[1:])
    assert (outs[0] / "model.tar.gz").read_bytes() == content


def test_where_nobody_wrote_there_is_an_empty_archive(tmp_path):
    outs = [packed(tmp_path, number, {}) for number in range(2)]
    merge_outputs(outs[0], outs[1:])
    assert unpacked(tmp_path, outs[0] / "model.tar.gz") == {}


def test_an_output_that_the_first_host_has_not_comes_over(tmp_path):
    first, second = (packed(tmp_path, number, {}) for number in range(2))
    (second / "model.tar.gz").rename(second / "output.tar.gz")
    merge_outputs(first, [second])
    assert {path.name for path in first.iterdir()} == {"model.tar.gz", "output.tar.gz"}


@pytest.mark.parametrize("call", range(4))
def test_interrupted_anywhere_it_ends_the_same_when_repeated(tmp_path, monkeypatch, call):
    first, *others = (packed(tmp_path, number, files) for number, files in enumerate(HOSTS))
    steps = []

    def dies(of):
        def step(*arguments, **options):
            steps.append(of)
            if len(steps) == call + 1:
                raise KeyboardInterrupt
            return of(*arguments, **options)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(merging, "join", dies(merging.join))
        patch.setattr(Path, "replace", dies(Path.replace))
        patch.setattr(Path, "unlink", dies(Path.unlink))
        with pytest.raises(KeyboardInterrupt):
            merge_outputs(first, others)
    merge_outputs(first, others)
    merge_outputs(first, others)
    assert unpacked(tmp_path, first / "model.tar.gz") == MERGED
    assert [path.name for path in first.iterdir()] == ["model.tar.gz"]


def test_plain_files_come_together_too(tmp_path):
    outs = [tmp_path / f"run-{number}" / "out" for number in range(3)]
    for out, files in zip(outs, HOSTS, strict=True):
        for name, content in files.items():
            path = out / "model" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    merge_outputs(outs[0], outs[1:])
    merge_outputs(outs[0], outs[1:])
    model = outs[0] / "model"
    assert {
        path.relative_to(model).as_posix(): path.read_text() for path in model.rglob("*") if path.is_file()
    } == MERGED
    assert [list(out.iterdir()) for out in outs[1:]] == [[], []]


def test_links_between_files_stay(tmp_path):
    first, second = packed(tmp_path, 0, {"a": "a"}), packed(tmp_path, 1, {})
    model = tmp_path / "model-1"
    (model / "b").write_text("b")
    (model / "hard").hardlink_to(model / "b")
    (model / "soft").symlink_to("b")
    pack(model, second / "model.tar.gz")
    merge_outputs(first, [second])
    assert unpacked(tmp_path, first / "model.tar.gz") == {"a": "a", "b": "b", "hard": "b", "soft": "b"}
