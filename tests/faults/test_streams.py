"""The server is killed while a channel streams what has to be fetched from it."""

import json

import pytest
from tests.faults.platform import until

from wildsage.images.registered import RegisteredImages

IMAGE = "stream:1"
# Reads a line, and the rest when it may.
SCRIPT = """
cd "$SAGEMAKER_BASE_DIR"
exec 3< input/data/train_0
read line <&3
echo $line
while ! test -e go; do sleep 0.01; done
(echo $line; cat <&3) > model/stream
echo over
"""


@pytest.fixture
def streaming(platform):
    """A job that has begun to read 6 MB through an augmented manifest, and what it is to read."""
    images = RegisteredImages(platform.layout.images)
    images.add_command(IMAGE, ["/bin/sh", "-c", SCRIPT])
    s3 = platform.client("s3")
    contents = [b"object %d\n" % number + b"x" * 500_000 + b"\n" for number in range(12)]
    for number, content in enumerate(contents):
        s3.put_object(Bucket="out", Key=f"objects/{number}", Body=content)
    lines = [{"one-ref": f"s3://out/objects/{number}"} for number in range(len(contents))]
    s3.put_object(Bucket="out", Key="train.manifest", Body="\n".join(map(json.dumps, lines)))
    request = platform.job_request("job")
    request["AlgorithmSpecification"]["TrainingImage"] = IMAGE
    source = {
        "S3DataType": "AugmentedManifestFile",
        "S3Uri": "s3://out/train.manifest",
        "AttributeNames": ["one-ref"],
    }
    request["InputDataConfig"] = [
        {"ChannelName": "train", "DataSource": {"S3DataSource": source}, "InputMode": "Pipe"}
    ]
    platform.client("sagemaker").create_training_job(**request)
    until(lambda: "object 0" in platform.log("job"))
    return b"".join(contents).decode()


def test_a_stream_goes_on_where_it_was(platform, streaming):
    platform.kill()
    platform.let_go("job")  # reads what the pipe holds, and waits
    platform.start()
    assert platform.ended("job")["TrainingJobStatus"] == "Completed"
    assert platform.log("job") == ["object 0", "over"]
    assert platform.model("job") == {"stream": streaming}
    platform.assert_nothing_left()


def test_a_stop_is_not_lost_with_the_server(platform, streaming):
    assert streaming
    platform.client("sagemaker").stop_training_job(TrainingJobName="job")
    platform.restart()
    assert platform.ended("job")["TrainingJobStatus"] == "Stopped"
    platform.assert_nothing_left()
