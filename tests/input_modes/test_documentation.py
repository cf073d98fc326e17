"""The examples of docs/input-modes.md, each as a job on a live server."""

import ast
import gzip
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from tests.input_modes.conftest import prefix

from wildsage.cli.main import main
from wildsage.formats.recordio import read_records

DOCUMENT = Path(__file__).parents[2] / "docs" / "input-modes.md"
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
CHANNELS = [ast.literal_eval(text) for language, text in BLOCKS if language == "python" and text[0] == "{"]
KEEP = "for epoch in 0 1; do test -p train_$epoch && cat train_$epoch > ../../model/$epoch; done; ls -RL > ../../model/ls"


def blocks(language):
    return [text for name, text in BLOCKS if name == language and (name, text[0]) != ("python", "{")]


def channels(key, value):
    """Return the channels of the document whose source has this member."""
    return [channel for channel in CHANNELS if next(iter(channel["DataSource"].values())).get(key) == value]


@pytest.fixture(scope="module")
def kept(put, start, ended, model, image_of):
    """Run a job on a channel of the document and return what it was given."""
    for key, content in {"train/a.csv": b"1,2\n", "train/b.csv": b"3,4\n"}.items():
        put(key, content)
        put(key.replace("train", "zipped") + ".gz", gzip.compress(content))
    image = image_of(KEEP)
    return lambda channel: model(ended(start(image, channel)))


def test_all_examples_are_here():
    kinds = [channel["DataSource"].get("S3DataSource", {}).get("S3DataType") for channel in CHANNELS]
    assert kinds == ["S3Prefix", "ManifestFile", "AugmentedManifestFile", "S3Prefix", None]
    assert {language for language, _ in BLOCKS} == {"python", "json", "jsonl", "sh"}
    assert [len(blocks(language)) for language in ("python", "json", "jsonl", "sh")] == [1, 1, 1, 1]


def test_prefixes(kept):
    fast, zipped = channels("S3DataType", "S3Prefix")
    assert b"./train:\na.csv\nb.csv\n" in kept(fast)["ls"]
    epochs = kept(zipped)
    assert {epochs["0"], epochs["1"]} <= {b"1,2\n3,4\n", b"3,4\n1,2\n"}


def test_a_manifest(kept, put):
    (text,) = blocks("json")
    put("train.manifest", text)
    (channel,) = channels("S3DataType", "ManifestFile")
    assert kept(channel)["1"] == b"3,4\n1,2\n"


def test_an_augmented_manifest(kept, put):
    (text,) = blocks("jsonl")
    put("images.manifest", text)
    for line in text.splitlines():
        uri = json.loads(line)["image-ref"]
        put(uri.removeprefix("s3://bucket/"), uri)
    (channel,) = channels("S3DataType", "AugmentedManifestFile")
    epochs = kept(channel)
    first, second = b"s3://bucket/images/1.jpg", b"s3://bucket/images/2.jpg"
    for epoch in "01":
        records = [bytes(record) for record in read_records(epochs[epoch])]
        pairs = sorted(zip(records[::2], records[1::2], strict=True))
        assert pairs == [(first, b"1"), (second, b'{"cat": true}')]


def test_a_program_that_reads_a_stream(kept, start, ended, model, image_of):
    (program,) = blocks("python")
    image = image_of(f"{sys.executable} -c {shlex.quote(program)} > ../../model/said")
    channel = {"ChannelName": "train", "DataSource": prefix("train/"), "InputMode": "Pipe"}
    said = model(ended(start(image, channel)))["said"]
    assert said == b"epoch 0 rows 2\nepoch 1 rows 2\nepoch 2 rows 2\n"


def test_a_folder_of_this_machine(server, kept, tmp_path, capsys):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "here").touch()
    (text,) = blocks("sh")
    (channel,) = channels("FileSystemId", "fs-0123456789abcdef0")
    add, show, remove = text.splitlines()
    for line in (add, show):
        program, command, *words = line.replace("/mnt/data", str(tmp_path)).split()
        assert program == "wildsage"
        assert main([command, "--data-dir", str(server.layout.root), *words]) == 0
    assert str(tmp_path) in capsys.readouterr().out
    assert b"here\n" in kept(channel)["ls"]
    assert main(["filesystems", "--data-dir", str(server.layout.root), *remove.split()[2:]]) == 0
