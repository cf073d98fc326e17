"""Every input mode and source on a live server, through boto3: built-in algorithms and an image of one's own."""

import gzip
import json

import numpy as np
import pytest
from botocore.exceptions import ClientError
from tests.input_modes.conftest import KMEANS, prefix
from tests.served import REGION

from wildsage.formats.ndarray import read_ndarrays
from wildsage.formats.recordio import frame_record
from wildsage.formats.recordio_protobuf import write_dense
from wildsage.store.file_systems import FileSystems

XGBOOST = f"246618743249.dkr.ecr.{REGION}.amazonaws.com/sagemaker-xgboost:3.2-0"
RECORDS = "application/x-recordio-protobuf"
CENTRES = np.float32([[0, 0, 0, 0], [9, 9, 9, 9], [-9, 9, -9, 9]])
FILE_SYSTEM = "fs-0123456789abcdef0"
# Says what it is told and sees, and keeps the first epochs of channels in Pipe mode.
SPY = """\
cp ../config/inputdataconfig.json ../../model/
for epoch in 0 1 2; do
  if test -p train_0 || test -p train_$epoch; then
    while ! test -p train_$epoch; do sleep 0.01; done
    cat train_$epoch > ../../model/epoch-$epoch
  fi
done
find . -type f | sort > ../../model/files
test -d train && (echo x > train/new) 2>/dev/null && echo writable > ../../model/writable
true
"""


@pytest.fixture(scope="module")
def spy(image_of):
    return image_of(SPY)


def points(seed=0):
    rng = np.random.default_rng(seed)
    return np.float32(CENTRES[rng.integers(3, size=600)] + rng.normal(0, 0.1, (600, 4)))


def text(rows):
    return "".join(",".join(f"{value:.4f}" for value in row) + "\n" for row in rows).encode()


def assert_found(files):
    (centres,), _ = read_ndarrays(files["model_algo-1"], "model")
    order = np.argsort(centres @ np.float32([1, 10, 100, 1000]))
    wanted = np.argsort(CENTRES @ np.float32([1, 10, 100, 1000]))
    assert np.allclose(centres[order], CENTRES[wanted], atol=0.1)


# K-Means through every mode


@pytest.mark.parametrize("mode", ["File", "FastFile", "Pipe"])
def test_kmeans_reads_records_in_every_mode(put, train, model, mode):
    put("records/one", write_dense(points(0)))
    put("records/two", write_dense(points(1)))
    files = model(train(prefix("records/"), ContentType=RECORDS, InputMode=mode))
    assert_found(files)


def test_kmeans_reads_an_epoch_from_each_fifo(put, train, model):
    put("epochs/one", write_dense(points()))
    hyperparameters = {"k": "3", "feature_dim": "4", "epochs": "3"}
    job = train(
        prefix("epochs/"), hyperparameters=hyperparameters, InputMode="Pipe", ShuffleConfig={"Seed": 1}
    )
    assert_found(model(job))


def test_the_manifest_of_a_record_set(put, train, model):
    """As the SDK's RecordSet sends it: no ContentType, sharded by key."""
    put("set/matrix_0.pbr", write_dense(points(0)))
    put("set/matrix_1.pbr", write_dense(points(1)))
    put("set/.amazon.manifest", json.dumps([{"prefix": "s3://bucket/set/"}, "matrix_0.pbr", "matrix_1.pbr"]))
    source = {
        "S3DataType": "ManifestFile",
        "S3Uri": "s3://bucket/set/.amazon.manifest",
        "S3DataDistributionType": "ShardedByS3Key",
    }
    for mode in ("File", "Pipe"):
        assert_found(model(train({"S3DataSource": source}, InputMode=mode)))


def test_gzip_csv_through_a_pipe(put, train, model):
    put("gzip/a.csv.gz", gzip.compress(text(points(0))))
    put("gzip/b.csv.gz", gzip.compress(text(points(1))))
    job = train(
        prefix("gzip/"), ContentType="text/csv;label_size=0", InputMode="Pipe", CompressionType="Gzip"
    )
    assert_found(model(job))


def test_xgboost_reads_csv_and_records_from_a_pipe_but_no_libsvm(put, train, model):
    rows = points()
    put("xgb/rows.csv", text(rows))
    put("xgb-records/rows", write_dense(rows[:, 1:], rows[:, 0]))
    put("xgb-libsvm/rows", b"1 1:2\n0 1:3\n")
    hyperparameters = {"num_round": "2", "objective": "reg:squarederror"}
    for key, kind in (("xgb/", "text/csv"), ("xgb-records/", RECORDS)):
        job = train(prefix(key), XGBOOST, hyperparameters, ContentType=kind, InputMode="Pipe")
        assert "xgboost-model" in model(job)
    job = train(prefix("xgb-libsvm/"), XGBOOST, hyperparameters, ContentType="text/libsvm", InputMode="Pipe")
    assert job["FailureReason"].startswith(
        "ClientError: Unable to read data channel 'train'. Pipe mode does not support"
    )


def test_a_folder_of_this_machine_is_a_channel(server, train, model, tmp_path, spy):
    (tmp_path / "data" / "train").mkdir(parents=True)
    (tmp_path / "data" / "train" / "rows.csv").write_bytes(text(points()))
    FileSystems(server.layout.file_systems).add(FILE_SYSTEM, tmp_path / "data")
    source = {
        "FileSystemId": FILE_SYSTEM,
        "FileSystemAccessMode": "ro",
        "FileSystemType": "EFS",
        "DirectoryPath": "/train",
    }
    job = train({"FileSystemDataSource": source}, ContentType="text/csv;label_size=0")
    assert_found(model(job))
    files = model(train({"FileSystemDataSource": source}, spy))
    assert "writable" not in files
    assert json.loads(files["inputdataconfig.json"])["train"] == {
        "TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"
    }  # fmt: skip
    assert "writable" in model(train({"FileSystemDataSource": {**source, "FileSystemAccessMode": "rw"}}, spy))
    assert (tmp_path / "data" / "train" / "new").read_text() == "x\n"
    job = train({"FileSystemDataSource": {**source, "DirectoryPath": "/absent"}}, spy)
    assert job["FailureReason"].startswith(
        f"ClientError: DirectoryPath '/absent' is no directory of {FILE_SYSTEM} ({tmp_path / 'data'}) (channel 'train')"
    )


# Content types: create takes any text of the model's length, the algorithm refuses


@pytest.mark.parametrize(
    ("image", "content_type", "said"),
    [
        (KMEANS, "csv", "The content type 'csv' of channel 'train' is not one of 'application/x-recordio-"),
        (KMEANS, "text/csv;label_size=x", "is not supported: label_size='x' is not a whole number from 0"),
        (XGBOOST, "application/pdf", "'application/pdf' of channel 'train' is not one of 'text/libsvm'"),
        (XGBOOST, "text/csv; label_size=0", "is not supported: label_size must be 1"),
        (XGBOOST, None, "Requested content-type is 'text/libsvm'. Please verify the data matches"),
    ],
)
def test_a_content_type_that_the_algorithm_does_not_read_fails_the_job(put, train, image, content_type, said):
    put("typed/rows.csv", text(points()))
    given = {"ContentType": content_type} if content_type else {}
    job = train(prefix("typed/"), image, {"num_round": "1"} if image == XGBOOST else None, **given)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: ")
    assert said in job["FailureReason"]
    assert "exit code: 2" in job["FailureReason"]


def test_a_content_type_is_read_whatever_its_spelling(put, train, model):
    put("spelled/rows.csv", text(points()))
    assert_found(model(train(prefix("spelled/"), ContentType=' Text/CSV ; LABEL_SIZE="0"; colour=red')))


def test_a_content_type_longer_than_the_model_allows_is_refused_at_create(put, train):
    put("long/rows.csv", text(points()))
    with pytest.raises(ClientError, match="length less than or equal to 256") as refused:
        train(prefix("long/"), ContentType="x" * 257)
    assert refused.value.response["Error"]["Code"] == "ValidationException"


# What a container sees


def test_an_augmented_manifest_is_a_stream_of_records(put, train, model, spy):
    put("images/1.jpg", b"\xff\xd8 first")
    put("images/2.jpg", b"\xff\xd8 second")
    lines = [{"source-ref": f"s3://bucket/images/{n}.jpg", "class": n, "class-metadata": {}} for n in (1, 2)]
    put("train.manifest", "\n".join(map(json.dumps, lines)))
    source = {
        "S3DataType": "AugmentedManifestFile",
        "S3Uri": "s3://bucket/train.manifest",
        "AttributeNames": ["source-ref", "class"],
    }
    job = train({"S3DataSource": source}, spy, InputMode="Pipe", RecordWrapperType="RecordIO")
    files = model(job)
    records = [b"\xff\xd8 first", b"1", b"\xff\xd8 second", b"2"]
    assert files["epoch-0"] == files["epoch-1"] == b"".join(map(frame_record, records))
    assert json.loads(files["inputdataconfig.json"]) == {
        "train": {
            "TrainingInputMode": "Pipe",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "RecordIO",
        }
    }


def test_a_shuffled_channel_has_another_order_in_each_epoch_and_the_same_when_run_again(
    put, train, model, spy
):
    for number in range(12):
        put(f"shuffled/{number:02d}", f"{number:02d}\n")
    jobs = [
        model(train(prefix("shuffled/"), spy, InputMode="Pipe", ShuffleConfig={"Seed": 42})) for _ in range(2)
    ]
    first = [jobs[0][f"epoch-{n}"].split() for n in range(3)]
    assert [sorted(epoch) for epoch in first] == [[f"{n:02d}".encode() for n in range(12)]] * 3
    assert len({tuple(epoch) for epoch in first}) == 3
    assert [jobs[1][f"epoch-{n}"].split() for n in range(3)] == first


def test_objects_in_pieces_go_through_every_mode(server, train, model, spy, image_of):
    s3 = server.client("s3")
    parts = [bytes([65 + n]) * (5 << 20) for n in range(2)] + [b"end"]
    upload = s3.create_multipart_upload(Bucket="bucket", Key="pieces/big")["UploadId"]
    done = [
        {
            "PartNumber": n,
            "ETag": s3.upload_part(
                Bucket="bucket", Key="pieces/big", UploadId=upload, PartNumber=n, Body=part
            )["ETag"],
        }
        for n, part in enumerate(parts, 1)
    ]
    s3.complete_multipart_upload(
        Bucket="bucket", Key="pieces/big", UploadId=upload, MultipartUpload={"Parts": done}
    )
    assert model(train(prefix("pieces/"), spy, InputMode="Pipe"))["epoch-2"] == b"".join(parts)
    for mode in ("File", "FastFile"):
        files = model(train(prefix("pieces/"), spy, InputMode=mode))
        assert files["files"] == b"./train/big\n"
        assert ("writable" in files) == (mode == "File")
        copied = model(train(prefix("pieces/"), image_of("cp train/big ../../model/"), InputMode=mode))
        assert copied == {"big": b"".join(parts)}
    assert s3.get_object(Bucket="bucket", Key="pieces/big")["Body"].read() == b"".join(parts)


def test_what_a_job_does_to_its_input_reaches_no_stored_object(server, put, train, image_of):
    put("mine/a", b"stored\n")
    evil = image_of("cd train; (echo evil > a); rm -f a; (echo evil > b); true")
    for mode in ("File", "FastFile"):
        assert train(prefix("mine/"), evil, InputMode=mode)["TrainingJobStatus"] == "Completed"
    s3 = server.client("s3")
    assert s3.get_object(Bucket="bucket", Key="mine/a")["Body"].read() == b"stored\n"
    assert s3.list_objects_v2(Bucket="bucket", Prefix="mine/")["KeyCount"] == 1


# What fails


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ['{"a-ref": "s3://bucket/images/1.jpg"}', "{"],
            "s3://bucket/bad.manifest, line 2, byte 1: not JSON",
        ),
        (['{"b": 1}'], "line 1: no attribute 'a-ref' of AttributeNames; it has 'b'"),
        (['{"a-ref": "s3://bucket/none"}'], "S3 key: s3://bucket/none does not exist"),
    ],
)
def test_a_bad_line_fails_the_job_with_its_place(put, train, lines, said, spy):
    put("images/1.jpg", b"x")
    put("bad.manifest", "\n".join(lines))
    source = {
        "S3DataType": "AugmentedManifestFile",
        "S3Uri": "s3://bucket/bad.manifest",
        "AttributeNames": ["a-ref"],
    }
    job = train({"S3DataSource": source}, spy, InputMode="Pipe", RecordWrapperType="RecordIO")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: ")
    for part in (said, "s3://bucket/bad.manifest", "(channel 'train')"):
        assert part in job["FailureReason"]


def test_what_is_no_gzip_fails_the_job(put, train, spy):
    put("nogzip/a.csv", b"1,2\n")
    job = train(prefix("nogzip/"), spy, InputMode="Pipe", CompressionType="Gzip")
    assert job["FailureReason"].startswith(
        "ClientError: Data download failed:Failed to decompress data. S3 key: s3://bucket/nogzip/a.csv is no gzip data at byte 0"
    )


@pytest.mark.parametrize(
    ("mode", "source"), [("File", "train/b"), ("FastFile", "train/b"), ("Pipe", "train_0")]
)
def test_malformed_data_fails_the_job_with_its_place_and_the_rule(put, train, mode, source):
    good = write_dense(points())
    put("malformed/a", good)
    put("malformed/b", good[:-3])
    job = train(prefix("malformed/"), ContentType=RECORDS, InputMode=mode)
    begin = len(good) - 40 + (len(good) if mode == "Pipe" else 0)
    assert job["FailureReason"].startswith(
        "ClientError: Unable to read data channel 'train'. Requested content-type is 'application/x-recordio-protobuf'."
    )
    said = f"Caused by: {source}, byte {begin}: a record of 32 bytes, but only 29 follow, exit code: 2."
    assert said in job["FailureReason"]


def test_an_empty_channel_fails_the_job_that_wants_rows(put, train):
    put("empty/a", b"")
    job = train(prefix("empty/"), ContentType=RECORDS, InputMode="Pipe")
    assert job["FailureReason"].startswith(
        "ClientError: Unable to read data channel 'train'. The files hold no rows."
    )


def test_a_missing_key_of_a_manifest_fails_the_job(put, train, spy):
    put("m.json", json.dumps([{"prefix": "s3://bucket/"}, "not-there"]))
    source = {"S3DataType": "ManifestFile", "S3Uri": "s3://bucket/m.json"}
    job = train({"S3DataSource": source}, spy)
    assert job["FailureReason"].startswith(
        "ClientError: s3://bucket/not-there, named by s3://bucket/m.json, does not exist (entry 2) (channel 'train')"
    )
