"""What a ``CheckpointConfig`` may say."""

from pathlib import PurePosixPath

from wildsage.core.errors import ValidationError
from wildsage.core.s3_uri import S3UriError, split_s3_uri
from wildsage.jobs.attempts import CHECKPOINTS
from wildsage.services.operation import Request

_TAKEN = ("/opt/ml/input", "/opt/ml/code", "/proc", "/sys", "/dev", "/run")
"""The platform's, with all that is below."""

_OCCUPIED = frozenset(
    (
        "/",
        "/opt",
        "/opt/ml",
        *(f"/{name}" for name in ["bin", "etc", "home", "lib", "lib64", "root", "sbin", "tmp", "usr", "var"]),
    )
)
"""They have other content, which would become checkpoints."""


def check_checkpoints(request: Request) -> None:
    """Refuse, before anything runs, a place where checkpoints can never be.

    Raises
    ------
    ValidationError
        If the request has a ``CheckpointConfig`` that names none.
    """
    config = request.get("CheckpointConfig")
    if config is None:
        return
    try:
        split_s3_uri(config["S3Uri"])
    except S3UriError as error:
        raise ValidationError(f"CheckpointConfig.S3Uri: {error}") from None
    local = config.get("LocalPath") or CHECKPOINTS
    path = PurePosixPath(local)
    # PurePosixPath keeps two slashes at the beginning.
    is_plain = (
        path.is_absolute() and ".." not in path.parts and not local.startswith("//") and "\0" not in local
    )
    is_taken = any(path.is_relative_to(folder) for folder in _TAKEN) or str(path) in _OCCUPIED
    if not is_plain or is_taken:
        raise ValidationError(
            f"CheckpointConfig.LocalPath {local!r} cannot hold checkpoints: give the absolute path of a folder that"
            f" the container has for nothing else, e.g. {CHECKPOINTS}"
        )
