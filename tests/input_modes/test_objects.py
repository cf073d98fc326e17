"""Objects that are called strangely, hold nothing or are not there, in every mode."""

import json

import pytest
from tests.input_modes.conftest import prefix

KEEP = "mkdir -p ../../model/seen; cp -r . ../../model/seen/; true"
STREAM = "cat train_0 > ../../model/stream"
FILES = ("File", "FastFile")
NAMES = [
    " leading and trailing ", ".hidden", "_SUCCESS", "100%41.csv", "a+b=c&d?e#f", "back\\slash", "quote'\".csv",
    "line\nend", "ünïcödé/数据 1.csv", "🎉", "empty", "-rf", "deep/er/and/deeper/x", "tilde~$HOME`id`",
]  # fmt: skip


@pytest.fixture(scope="module")
def seen(train, model, image_of):
    """Run a job and return what it found in its folder, or streamed, by name."""
    keep, stream = image_of(KEEP), image_of(STREAM)

    def seen(source, mode, **members):
        found = model(train(source, stream if mode == "Pipe" else keep, InputMode=mode, **members))
        return {name.removeprefix("seen/"): content for name, content in found.items()}

    return seen


def test_names_are_kept_as_they_are(put, seen):
    contents = {name: b"" if name == "empty" else name.encode() + b"\n" for name in NAMES}
    for name, content in contents.items():
        put(f"odd/{name}", content)
    put("odd/folder/", b"")
    for mode in FILES:
        assert seen(prefix("odd/"), mode) == {f"train/{name}": content for name, content in contents.items()}
    in_order = sorted(contents, key=str.encode)
    assert seen(prefix("odd/"), "Pipe") == {"stream": b"".join(contents[name] for name in in_order)}


def test_a_prefix_is_the_beginning_of_keys(put, seen):
    for key in ("train/a", "train/sub/b", "train2/c", "train.csv", "other"):
        put(f"siblings/{key}", key.encode() + b"\n")
    assert list(seen(prefix("siblings/train"), "File")) == [
        "train/a", "train/sub/b", "train/train.csv", "train/train2/c"
    ]  # fmt: skip
    assert list(seen(prefix("siblings/train/"), "FastFile")) == ["train/a", "train/sub/b"]
    assert seen(prefix("siblings/train"), "Pipe") == {
        "stream": b"train.csv\ntrain/a\ntrain/sub/b\ntrain2/c\n"
    }
    assert seen(prefix("siblings/train/a"), "File") == {"train/a": b"train/a\n"}


@pytest.mark.parametrize(
    ("folder", "keys", "said"),
    [
        ("both", ("a", "a/b"), "s3://bucket/both/a is a file where s3://bucket/both/a/b needs a folder"),
        ("double", ("a//b",), "s3://bucket/double/a//b has an illegal char sub-sequence '//' in it"),
        ("outside", ("../x",), "s3://bucket/outside/../x would become '../x', outside its channel"),
        ("long", ("n" * 256,), "has a part of more than 255 bytes: no file can be called that"),
    ],
)
def test_keys_that_are_no_files_fail_the_job_but_can_be_streamed(
    put, train, seen, image_of, folder, keys, said
):
    for key in keys:
        put(f"{folder}/{key}", key.encode())
    for mode in FILES:
        job = train(prefix(f"{folder}/"), image_of("true"), InputMode=mode)
        assert job["TrainingJobStatus"] == "Failed"
        assert job["FailureReason"].startswith(
            "ClientError: Data download failed:Failed to download data. S3 key: "
        )
        assert f"{said} (channel 'train')" in job["FailureReason"]
    assert seen(prefix(f"{folder}/"), "Pipe") == {"stream": "".join(keys).encode()}


def test_nothing_under_a_prefix_is_refused_at_create(server, train):
    refused = server.client("sagemaker").exceptions.ClientError
    with pytest.raises(
        refused, match='No S3 objects found under S3 URL "s3://bucket/nothing/" given in input'
    ):
        train(prefix("nothing/"))


def test_a_folder_without_objects_holds_no_rows(put, train, seen):
    put("marker/", b"")
    assert seen(prefix("marker/"), "File") == {}
    for mode, said in (("File", "There is no data file"), ("Pipe", "The files hold no rows")):
        job = train(prefix("marker/"), ContentType="text/csv;label_size=0", InputMode=mode)
        assert job["FailureReason"].startswith(f"ClientError: Unable to read data channel 'train'. {said}")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is not a JSON list"),
        (b'[{"prefix": "s3://bucket/"}, 7]', "entry 2 is 7, but must be a key behind the prefix"),
        (json.dumps([{"prefix": "s3://elsewhere/"}, "a"]).encode(), "s3://elsewhere/a"),
    ],
)
def test_a_manifest_that_is_none_fails_the_job(put, train, image_of, content, said):
    put("wrong.manifest", content)
    source = {"S3DataType": "ManifestFile", "S3Uri": "s3://bucket/wrong.manifest"}
    for mode in ("File", "Pipe"):
        job = train({"S3DataSource": source}, image_of("true"), InputMode=mode)
        assert job["FailureReason"].startswith("ClientError: ")
        for part in (said, "s3://bucket/wrong.manifest", "(channel 'train')"):
            assert part in job["FailureReason"]
