"""What happens before a container runs: its image is made ready, its inputs are listed, its file is written."""

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from functools import partial

from wildsage.core.clock import Clock
from wildsage.images.catalogue import ImageCatalogue, UnknownImageError
from wildsage.images.environments import EnvironmentBuildError
from wildsage.images.preparation import BeforeBuild, ImagePreparation
from wildsage.jobs.capacity import Slot
from wildsage.jobs.history import advance
from wildsage.jobs.inputs import InputError, InputSources, input_mode, resolve_channel
from wildsage.jobs.training import HOST, Surroundings, describe_run, image_of, role_of
from wildsage.store.access_keys import AccessKeys
from wildsage.store.database import Transaction
from wildsage.store.file_systems import FileSystems
from wildsage.store.layout import Layout
from wildsage.store.logs import LogStream, LogStreams
from wildsage.store.object_access import RoleObjects
from wildsage.store.resources import Resource, Resources
from wildsage.store.run_tokens import RunTokens
from wildsage.store.runs import Run, Runs
from wildsage.supervisor.contract import Channel, JobFile
from wildsage.supervisor.folder import RunFolder
from wildsage.supervisor.kept import KeepLimits, KeptRuns
from wildsage.supervisor.liveness import RunInUseError

LOG_GROUP = "/aws/sagemaker/TrainingJobs"


class CannotStartError(Exception):
    """The container can never run. The text is for the user."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the machinery of training jobs works with.

    Attributes
    ----------
    sandbox
        The backend that this machine offers.
    credentials_path
        Path of the credentials endpoint; ``/RUN`` is appended.
    keep
        How many folders of failed runs are kept.
    """

    layout: Layout
    clock: Clock
    resources: Resources
    runs: Runs
    tokens: RunTokens
    keys: AccessKeys
    logs: LogStreams
    objects: RoleObjects
    file_systems: FileSystems
    images: ImageCatalogue
    preparation: ImagePreparation
    sandbox: str
    endpoint_url: str
    credentials_path: str
    keep: KeepLimits = field(default_factory=KeepLimits)

    @property
    def kept(self) -> KeptRuns:
        """The failed runs that are kept."""
        return KeptRuns(self.layout.kept, self.keep)


class Launcher:
    """Brings queued runs to life. Every method may be repeated after a crash."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def is_prepared(self, job: Resource) -> bool:
        """Tell whether there is nothing to prepare for a job: the usual case, and a cheap one."""
        with contextlib.suppress(UnknownImageError):
            return self._rooms.preparation.is_ready(image_of(self._rooms.images, job.body))
        return False

    async def prepare(self, run: Run, job: Resource) -> None:
        """Make the image ready. This may build an environment, so it comes before the wait for capacity.

        Raises
        ------
        CannotStartError
            If there is no such image, or its environment cannot be built.
        """
        await self.make_ready(job, partial(self._say_so, run))

    async def make_ready(self, job: Resource, before_build: BeforeBuild | None = None) -> None:
        """Like `prepare`, without a run."""
        try:
            image = image_of(self._rooms.images, job.body)
            await self._rooms.preparation.prepare(image, await self._stream(job), before_build)
        except (UnknownImageError, EnvironmentBuildError) as error:
            raise CannotStartError(str(error)) from error

    async def launch(self, run: Run, job: Resource, folder: RunFolder, slot: Slot) -> Run:
        """Write the run's folder and start its supervisor. Returns the run as launched.

        Raises
        ------
        CannotStartError
            If an input is not there.
        """
        rooms = self._rooms
        stream = await self._stream(job)
        job_file = await self.describe(run.run_id, job, slot, str(stream.path))
        token = await rooms.tokens.issue(run.run_id, role_of(job))
        await asyncio.to_thread(folder.write_job, job_file, token)
        at = rooms.clock.now()

        def mark(transaction: Transaction) -> None:
            Runs.mark_launched(transaction, run.run_id, stream.id)
            advance(transaction, run.job, "Downloading", at)

        await rooms.resources.database.write(mark)
        await asyncio.to_thread(launch_once, folder)
        return replace(run, state="launched", stream_id=stream.id)

    async def describe(
        self,
        run_id: str,
        job: Resource,
        slot: Slot,
        log_path: str,
        *,
        has_files: bool = False,
    ) -> JobFile:
        """Make the job file of a run; its inputs are listed now.

        Parameters
        ----------
        has_files
            The channels in File mode are there already: they are left out.

        Raises
        ------
        CannotStartError
            If an input is not there.
        """
        rooms = self._rooms
        around = Surroundings(
            endpoint_url=rooms.endpoint_url,
            credentials_url=f"{rooms.endpoint_url}{rooms.credentials_path}/{run_id}",
            log_path=log_path,
            sandbox=rooms.sandbox,
        )
        image = image_of(rooms.images, job.body)
        found = await self._channels(job, has_files=has_files)
        return describe_run(run_id, job, image, found, slot, around)

    async def _channels(self, job: Resource, *, has_files: bool) -> tuple[Channel, ...]:
        objects = self._rooms.objects.of(role_of(job), job.key.region)
        sources = InputSources(objects, self._rooms.file_systems)
        channels = []
        try:
            for item in job.body.get("InputDataConfig", []):
                mode = input_mode(item, job.body["AlgorithmSpecification"])
                if not (has_files and mode == "File" and "S3DataSource" in item["DataSource"]):
                    channels.append(await resolve_channel(sources, item, mode))
            return tuple(channels)
        except InputError as error:
            raise CannotStartError(str(error)) from error

    async def _stream(self, job: Resource) -> LogStream:
        name = f"{job.key.name}/{HOST}-{int(job.created_at)}"
        at = self._rooms.clock.now()
        return await self._rooms.logs.attach(job.key.account, job.key.region, LOG_GROUP, name, at)

    async def _say_so(self, run: Run) -> None:
        """Show in Describe that the job waits for its image."""
        at = self._rooms.clock.now()
        message = "Preparing the environment of the training image"
        await self._rooms.resources.database.write(
            lambda t: advance(t, run.job, "DownloadingTrainingImage", at, message=message)
        )


def launch_once(folder: RunFolder) -> None:
    """Start the supervisor of a run, unless an earlier server did so in its last moment."""
    with contextlib.suppress(RunInUseError):
        folder.launch()
