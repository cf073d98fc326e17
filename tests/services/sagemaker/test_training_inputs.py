"""Which mode goes with which source, and what is refused."""

import pytest

from wildsage.core.errors import ValidationError
from wildsage.services.sagemaker.training_inputs import check_input_modes, check_inputs
from wildsage.store.file_systems import FileSystems

PREFIX = {"S3DataType": "S3Prefix", "S3Uri": "s3://b/p"}
MANIFEST = {"S3DataType": "ManifestFile", "S3Uri": "s3://b/m"}
AUGMENTED = {"S3DataType": "AugmentedManifestFile", "S3Uri": "s3://b/a", "AttributeNames": ["a-ref"]}
FOLDER = {
    "FileSystemId": "fs-01234567",
    "DirectoryPath": "/a",
    "FileSystemAccessMode": "ro",
    "FileSystemType": "EFS",
}


def channel(source, name="train", **members):
    kind = "FileSystemDataSource" if "FileSystemId" in source else "S3DataSource"
    return {"ChannelName": name, "DataSource": {kind: source}, **members}


def request(*channels, mode="File"):
    return {
        "AlgorithmSpecification": {"TrainingInputMode": mode},
        "InputDataConfig": list(channels),
        "RoleArn": "r",
    }


@pytest.mark.parametrize("mode", ["File", "FastFile", "Pipe"])
def test_a_prefix_goes_with_every_mode_shuffled_or_sharded(mode):
    source = {**PREFIX, "S3DataDistributionType": "ShardedByS3Key"}
    check_input_modes(request(channel(source, ShuffleConfig={"Seed": 1}), mode=mode))


@pytest.mark.parametrize(
    "channels",
    [
        [channel(MANIFEST)],
        [channel(MANIFEST, InputMode="Pipe", CompressionType="Gzip")],
        [channel(AUGMENTED, InputMode="Pipe", RecordWrapperType="RecordIO")],
        [channel(AUGMENTED, InputMode="Pipe", RecordWrapperType="None")],
        [channel(FOLDER), channel(PREFIX, "test", InputMode="Pipe")],
        [channel(PREFIX, "train_0"), channel(PREFIX)],
        [channel(PREFIX, "train_x", InputMode="File"), channel(PREFIX, InputMode="Pipe")],
    ],
)
def test_what_goes_together(channels):
    check_input_modes(request(*channels))


@pytest.mark.parametrize(
    ("refused", "mode", "said"),
    [
        (channel(MANIFEST), "FastFile", "FastFile mode only supports S3Prefix, and S3DataType is ManifestFile"),
        (channel(MANIFEST, InputMode="FastFile"), "File", "FastFile mode only supports S3Prefix"),
        (channel(AUGMENTED), "FastFile", "FastFile mode only supports S3Prefix"),
        (channel(AUGMENTED), "File", "AugmentedManifestFile is only supported in Pipe mode, and the input mode is File"),
        (channel({**AUGMENTED, "AttributeNames": []}), "Pipe", "AugmentedManifestFile needs AttributeNames"),
        (channel(AUGMENTED, CompressionType="Gzip"), "Pipe", "Gzip is not supported with AugmentedManifestFile"),
        (channel({**PREFIX, "AttributeNames": ["a"]}), "Pipe", "AttributeNames is only for AugmentedManifestFile"),
        (channel({**PREFIX, "S3DataType": "Converse"}), "File", "S3DataType Converse is not supported"),
        (channel(PREFIX, CompressionType="Gzip"), "File", "Gzip is only for Pipe mode, and the input mode is File"),
        (channel(PREFIX, CompressionType="Gzip"), "FastFile", "Gzip is only for Pipe mode"),
        (channel(FOLDER), "Pipe", "FileSystemDataSource is only supported in File mode, and the input mode is Pipe"),
        (channel(FOLDER), "FastFile", "FileSystemDataSource is only supported in File mode"),
        (channel({**FOLDER, "DirectoryPath": "a"}), "File", "DirectoryPath 'a' must be absolute"),
        (channel(FOLDER, RecordWrapperType="RecordIO"), "File", "RecordWrapperType RecordIO is not supported"),
        (channel(FOLDER, ShuffleConfig={"Seed": 1}), "File", "ShuffleConfig is not supported"),
        ({"ChannelName": "train", "DataSource": {}}, "File", "exactly one source, and has nothing"),
        (
            {"ChannelName": "train", "DataSource": {"S3DataSource": PREFIX, "FileSystemDataSource": FOLDER}},
            "File",
            "exactly one source, and has FileSystemDataSource, S3DataSource",
        ),
    ],
)  # fmt: skip
def test_what_does_not_is_refused_with_channel_value_and_rule(refused, mode, said):
    with pytest.raises(ValidationError) as caught:
        check_input_modes(request(refused, mode=mode))
    assert caught.value.message.startswith("Invalid input data configuration of channel 'train': ")
    assert said in caught.value.message


def test_names_that_meet_are_refused():
    with pytest.raises(ValidationError, match="Duplicate channel name: 'train'"):
        check_input_modes(request(channel(PREFIX), channel(PREFIX)))
    with pytest.raises(
        ValidationError, match="channel 'train_0': that is how an epoch of the Pipe channel 'train'"
    ):
        check_input_modes(request(channel(PREFIX, InputMode="Pipe"), channel(PREFIX, "train_0")))


def test_a_file_system_that_is_not_registered_is_refused_with_the_command(tmp_path, context):
    file_systems = FileSystems(tmp_path / "data" / "filesystems.json")
    with pytest.raises(
        ValidationError, match=r"channel 'train': .* wildsage filesystems add fs-01234567 PATH"
    ):
        check_inputs(context, request(channel(FOLDER)), None, file_systems)
    (tmp_path / "efs").mkdir()
    file_systems.add("fs-01234567", tmp_path / "efs")
    check_inputs(context, request(channel(FOLDER)), None, file_systems)
