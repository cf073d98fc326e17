"""Composition root: the only place that names concrete backends and hands registries over."""

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wildsage.algorithms.registry import MODULES, REPOSITORIES
from wildsage.aws.authentication import Authenticator
from wildsage.aws.browsers import Browsers
from wildsage.aws.container_credentials import ContainerCredentials
from wildsage.aws.cross_origin import CrossOrigin
from wildsage.aws.ephemeral import PATH as EPHEMERAL_PATH
from wildsage.aws.ephemeral import Ephemeral
from wildsage.aws.form_upload import FormUploads
from wildsage.aws.gateway import Gateway, InternalHandler
from wildsage.aws.owner_calls import OwnerCalls
from wildsage.aws.sample_keys import SampleKeys
from wildsage.clients.discovery import HEALTH_PATH, OWNER_PATH
from wildsage.clients.run_proxies import RunProxies
from wildsage.compute.base import Sandbox
from wildsage.compute.engine import ENGINES
from wildsage.compute.limits import memory_of_machine, memory_of_run
from wildsage.core.clock import Clock
from wildsage.core.instruments import Instruments
from wildsage.images.catalogue import ImageCatalogue
from wildsage.images.environments import Environments
from wildsage.images.pip_settings import pip_settings
from wildsage.images.preparation import ImagePreparation
from wildsage.images.registered import RegisteredImages
from wildsage.jobs.capacity import Capacity
from wildsage.jobs.launch import Rooms as JobRooms
from wildsage.jobs.reconciler import JobReconciler
from wildsage.jobs.replays import Replays
from wildsage.jobs.spot import Interruptions, SpotMarket
from wildsage.observe.health import Health
from wildsage.observe.metrics import Metrics
from wildsage.observe.process import ProcessMeasure
from wildsage.observe.rooms import RoomsMeasure
from wildsage.services.authorization import Authorizer, Roles
from wildsage.services.logs.metric_counting import MetricCounting
from wildsage.services.registry import Services
from wildsage.services.rooms import ServiceRooms
from wildsage.services.sagemaker.explanation import Explanations
from wildsage.services.sagemaker.training_job import training_jobs
from wildsage.services.sagemaker_runtime.invocation import Invocations
from wildsage.serving.fleet import Rooms as ServingRooms
from wildsage.serving.invocation_metrics import InvocationMetrics
from wildsage.serving.orders import OrderDesk
from wildsage.serving.reconciler import ServingReconciler
from wildsage.serving.router import Router
from wildsage.serving.worker import Timing
from wildsage.store.access_keys import AccessKeys
from wildsage.store.alarms import Alarms
from wildsage.store.buckets import Buckets
from wildsage.store.file_systems import FileSystems
from wildsage.store.layout import Layout
from wildsage.store.log_retention import LogRetention
from wildsage.store.logs import LogStreams
from wildsage.store.metrics import MetricStore
from wildsage.store.object_access import RoleObjects
from wildsage.store.opened import OpenStore
from wildsage.store.resources import Resources
from wildsage.store.run_tokens import RunTokens
from wildsage.store.runs import Runs
from wildsage.store.tags import Tags
from wildsage.store.tuning_trials import TuningTrials
from wildsage.supervisor.kept import KeepLimits
from wildsage.telemetry.evaluator import AlarmEvaluator
from wildsage.telemetry.housekeeping import Housekeeping
from wildsage.toolkit.resolve import load_spec
from wildsage.tuning.conductor import Rooms as TuningRooms
from wildsage.tuning.searching import Searching
from wildsage.tuning.tuner import Tuner
from wildsage.upkeep.garbage import Garbage

_INTERNAL_PATH = "/_wildsage"
_CREDENTIALS_PATH = f"{_INTERNAL_PATH}/credentials"
_REQUESTS_FIRST_SECONDS = 0.1
"""Requests that waited for the start load what they need faster while no thread beside them loads the rest."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server is made of.

    Attributes
    ----------
    account
        12 digits, decided at the first start.
    endpoint_url
        At which containers and clients reach it.
    create_roles
        Create an unknown role of the own account when a request names it.
    cache_dir
        Framework environments; may be deleted at any time.
    ephemeral_token
        Opens `wildsage.aws.ephemeral` to whoever knows it; empty: to nobody.
    keep_failed
        How many folders of failed runs are kept; None: as many as is usual.
    market
        Takes the capacity of spot jobs back.
    """

    layout: Layout
    cache_dir: Path
    account: str
    endpoint_url: str
    create_roles: bool = False
    ephemeral_token: str = ""
    keep_failed: int | None = None
    market: SpotMarket = field(default_factory=SpotMarket)


def image_catalogue(layout: Layout, account: str, environments: Environments) -> ImageCatalogue:
    """Make the catalogue of all images that run here."""
    builtin = {repository: MODULES[name] for repository, name in REPOSITORIES.items()}
    registered, pip = RegisteredImages(layout.images), pip_settings(os.environ)
    return ImageCatalogue(builtin, registered, environments, account=account, pip=pip, engines=ENGINES)


def framework_environments(cache_dir: Path) -> Environments:
    """Make the environments of framework images; they are built with this machine's pip settings."""
    return Environments(cache_dir, variables=pip_settings(os.environ).variables)


class Application:
    """A whole server over an open data directory; `gateway` answers its requests.

    `start` runs on the event loop that serves the gateway, `stop` at the end; then the caller closes the store.

    Parameters
    ----------
    health
        Answers already; it is told when the end begins.
    sandbox
        Carries containers.
    """

    def __init__(
        self, settings: Settings, store: OpenStore, health: Health, clock: Clock, sandbox: Sandbox
    ) -> None:
        layout = settings.layout
        self._account = settings.account
        self._clock = clock
        self._state, self._telemetry, self._health = store.state, store.telemetry, health
        health.broken = lambda: self.handlers.broken
        self._buckets = Buckets(self._state, store.objects, clock)
        self._file_systems = FileSystems(layout.file_systems)
        self._resources = Resources(self._state)
        self._keys = AccessKeys(self._state, store.owner)
        self._authorizer = Authorizer(self._resources)
        self._role_objects = RoleObjects(self._buckets, self._authorizer.authorize, clock)
        self._roles = Roles(self._resources, clock, create_roles=settings.create_roles)
        self._tokens = RunTokens(self._state)
        self._logs = LogStreams(self._telemetry, layout.logs)
        self._metrics = MetricStore(self._telemetry)
        self._logs.on_events(MetricCounting(clock))
        self._housekeeping = Housekeeping(LogRetention(self._logs), self._metrics, clock)
        self._alarms = Alarms(self._resources)
        self._evaluator = AlarmEvaluator(self._alarms, self._metrics, clock)
        environments = framework_environments(settings.cache_dir)
        self._images = image_catalogue(layout, settings.account, environments)
        self._preparation = ImagePreparation(environments, self._logs, clock)
        self._sandbox = sandbox
        self._run_proxies = RunProxies(layout, settings.endpoint_url, os.environ)
        self._router = Router()
        self._instruments = Instruments()
        self._capacity = Capacity(os.cpu_count() or 1, memory_of_machine())
        self._invoked = InvocationMetrics(self._metrics, self._router, clock)
        self._invocations = Invocations(self._router, self._instruments, self._invoked.count)
        rooms = self._job_rooms(settings)
        self._jobs = JobReconciler(rooms, self._capacity)
        self._replays = Replays(rooms, self._capacity)
        self._serving = self._serving_reconciler(settings)
        self._warming: asyncio.Task[None] | None = None
        service_rooms = self._service_rooms()
        self.handlers = Services(service_rooms)
        self._tuner = Tuner(self._tuning_rooms(service_rooms), self._telemetry)
        metrics = Metrics(self._instruments, before=self._invocations.forget_gone)
        explanations = Explanations(self._resources, self._logs, layout, clock)
        calls = {
            "explain": explanations.explain,
            "regions": explanations.regions,
            "replay": self._replays.begin,
            "replay-end": self._replays.end,
            "interrupt": Interruptions(self._resources, rooms.runs, layout).interrupt,
            "gc": Garbage(layout, self._buckets, self._logs, environments, clock).answer,
            "sample-keys": SampleKeys(self._keys, clock).issue,
        }
        self.gateway = Gateway(
            handlers=self.handlers,
            authenticate=Authenticator(self._keys.find, clock),
            authorize=self._authorizer.authorize_operation,
            internal={
                HEALTH_PATH: self._health,
                "/health": self._health,
                f"{_INTERNAL_PATH}/metrics": metrics,
                "/metrics": metrics,
                _CREDENTIALS_PATH: ContainerCredentials(self._tokens, self._keys, clock),
                **self._ephemeral(settings.ephemeral_token),
                OWNER_PATH: OwnerCalls(self._keys.owner, clock, calls),
            },
            clock=clock,
            instruments=self._instruments,
            browsers=Browsers(FormUploads(self._keys.find, clock), CrossOrigin(self._buckets.cors_rules)),
        )
        self._instruments.measured(
            RoomsMeasure(
                layout.root,
                layout.logs,
                (self._state, self._telemetry),
                self._capacity,
                self._serving.worker_states,
            )
        )
        self._instruments.measured(ProcessMeasure(clock))

    async def start(self) -> None:
        """Sweep what a crash left behind and take up all work."""
        await self._roles.ensure_default_role(self._account)
        await self._buckets.sweep()
        await self._replays.sweep()
        await self._serving.start()
        self._jobs.start()
        self._tuner.start()
        self._evaluator.start()
        self._invoked.start()
        self._housekeeping.start()
        self._warming = asyncio.create_task(self._warm(), name="warm")

    async def stop(self) -> None:
        """Let go of everything; containers go on."""
        self._health.is_ready = False
        if self._warming is not None:
            await self._warming
        await self._housekeeping.stop()
        await self._evaluator.stop()
        await self._invoked.stop()
        await self._tuner.stop()
        await self._jobs.stop()
        await self._serving.stop()

    async def _warm(self) -> None:
        """Load what no request has asked for yet."""
        await asyncio.sleep(_REQUESTS_FIRST_SECONDS)
        await asyncio.to_thread(self._load_services)

    def _load_services(self) -> None:
        try:
            self.handlers.load()
            self.gateway.warm()
        except Exception:  # noqa: BLE001 - the end of a thread; each request for what is broken fails by itself
            _log.exception("a service cannot be loaded")

    def _job_rooms(self, settings: Settings) -> JobRooms:
        return JobRooms(
            layout=settings.layout,
            clock=self._clock,
            resources=self._resources,
            runs=Runs(self._state),
            tokens=self._tokens,
            keys=self._keys,
            logs=self._logs,
            objects=self._role_objects,
            file_systems=self._file_systems,
            images=self._images,
            preparation=self._preparation,
            sandbox=self._sandbox.name,
            endpoint_url=settings.endpoint_url,
            credentials_path=_CREDENTIALS_PATH,
            market=settings.market,
            host_proxy=self._run_proxies.command,
            keep=KeepLimits() if settings.keep_failed is None else KeepLimits(runs=settings.keep_failed),
        )

    def _serving_reconciler(self, settings: Settings) -> ServingReconciler:
        desk = OrderDesk(
            clock=self._clock,
            images=self._images,
            preparation=self._preparation,
            objects=self._role_objects,
            logs=self._logs,
            tokens=self._tokens,
            keys=self._keys,
            endpoint_url=settings.endpoint_url,
            credentials_path=_CREDENTIALS_PATH,
            sandbox=self._sandbox.name,
            host_proxy=self._run_proxies.command,
            memory_bytes=memory_of_run(memory_of_machine()),
        )
        rooms = ServingRooms(settings.layout, self._clock, self._state, self._logs, desk, Timing())
        return ServingReconciler(rooms, self._router)

    def _tuning_rooms(self, rooms: ServiceRooms) -> TuningRooms:
        return TuningRooms(
            clock=self._clock,
            resources=self._resources,
            trials=rooms.tuning_trials,
            tags=rooms.tags,
            logs=self._logs,
            training_jobs=training_jobs(rooms),
            searching=Searching(),
        )

    def _ephemeral(self, token: str) -> Mapping[str, InternalHandler]:
        if not token:
            return {}
        answers = Ephemeral(
            token,
            clock=self._clock,
            keys=self._keys,
            roles=self._roles,
            resources=self._resources,
            logs=self._logs,
        )
        return {EPHEMERAL_PATH: answers}

    def _service_rooms(self) -> ServiceRooms:
        return ServiceRooms(
            resources=self._resources,
            tags=Tags(self._state),
            tuning_trials=TuningTrials(self._state),
            buckets=self._buckets,
            file_systems=self._file_systems,
            objects=self._role_objects,
            keys=self._keys,
            roles=self._roles,
            logs=self._logs,
            metrics=self._metrics,
            alarms=self._alarms,
            images=self._images,
            capacity=self._capacity,
            invocations=self._invocations,
            can_isolate=self._sandbox.private,
            metric_definitions=lambda module: load_spec(module).metric_definitions(),
            saves_checkpoints=lambda module: load_spec(module).saves_checkpoints,
            declaration=load_spec,
        )
