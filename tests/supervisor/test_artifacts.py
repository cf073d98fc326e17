"""What a container leaves behind, links to elsewhere included."""

import os
import tarfile

import pytest

from wildsage.supervisor.artifacts import failure_text, pack_artifacts
from wildsage.supervisor.folder import remove_tree


@pytest.fixture
def ml(tmp_path):
    ml = tmp_path / "ml"
    (ml / "model").mkdir(parents=True)
    (ml / "output" / "data").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "failure").write_text("secret")
    return ml


@pytest.fixture
def out(ml, tmp_path):
    return tmp_path / "out"


def names(path):
    with tarfile.open(path) as tar:
        return tar.getnames()


def test_the_model_is_always_packed_the_output_only_where_there_is_some(ml, out):
    sizes = pack_artifacts(ml, out, compress=True)
    assert sizes == {"model.tar.gz": (out / "model.tar.gz").stat().st_size}
    assert names(out / "model.tar.gz") == []
    (ml / "model" / "m").write_text("m")
    (ml / "output" / "data" / "o").write_text("o")
    assert set(pack_artifacts(ml, out, compress=True)) == {"model.tar.gz", "output.tar.gz"}
    assert (names(out / "model.tar.gz"), names(out / "output.tar.gz")) == (["m"], ["o"])


def test_without_compression_there_are_plain_folders(ml, out):
    (ml / "model" / "sub").mkdir()
    (ml / "model" / "sub" / "m").write_text("12345")
    (ml / "model" / "alias").symlink_to("sub/m")
    (ml / "model" / "stolen").symlink_to(ml.parent / "secret" / "failure")
    (ml / "model" / "all").symlink_to(ml.parent / "secret")
    (ml / "model" / "circle").symlink_to("circle")
    assert pack_artifacts(ml, out, compress=False) == {"model": 10}
    assert {path.relative_to(out).as_posix() for path in out.rglob("*")} == {
        "model", "model/sub", "model/sub/m", "model/alias",
    }  # fmt: skip
    assert not (out / "model" / "alias").is_symlink()


@pytest.mark.parametrize("compress", [True, False])
def test_what_is_in_a_closed_folder_is_packed(ordinary, compress):
    closed = ordinary / "ml" / "model" / "closed"
    for mode in (0o555, 0):
        closed.mkdir(parents=True)
        (closed / "m").write_text("m")
        closed.chmod(mode)
        out = ordinary / f"out-{mode}"
        out.mkdir()
        assert len(pack_artifacts(ordinary / "ml", out, compress=compress)) == 1
        assert (out / "model/closed/m").is_file() or names(out / "model.tar.gz") == ["closed", "closed/m"]
        remove_tree(closed)


@pytest.mark.parametrize("compress", [True, False])
def test_a_folder_replaced_by_a_link_holds_nothing(ml, out, compress):
    (ml / "model").rmdir()
    (ml / "model").symlink_to(ml.parent / "secret")
    (ml / "output" / "data").rmdir()
    (ml / "output").rmdir()
    (ml / "output").symlink_to(ml.parent / "secret")
    (ml.parent / "secret" / "data").mkdir()
    (ml.parent / "secret" / "data" / "x").write_text("secret")
    pack_artifacts(ml, out, compress=compress)
    if compress:
        assert names(out / "model.tar.gz") == []
    assert {path.name for path in out.iterdir()} <= {"model.tar.gz"}
    assert failure_text(ml) == ""


def test_the_failure_file_is_read_to_its_bound(ml):
    (ml / "output" / "failure").write_text("ä" * 5000)
    assert failure_text(ml) == "ä" * 1024
    (ml / "output" / "failure").write_bytes(b"\xffbroken")
    assert failure_text(ml) == "\ufffdbroken"


@pytest.mark.parametrize(
    "make",
    [
        lambda path: None,
        lambda path: path.symlink_to(path.parents[2] / "secret" / "failure"),
        os.mkfifo,
        lambda path: path.mkdir(),
    ],
)
def test_a_failure_file_that_is_no_file_says_nothing(ml, make):
    make(ml / "output" / "failure")
    assert failure_text(ml) == ""
