"""What containers do to their streams, several channels and jobs at a time, and a stop in the middle."""

import gzip
import time

import pytest
from tests.input_modes.conftest import prefix

from wildsage.store.file_systems import FileSystems

FILE_SYSTEM = "fs-0fedcba9876543210"


def channel(name, source, mode="File", **members):
    return {"ChannelName": name, "DataSource": source, "InputMode": mode, **members}


@pytest.fixture(scope="module")
def large(put):
    """More than a pipe holds."""
    lines = b"".join(b"%07d\n" % number for number in range(500_000))
    put("large/0", lines)
    return lines


def test_channels_of_every_mode_in_one_job(server, put, start, ended, model, image_of, tmp_path):
    for name in ("file", "fast", "pipe", "never"):
        put(f"many/{name}/a", f"{name}\n".encode())
    put("many/zipped/a.gz", gzip.compress(b"zipped\n"))
    (tmp_path / "shared").write_text("shared\n")
    FileSystems(server.layout.file_systems).add(FILE_SYSTEM, tmp_path)
    shared = {
        "FileSystemId": FILE_SYSTEM, "FileSystemAccessMode": "rw", "FileSystemType": "EFS", "DirectoryPath": "/"
    }  # fmt: skip
    image = image_of(
        "cat zipped_0 fast/a pipe_0 shared/shared file/a pipe_1 > ../../model/all; echo mine >> file/a; echo new > shared/new"
    )
    name = start(
        image,
        channel("file", prefix("many/file/")),
        channel("fast", prefix("many/fast/"), "FastFile"),
        channel("pipe", prefix("many/pipe/"), "Pipe", ShuffleConfig={"Seed": 1}),
        channel("zipped", prefix("many/zipped/"), "Pipe", CompressionType="Gzip"),
        channel("never", prefix("many/never/"), "Pipe"),
        channel("shared", {"FileSystemDataSource": shared}),
    )
    assert model(ended(name)) == {"all": b"zipped\nfast\npipe\nshared\nfile\npipe\n"}
    assert (tmp_path / "new").read_text() == "new\n"


def test_an_epoch_is_there_when_the_one_before_it_was_opened(put, train, model, image_of):
    put("short/a", b"x\n")
    image = image_of(
        "(cat train_3 || echo none) > ../../model/said 2>&1; ls >> ../../model/said; cat train_0"
    )
    said = model(train(prefix("short/"), image, InputMode="Pipe"))["said"].split(b"\n")
    assert said[0].endswith(b"No such file or directory")
    assert said[1:] == [b"none", b"train_0", b""]


def test_jobs_on_the_same_data_do_not_meet(large, start, ended, model, image_of):
    read = {
        "Pipe": image_of("cat train_0 > ../../model/0; cat train_1 | cmp - ../../model/0"),
        "FastFile": image_of("cat train/0 > ../../model/0"),
        "File": image_of("cat train/0 > ../../model/0; echo over > train/0; rm train/0"),
    }
    modes = ["Pipe", "File", "Pipe", "FastFile", "File"]
    names = [start(read[mode], channel("train", prefix("large/"), mode)) for mode in modes]
    for name in names:
        assert model(ended(name)) == {"0": large}


@pytest.mark.parametrize(
    "script",
    [
        "exec 3< train_0; read line <&3; echo $line; exec sleep 60",
        "echo 0000000; while ! test -p train_3; do sleep 0.05; done",
    ],
    ids=["in the middle of an epoch", "while it waits for an epoch that never comes"],
)
def test_a_stop_ends_a_job_that_streams(server, large, start, ended, image_of, script):
    sagemaker, logs = server.client("sagemaker"), server.client("logs")
    name = start(image_of(script), channel("train", prefix("large/"), "Pipe"))

    def lines():
        group = "/aws/sagemaker/TrainingJobs"
        found = logs.filter_log_events(logGroupName=group, logStreamNamePrefix=f"{name}/")
        return [event["message"] for event in found["events"]]

    deadline = time.monotonic() + 30
    while "0000000" not in lines():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    sagemaker.stop_training_job(TrainingJobName=name)
    job = ended(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "FailureReason" not in job
