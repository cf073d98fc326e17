"""What CreateTrainingJob asks of its channels: which mode goes with which source, and that something is there."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import AccessDeniedError, ValidationError
from wildsage.core.s3_uri import S3UriError, split_s3_uri
from wildsage.jobs.inputs import input_mode
from wildsage.services.operation import Request
from wildsage.store.file_systems import FileSystems, UnknownFolderError
from wildsage.store.object_access import ObjectAccess

_EPOCH_NAME = re.compile(r"(.+)_[0-9]+")


def check_input_modes(request: Request) -> None:
    """Refuse combinations of mode, source and their options that mean nothing.

    Raises
    ------
    ValidationError
        Naming the channel, the value and the rule.
    """
    channels = request.get("InputDataConfig", [])
    for channel in channels:
        mode = input_mode(channel, request["AlgorithmSpecification"])
        _check_source(channel, mode)
        if channel.get("CompressionType", "None") != "None" and mode != "Pipe":
            raise _refusal(
                channel, f"CompressionType Gzip is only for Pipe mode, and the input mode is {mode}"
            )
    _check_names(channels, request["AlgorithmSpecification"])


def _check_source(channel: Mapping[str, Any], mode: str) -> None:
    given = channel["DataSource"]
    if len(given) != 1:
        names = ", ".join(sorted(given)) or "nothing"
        raise _refusal(channel, f"DataSource must have exactly one source, and has {names}")
    if "FileSystemDataSource" in given:
        if mode != "File":
            raise _refusal(
                channel, f"FileSystemDataSource is only supported in File mode, and the input mode is {mode}"
            )
        for member in ("CompressionType", "RecordWrapperType"):
            if channel.get(member, "None") != "None":
                raise _refusal(
                    channel, f"{member} {channel[member]} is not supported with FileSystemDataSource"
                )
        directory = given["FileSystemDataSource"]["DirectoryPath"]
        if not directory.startswith("/"):
            raise _refusal(channel, f"DirectoryPath {directory!r} must be absolute: begin it with /")
        if "ShuffleConfig" in channel:
            raise _refusal(channel, "ShuffleConfig is not supported with FileSystemDataSource")
        return
    _check_s3_source(channel, given["S3DataSource"], mode)


def _check_s3_source(channel: Mapping[str, Any], source: Mapping[str, Any], mode: str) -> None:
    kind = source["S3DataType"]
    if kind not in ("S3Prefix", "ManifestFile", "AugmentedManifestFile"):
        raise _refusal(
            channel,
            f"S3DataType {kind} is not supported: use S3Prefix, ManifestFile or AugmentedManifestFile",
        )
    if mode == "FastFile" and kind != "S3Prefix":
        raise _refusal(channel, f"FastFile mode only supports S3Prefix, and S3DataType is {kind}")
    if kind != "AugmentedManifestFile":
        if source.get("AttributeNames"):
            raise _refusal(
                channel, f"AttributeNames is only for AugmentedManifestFile, and S3DataType is {kind}"
            )
        return
    if mode != "Pipe":
        raise _refusal(
            channel, f"AugmentedManifestFile is only supported in Pipe mode, and the input mode is {mode}"
        )
    if not source.get("AttributeNames"):
        raise _refusal(
            channel, "AugmentedManifestFile needs AttributeNames: the attributes of each line to stream"
        )
    if channel.get("CompressionType", "None") != "None":
        raise _refusal(channel, "CompressionType Gzip is not supported with AugmentedManifestFile")


def _check_names(channels: Sequence[Mapping[str, Any]], specification: Mapping[str, Any]) -> None:
    names = [channel["ChannelName"] for channel in channels]
    for name in names:
        if names.count(name) > 1:
            raise ValidationError(f"Duplicate channel name: {name!r}. Give each channel its own name")
    pipes = {channel["ChannelName"] for channel in channels if input_mode(channel, specification) == "Pipe"}
    for channel in channels:
        epoch = _EPOCH_NAME.fullmatch(channel["ChannelName"])
        if epoch and epoch[1] in pipes:
            raise _refusal(channel, f"that is how an epoch of the Pipe channel {epoch[1]!r} is called")


def check_inputs(
    context: RequestContext,
    request: Request,
    objects: ObjectAccess,
    file_systems: FileSystems,
) -> None:
    """Make sure that each channel leads somewhere now.

    Raises
    ------
    ValidationError
        Naming what is not there.
    """
    for channel in request.get("InputDataConfig", []):
        source = channel["DataSource"]
        if "FileSystemDataSource" in source:
            try:
                file_systems.require(source["FileSystemDataSource"]["FileSystemId"])
            except UnknownFolderError as error:
                raise _refusal(channel, str(error)) from None
            continue
        uri = source["S3DataSource"]["S3Uri"]
        try:
            bucket, prefix = split_s3_uri(uri)
        except S3UriError as error:
            raise ValidationError(str(error)) from None
        if not _has_objects(objects, context.region, bucket, prefix):
            raise ValidationError(
                f'No S3 objects found under S3 URL "{uri}" given in input data source.'
                f" Please ensure that the bucket exists in the selected region ({context.region}),"
                " that objects exist under that S3 prefix, and that the role"
                f' "{request["RoleArn"]}" has "s3:ListBucket" permissions on bucket "{bucket}".'
            )


def _has_objects(objects: ObjectAccess, region: str, bucket: str, prefix: str) -> bool:
    """Tell whether a job finds something to read: objects in its own region that its role may list."""
    try:
        found = objects.bucket(bucket)
        return found is not None and found.region == region and objects.exists_under(bucket, prefix)
    except AccessDeniedError:
        return False


def _refusal(channel: Mapping[str, Any], what: str) -> ValidationError:
    return ValidationError(f"Invalid input data configuration of channel '{channel['ChannelName']}': {what}")
