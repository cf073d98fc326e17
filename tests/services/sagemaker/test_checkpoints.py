"""Where checkpoints may be."""

import pytest

from wildsage.core.errors import ValidationError
from wildsage.services.sagemaker.checkpoints import check_checkpoints


@pytest.mark.parametrize(
    "path",
    [
        "/opt/ml/checkpoints",
        "/opt/ml/checkpoints/",
        "/opt/ml/model",
        "/opt/ml/output/data/a b",
        "/ckpt",
        "/tmp/x",
        "",
    ],
)
def test_a_folder_of_its_own_is_taken(path):
    check_checkpoints({"CheckpointConfig": {"S3Uri": "s3://bucket", "LocalPath": path}})
    check_checkpoints({"CheckpointConfig": {"S3Uri": "s3://bucket/a/b/"}})
    check_checkpoints({})


@pytest.mark.parametrize(
    "path",
    ["checkpoints", "/", "//", "//opt/ml/checkpoints", "/opt/ml", "/opt/ml/", "/opt/ml/input", "/opt/ml/input/config",
     "/opt/ml/code/x", "/opt/ml/checkpoints/../input", "/etc", "/tmp", "/proc/1", "/run/wildsage", "/a\0b"],
)  # fmt: skip
def test_any_other_is_refused_by_its_name(path):
    with pytest.raises(ValidationError) as raised:
        check_checkpoints({"CheckpointConfig": {"S3Uri": "s3://bucket", "LocalPath": path}})
    assert f"CheckpointConfig.LocalPath {path!r} cannot hold checkpoints" in raised.value.message
