"""Which packages the user's code asks for, found where it lies in S3, before anything runs.

What is found here only saves time. Whatever stands in the way (an object that is not there, a damaged archive) is
no error: the job meets it again and says what is wrong.
"""

import asyncio
import posixpath
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from wildsage.core.errors import ServiceError
from wildsage.core.s3_uri import S3UriError, split_s3_uri
from wildsage.formats.archive_members import read_member
from wildsage.formats.archives import ArchiveError
from wildsage.images.remote_functions import dependencies_of, is_remote_function
from wildsage.store.object_access import ObjectAccess
from wildsage.toolkit.script_mode.environment import decoded
from wildsage.toolkit.script_mode.requirements import NotPlainError, plain_requirements

_FILE = "requirements.txt"
_LARGEST_TEXT = 1 << 20
_IN_THE_WAY = (S3UriError, ServiceError, ArchiveError, OSError, KeyError, ValueError)

_DRIVERS_CHANNEL = "sm_drivers"
_CODE_CHANNEL = "code"
_DRIVER = "sm_train.sh"
_CODE_FOLDER = "/opt/ml/input/data/code"
_INSTALLS = re.compile(r"(?:install_requirements\.py|pip\d? install -r)\s+(\S+)")
"""The line of the driver that installs: ``… install_requirements.py FILE``, in older releases pip itself."""
_UNPACKS = re.compile(r"tar -xzf\s+(\S+)")

_OTHER_INDEX = re.compile(r"PIP_.+|CA_REPOSITORY_ARN")
"""Variables of a job that send its pip somewhere else."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a job's code asks for.

    Attributes
    ----------
    lines
        What a layer can be made of; none: there is no layer.
    reason
        Why pip has to do it inside the job where that is so; else empty.
    entrypoint_file
        The file, in the container, that the job's own entrypoint is going to install; else empty.
    """

    lines: tuple[str, ...] = ()
    reason: str = ""
    entrypoint_file: str = ""


NONE = Requirements()


class ModelFile(Protocol):
    """An object of a model (`wildsage.supervisor.contract.InputObject`)."""

    @property
    def bucket(self) -> str: ...  # noqa: D102
    @property
    def key(self) -> str: ...  # noqa: D102
    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def is_archive(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class RequirementsFinder:
    """Looks into the object store as the job's role.

    Attributes
    ----------
    environment
        The variables that the job sets.
    isolated
        The job has no network.
    """

    objects: ObjectAccess
    environment: Mapping[str, str] = field(default_factory=dict)
    isolated: bool = False

    async def of_training_job(self, body: Mapping[str, Any]) -> Requirements:
        """Return what a training job installs: its toolkit from the submitted code, or what an SDK has run in its place."""
        specification = body["AlgorithmSpecification"]
        if is_remote_function(specification.get("ContainerEntrypoint", ())):
            place = dependencies_of(specification.get("ContainerArguments", ()), _channels(body))
            return NONE if place is None else self._judged(await self._in_archive(*place))
        if specification.get("ContainerEntrypoint"):
            return await self._of_drivers(body)
        hyperparameters = body.get("HyperParameters", {})
        submitted = str(decoded(hyperparameters.get("sagemaker_submit_directory", "")))
        submitted = submitted or self.environment.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
        program = str(decoded(hyperparameters.get("sagemaker_program", "")))
        if not submitted.startswith("s3://") or (program and not program.endswith(".py")):
            return NONE
        return self._judged(await self._in_archive(submitted, _FILE))

    async def of_model(self, model: Iterable[ModelFile]) -> Requirements:
        """Return what a model server installs: from the submitted code, else from the model's own ``code/``."""
        submitted = self.environment.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
        if submitted.startswith("s3://"):
            return self._judged(await self._in_archive(submitted, _FILE))
        for file in model:
            uri, wanted = f"s3://{file.bucket}/{file.key}", f"{_CODE_CHANNEL}/{_FILE}"
            text = None
            if file.is_archive:
                text = await self._in_archive(uri, wanted)
            elif file.path == wanted:
                text = await self._object(uri)
            if text is not None:
                return self._judged(text)
        return NONE

    async def _of_drivers(self, body: Mapping[str, Any]) -> Requirements:
        """Return what the drivers of SDK v3 install; they and the code are channels."""
        channels = _channels(body)
        if not {_DRIVERS_CHANNEL, _CODE_CHANNEL} <= channels.keys():
            return NONE
        driver = await self._object(f"{channels[_DRIVERS_CHANNEL]}/{_DRIVER}") or ""
        named = _INSTALLS.search(driver)
        if named is None:
            return NONE
        file, code = posixpath.normpath(named[1]), channels[_CODE_CHANNEL]
        unpacked = _UNPACKS.search(driver)
        if unpacked is None:
            text = await self._object(f"{code}/{file}")
        else:
            is_channel = code.endswith(f"/{unpacked[1]}")
            text = await self._in_archive(code if is_channel else f"{code}/{unpacked[1]}", file)
        return self._judged(text, entrypoint_file=f"{_CODE_FOLDER}/{file}")

    def _judged(self, text: str | None, entrypoint_file: str = "") -> Requirements:
        if text is None:
            return NONE
        if self.isolated:
            return Requirements((), "the job has no network", entrypoint_file)
        if any(_OTHER_INDEX.fullmatch(name) for name in self.environment):
            return Requirements((), "the job's variables configure pip", entrypoint_file)
        try:
            return Requirements(plain_requirements(text), "", entrypoint_file)
        except NotPlainError as error:
            return Requirements((), str(error), entrypoint_file)

    async def _object(self, uri: str) -> str | None:
        """Return a text; None where there is none that can be read."""
        with suppress(*_IN_THE_WAY):
            bucket, key = split_s3_uri(uri)
            return (await self.objects.read_bytes(bucket, key, _LARGEST_TEXT)).decode()
        return None

    async def _in_archive(self, uri: str, member: str) -> str | None:
        """Return a text in an archive; None where there is none that can be read."""
        with suppress(*_IN_THE_WAY):
            bucket, key = split_s3_uri(uri)
            record = self.objects.head(bucket, key)
            files = self.objects.content_files([record])[record.content] if record else ()
            content = await asyncio.to_thread(read_member, files, member)
            return None if content is None else content.decode()
        return None


def _channels(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the URIs of a job's channels by their names."""
    return {
        channel["ChannelName"]: channel["DataSource"].get("S3DataSource", {}).get("S3Uri", "").rstrip("/")
        for channel in body.get("InputDataConfig", [])
    }
