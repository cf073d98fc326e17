"""What happens before containers run: their image is made ready, their inputs are listed, their files are written."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from wildsage.core.clock import Clock
from wildsage.images.catalogue import ImageCatalogue, ResolvedImage, UnknownImageError
from wildsage.images.environments import EnvironmentBuildError
from wildsage.images.preparation import BeforeBuild, ImagePreparation
from wildsage.images.requirements import NONE, Requirements
from wildsage.jobs.addresses import addresses
from wildsage.jobs.attempts import Attempts, checkpoints_of, wait_left
from wildsage.jobs.capacity import Slot
from wildsage.jobs.description import Surroundings, describe_run
from wildsage.jobs.inputs import InputError, InputSources, resolve_channel
from wildsage.jobs.kind import Cluster, Host, Input
from wildsage.jobs.kinds import kind_of
from wildsage.jobs.spot import SpotMarket
from wildsage.store.access_keys import AccessKeys
from wildsage.store.database import Transaction
from wildsage.store.file_systems import FileSystems
from wildsage.store.layout import Layout
from wildsage.store.logs import LogStream, LogStreams
from wildsage.store.object_access import RoleObjects
from wildsage.store.resources import Resource, Resources
from wildsage.store.run_tokens import RunTokens
from wildsage.store.runs import Gang, Run, Runs
from wildsage.supervisor.contract import Channel, CheckpointPlace, JobFile
from wildsage.supervisor.folder import RunFolder
from wildsage.supervisor.kept import KeepLimits, KeptRuns
from wildsage.supervisor.liveness import RunInUseError
from wildsage.supervisor.surroundings import HostProxyCommand, NetworkPlace


class CannotStartError(Exception):
    """The container can never run. The text is for the user."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the machinery of jobs works with.

    Attributes
    ----------
    sandbox
        The backend that this machine offers.
    credentials_path
        Path of the credentials endpoint; ``/RUN`` is appended.
    keep
        How many folders of failed runs are kept.
    market
        Takes the capacity of spot jobs back.
    host_proxy
        Returns how the proxy is started that answers AWS's own host names; None: nothing does. It may take a moment.
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
    market: SpotMarket = field(default_factory=SpotMarket)
    host_proxy: Callable[[], HostProxyCommand | None] = lambda: None

    @property
    def kept(self) -> KeptRuns:
        """The failed runs that are kept."""
        return KeptRuns(self.layout.kept, self.keep)

    def folder_of(self, run: Run) -> RunFolder:
        """Return the folder of a run."""
        return RunFolder(self.layout.runs / run.run_id)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the hosts of a job have in common when they start.

    Attributes
    ----------
    addresses
        Of all hosts, by name.
    inputs
        As they are now, each with what was found of it for the first host that gets it.
    checkpoints
        As they are now: every host gets them all.
    """

    job: Resource
    image: ResolvedImage
    cluster: Cluster
    addresses: Mapping[str, str]
    inputs: tuple[tuple[Input, Channel], ...]
    checkpoints: CheckpointPlace | None
    host_proxy: HostProxyCommand | None

    def channels_of(self, host: Host) -> tuple[Channel, ...]:
        """Return what a host gets."""
        return tuple(
            replace(channel, share=self.cluster.share_of(host, given)) if channel.share.count > 1 else channel
            for given, channel in self.inputs
            if host.gets(given)
        )


class Launcher:
    """Brings queued runs to life. Every method may be repeated after a crash."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def look_up(self, job: Resource) -> None:
        """Let the image catalogue know which image is about to be asked for: on the loop it would hold all up."""
        await self._rooms.images.look_up(kind_of(job.key).image_uri(job.body))

    def is_prepared(self, job: Resource) -> bool:
        """Tell whether there is nothing to prepare for a job: the usual case, and a cheap one."""
        with contextlib.suppress(UnknownImageError):
            return self._rooms.preparation.is_ready(self._image_of(job))
        return False

    async def prepare(self, gang: Gang, job: Resource) -> None:
        """Make the image ready. This may build an environment, so it comes before the wait for capacity.

        Raises
        ------
        CannotStartError
            If there is no such image, or its environment cannot be built.
        """
        await self.make_ready(job, partial(self._say_so, gang))

    async def make_ready(self, job: Resource, before_build: BeforeBuild | None = None) -> None:
        """Like `prepare`, without a run. What a build says is in the log of the first host."""
        first = kind_of(job.key).cluster_of(job.body).hosts[0]
        await self.look_up(job)
        try:
            image = self._image_of(job)
            requirements = await self._requirements(job, image)
            stream = await self._stream(job, first)
            await self._rooms.preparation.prepare(image, stream, before_build, requirements)
        except (UnknownImageError, EnvironmentBuildError) as error:
            raise CannotStartError(str(error)) from error

    async def launch(self, gang: Gang, job: Resource, slots: Sequence[Slot]) -> Gang:
        """Write the folders of all hosts, then start their supervisors. Returns the runs as launched.

        Raises
        ------
        CannotStartError
            If an input is not there.
        """
        rooms = self._rooms
        plan = await self.plan(job, gang.number)
        shared_secret = secrets.token_urlsafe(32) if len(gang.runs) > 1 else ""
        streams = [
            await self._write(plan, gang, run, host, slot, shared_secret)
            for run, host, slot in zip(gang.runs, plan.cluster.hosts, slots, strict=True)
        ]
        at = rooms.clock.now()

        def mark(transaction: Transaction) -> None:
            for run, stream in zip(gang.runs, streams, strict=True):
                Runs.mark_launched(transaction, run.run_id, stream.id)
            kind_of(gang.job).history.advance(transaction, gang.job, "downloading", at)

        await rooms.resources.database.write(mark)
        for run in gang.runs:
            await asyncio.to_thread(launch_once, rooms.folder_of(run))
        return Gang(
            tuple(
                replace(run, state="launched", stream_id=stream.id)
                for run, stream in zip(gang.runs, streams, strict=True)
            )
        )

    async def _write(
        self, plan: Plan, gang: Gang, run: Run, host: Host, slot: Slot, shared_secret: str
    ) -> LogStream:
        """Write the folder of a run; returns its log stream."""
        rooms, job = self._rooms, plan.job
        stream = await self._stream(job, host)
        described = self.describe(plan, run.run_id, host, slot, str(stream.path))
        job_file = replace(
            described,
            max_runtime_seconds=Attempts.of(job).left_of(described.max_runtime_seconds),
            max_wait_seconds=wait_left(job, rooms.clock.now()),
            interrupt_after_seconds=rooms.market.interruption(job, run.attempt),
            network=self._shared_network(gang) if described.isolated else None,
        )
        token = await rooms.tokens.issue(run.run_id, kind_of(job.key).role_of(job))
        await asyncio.to_thread(rooms.folder_of(run).write_job, job_file, token, shared_secret)
        return stream

    def _shared_network(self, gang: Gang) -> NetworkPlace | None:
        """Return where hosts find their network, if there are several and nobody else is to reach them."""
        if len(gang.runs) == 1:
            return None
        return NetworkPlace(str(self._rooms.folder_of(gang.runs[0]).path), len(gang.runs))

    async def plan(self, job: Resource, number: int, *, has_files: bool = False) -> Plan:
        """Find out what the hosts of a job have in common; the inputs are listed now.

        Parameters
        ----------
        number
            Of the gang.
        has_files
            The channels in File mode are there already: they are left out.

        Raises
        ------
        CannotStartError
            If an input is not there.
        """
        cluster = kind_of(job.key).cluster_of(job.body)
        names = [host.name for host in cluster.hosts]
        inputs = await self._inputs(job, cluster, has_files=has_files)
        checkpoints = await self._checkpoints(job)
        await self.look_up(job)
        image = self._image_of(job)
        image = self._rooms.preparation.outfitted(image, await self._requirements(job, image))
        proxy = await asyncio.to_thread(self._rooms.host_proxy)
        places = addresses(names, number, self._rooms.layout.root)
        return Plan(job, image, cluster, places, inputs, checkpoints, proxy)

    def describe(self, plan: Plan, run_id: str, host: Host, slot: Slot, log_path: str) -> JobFile:
        """Make the job file of a run.

        Raises
        ------
        CannotStartError
            If the image has no program for such a job.
        """
        rooms = self._rooms
        around = Surroundings(
            endpoint_url=rooms.endpoint_url,
            credentials_url=f"{rooms.endpoint_url}{rooms.credentials_path}/{run_id}",
            log_path=log_path,
            sandbox=rooms.sandbox,
            addresses=plan.addresses,
            host_proxy=plan.host_proxy,
        )
        try:
            described = describe_run(run_id, plan.job, host, plan.image, plan.channels_of(host), slot, around)
            return replace(described, checkpoints=plan.checkpoints)
        except UnknownImageError as error:
            raise CannotStartError(str(error)) from error

    def _image_of(self, job: Resource) -> ResolvedImage:
        return kind_of(job.key).image_of(self._rooms.images, job.body)

    async def _requirements(self, job: Resource, image: ResolvedImage) -> Requirements:
        if image.environment is None or image.algorithm:
            return NONE
        kind = kind_of(job.key)
        return await kind.requirements_of(job, self._rooms.objects.of(kind.role_of(job), job.key.region))

    async def _inputs(
        self, job: Resource, cluster: Cluster, *, has_files: bool
    ) -> tuple[tuple[Input, Channel], ...]:
        kind = kind_of(job.key)
        objects = self._rooms.objects.of(kind.role_of(job), job.key.region)
        sources = InputSources(objects, self._rooms.file_systems)
        inputs = []
        try:
            for given in kind.inputs_of(job.body):
                if not (has_files and given.mode == "File" and "S3DataSource" in given.channel["DataSource"]):
                    first = next(host for host in cluster.hosts if host.gets(given))
                    share = cluster.share_of(first, given)
                    found = await resolve_channel(sources, given.channel, given.mode, share)
                    inputs.append((given, replace(found, target=given.target)))
            return tuple(inputs)
        except InputError as error:
            raise CannotStartError(str(error)) from error

    async def _checkpoints(self, job: Resource) -> CheckpointPlace | None:
        role = kind_of(job.key).role_of(job)
        try:
            return await checkpoints_of(job, self._rooms.objects.of(role, job.key.region))
        except InputError as error:
            raise CannotStartError(str(error)) from error

    async def _stream(self, job: Resource, host: Host) -> LogStream:
        kind = kind_of(job.key)
        name = f"{job.key.name}/{host.name}-{int(job.created_at)}"
        at = self._rooms.clock.now()
        return await self._rooms.logs.attach(job.key.account, job.key.region, kind.log_group, name, at)

    async def _say_so(self, gang: Gang) -> None:
        """Show in Describe that the job waits for its image."""
        at = self._rooms.clock.now()
        message = "Preparing the environment of the image"
        history = kind_of(gang.job).history
        await self._rooms.resources.database.write(
            lambda t: history.advance(t, gang.job, "preparing", at, message=message)
        )


def launch_once(folder: RunFolder) -> None:
    """Start the supervisor of a run, unless an earlier server did so in its last moment."""
    with contextlib.suppress(RunInUseError):
        folder.launch()
