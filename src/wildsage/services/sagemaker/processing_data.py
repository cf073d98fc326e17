"""What CreateProcessingJob asks of its inputs and outputs: one source or place each, and paths of their own."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wildsage.core.errors import ValidationError
from wildsage.core.s3_uri import S3UriError, split_s3_uri
from wildsage.jobs.processing import LOCAL_ROOT, place_of
from wildsage.services.operation import Request

Item = Mapping[str, Any]


def check_inputs(request: Request) -> None:
    """Refuse inputs that mean nothing. Whether there is anything to read is seen when the job starts, as on AWS.

    Raises
    ------
    ValidationError
        Naming the input, the value and the rule.
    """
    inputs = request.get("ProcessingInputs", [])
    _check_names([item["InputName"] for item in inputs], "input")
    places: dict[str, str] = {}
    for item in inputs:
        where = f"processing input '{item['InputName']}'"
        given = item.get("S3Input")
        if given is None:
            raise ValidationError(
                f"Invalid {where}: it needs S3Input, which says what to download and where to"
            )
        _check_uri(given["S3Uri"], where)
        if given.get("S3CompressionType", "None") == "Gzip" and given.get("S3InputMode", "File") != "Pipe":
            raise ValidationError(
                f"Invalid {where}: S3CompressionType Gzip can only be used when Pipe mode is specified as the"
                " S3InputMode"
            )
        if not item.get("AppManaged"):
            place = _checked_place(given, where)
            if place in places:
                raise ValidationError(
                    f"Invalid {where}: LocalPath {given['LocalPath']} is that of input '{places[place]}'."
                    " Give each input a path of its own"
                )
            places[place] = item["InputName"]


def check_outputs(request: Request) -> None:
    """Refuse outputs that can never go anywhere.

    Raises
    ------
    ValidationError
        Naming the output, the value and the rule.
    """
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    _check_names([item["OutputName"] for item in outputs], "output")
    for item in outputs:
        where = f"processing output '{item['OutputName']}'"
        given = item.get("S3Output")
        if given is None:
            raise ValidationError(
                f"Invalid {where}: it needs S3Output, which says what to upload and where to"
            )
        _check_uri(given["S3Uri"], where)
        if not item.get("AppManaged"):
            _checked_place(given, where)


def _check_names(names: Sequence[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValidationError(
                f"Duplicate processing {what} name: {name!r}. Give each {what} its own name"
            )


def _check_uri(uri: str, where: str) -> None:
    try:
        split_s3_uri(uri)
    except S3UriError as error:
        raise ValidationError(f"Invalid {where}: {error}") from None


def _checked_place(given: Item, where: str) -> str:
    path = given.get("LocalPath", "")
    faults = list(_faults(path))
    if faults:
        raise ValidationError(f"Invalid {where}: LocalPath {path!r} {faults[0]}")
    return place_of(given)


def _faults(path: str) -> Iterator[str]:
    if not path:
        yield "is required unless AppManaged is true"
    elif not path.startswith(LOCAL_ROOT) or not path.removeprefix(LOCAL_ROOT).strip("/"):
        yield f"must begin with {LOCAL_ROOT} and name a folder there"
    parts = path.removeprefix(LOCAL_ROOT).rstrip("/").split("/")
    if any(part in ("", ".", "..") for part in parts):
        yield "must be a plain path: no part of it may be empty, . or .."
    if "\0" in path:
        yield "must not hold NUL"
