"""What a container leaves behind, links to elsewhere included."""

import os
import tarfile

import pytest

from wildsage.supervisor.artifacts import is_text, message_of, take, text_of
from wildsage.supervisor.contract import Output, archived_outputs
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
    sizes = take(ml, out, archived_outputs(compressed=True))
    assert sizes == {"model.tar.gz": (out / "model.tar.gz").stat().st_size}
    assert names(out / "model.tar.gz") == []
    (ml / "model" / "m").write_text("m")
    (ml / "output" / "data" / "o").write_text("o")
    assert set(take(ml, out, archived_outputs(compressed=True))) == {"model.tar.gz", "output.tar.gz"}
    assert (names(out / "model.tar.gz"), names(out / "output.tar.gz")) == (["m"], ["o"])


def test_without_compression_there_are_plain_folders(ml, out):
    (ml / "model" / "sub").mkdir()
    (ml / "model" / "sub" / "m").write_text("12345")
    (ml / "model" / "alias").symlink_to("sub/m")
    (ml / "model" / "stolen").symlink_to(ml.parent / "secret" / "failure")
    (ml / "model" / "all").symlink_to(ml.parent / "secret")
    (ml / "model" / "circle").symlink_to("circle")
    assert take(ml, out, archived_outputs(compressed=False)) == {"model": 10}
    assert {path.relative_to(out).as_posix() for path in out.rglob("*")} == {
        "model", "model/sub", "model/sub/m", "model/alias",
    }  # fmt: skip
    assert not (out / "model" / "alias").is_symlink()


def test_folders_are_taken_from_anywhere_and_where_there_is_nothing_nothing_is(ml, out):
    (ml / "processing/train").mkdir(parents=True)
    (ml / "processing/train/x").write_text("123")
    (ml / "processing/empty").mkdir()
    outputs = [
        Output(f"processing/{name}", str(number)) for number, name in enumerate(("train", "empty", "no"))
    ]
    assert take(ml, out, outputs) == {"0": 3}
    assert (out / "0/x").read_text() == "123"


def test_outputs_that_share_files_all_get_them_and_links_are_left_out(ml, out):
    (ml / "processing/all/part").mkdir(parents=True)
    (ml / "processing/all/part/x").write_text("123")
    (ml / "processing/all/link").symlink_to("part/x")
    outputs = [
        Output("processing/all", "0"),
        Output("processing/all/part", "1"),
        Output("processing/all", "2"),
    ]
    assert take(ml, out, outputs) == {"0": 3, "1": 3, "2": 3}
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("x")) == [
        "0/part/x",
        "1/x",
        "2/part/x",
    ]
    assert not list(out.rglob("link"))


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_with_a_second_name_is_copied(ml, out, has_links):
    """Whoever opens the kept folder later could change what is stored through the other one."""
    (ml / "processing").mkdir()
    (ml / "processing/x").write_text("123")
    os.link(ml / "processing/x", ml / "other")
    take(ml, out, [Output("processing", "0", has_links=has_links)])
    (ml / "other").write_text("changed")
    assert (out / "0/x").read_text() == "123"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"", True),
        ("ä".encode(), True),
        ("ä".encode() * 4000, True),
        (b"a" + "ä".encode() * 4000, True),
        (b"\xff", False),
    ],
    ids=["nothing", "short", "cut between", "cut inside", "no text"],
)
def test_a_message_is_text_as_far_as_it_is_read(ml, message, expected):
    (ml / "output/message").write_bytes(message)
    found = message_of(ml, "output/message")
    assert is_text(found) is expected
    assert len(text_of(found)) <= 1024


@pytest.mark.parametrize("compress", [True, False])
def test_what_is_in_a_closed_folder_is_packed(ordinary, compress):
    closed = ordinary / "ml" / "model" / "closed"
    for mode in (0o555, 0):
        closed.mkdir(parents=True)
        (closed / "m").write_text("m")
        closed.chmod(mode)
        out = ordinary / f"out-{mode}"
        out.mkdir()
        assert len(take(ordinary / "ml", out, archived_outputs(compressed=compress))) == 1
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
    take(ml, out, archived_outputs(compressed=compress))
    if compress:
        assert names(out / "model.tar.gz") == []
    assert {path.name for path in out.iterdir()} <= {"model.tar.gz"}
    assert text_of(message_of(ml, "output/failure")) == ""


def test_the_failure_file_is_read_to_its_bound(ml):
    (ml / "output" / "failure").write_text("ä" * 5000)
    assert text_of(message_of(ml, "output/failure")) == "ä" * 1024
    (ml / "output" / "failure").write_bytes(b"\xffbroken")
    assert text_of(message_of(ml, "output/failure")) == "\ufffdbroken"


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
    assert text_of(message_of(ml, "output/failure")) == ""
