"""From a placed worker to the job file of its run: image, model data, log stream, credentials."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wildsage.core.clock import Clock
from wildsage.core.errors import AccessDeniedError
from wildsage.images.catalogue import ImageCatalogue, ResolvedImage, UnknownImageError, brings_script
from wildsage.images.environments import EnvironmentBuildError
from wildsage.images.facts import facts_of
from wildsage.images.preparation import ImagePreparation
from wildsage.images.requirements import NONE, Requirements, RequirementsFinder
from wildsage.serving.deployments import VariantPlan
from wildsage.serving.model_data import ModelDataError, model_objects
from wildsage.serving.placements import Placement
from wildsage.store.access_keys import AccessKeys
from wildsage.store.logs import LogStreams
from wildsage.store.object_access import ObjectAccess, RoleObjects
from wildsage.store.run_tokens import RunRole, RunTokens
from wildsage.supervisor.contract import InputObject, JobFile, Limits, Program
from wildsage.supervisor.program import program_of
from wildsage.supervisor.surroundings import HostProxyCommand

_STOP_GRACE_SECONDS = 30.0


class OrderError(Exception):
    """The worker cannot be launched. The text is for the endpoint's ``FailureReason``."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a supervisor is launched with."""

    job: JobFile
    token: str


def image_of(images: ImageCatalogue, container: Mapping[str, Any]) -> ResolvedImage:
    """Find the image of a ``ContainerDefinition``.

    Raises
    ------
    wildsage.images.catalogue.UnknownImageError
        If no such image runs here.
    """
    return images.resolve(container["Image"], script=brings_script({}, container.get("Environment", {})))


@dataclass(frozen=True, slots=True)
class OrderDesk:
    """Describes the runs of workers.

    Attributes
    ----------
    endpoint_url
        This server, as a container reaches it.
    credentials_path
        Path of the credentials endpoint; ``/RUN`` is appended.
    sandbox
        The backend that was found at the start: a supervisor that had to try for itself would start later.
    host_proxy
        Returns how the proxy is started that answers AWS's own host names; None: nothing does. It may take a moment.
    memory_bytes
        What a worker may take of the machine's memory; None: all.
    """

    clock: Clock
    images: ImageCatalogue
    preparation: ImagePreparation
    objects: RoleObjects
    logs: LogStreams
    tokens: RunTokens
    keys: AccessKeys
    endpoint_url: str
    credentials_path: str
    sandbox: str = "auto"
    host_proxy: Callable[[], HostProxyCommand | None] = lambda: None
    memory_bytes: int | None = None

    async def order(self, placement: Placement, plan: VariantPlan) -> Order:
        """Make everything ready for a launch: this may build the image's environment, which takes long.

        Raises
        ------
        OrderError
            If the image or the model data is not there.
        """
        endpoint = placement.endpoint
        stream = await self.logs.attach(
            endpoint.account, endpoint.region, placement.log_group, placement.log_stream, self.clock.now()
        )
        try:
            await self.images.look_up(plan.container["Image"])
            image = image_of(self.images, plan.container)
            role = RunRole(endpoint.account, plan.role_arn)
            objects = self.objects.of(role, endpoint.region)
            model = model_objects(objects, plan.container)
            requirements = await _requirements(objects, image, plan, model)
            await self.preparation.prepare(image, stream, requirements=requirements)
            proxy = await asyncio.to_thread(self.host_proxy)
            outfitted = self.preparation.outfitted(image, requirements)
            program = _program(outfitted, placement, plan, has_proxy=proxy is not None)
        except (UnknownImageError, EnvironmentBuildError) as error:
            raise OrderError(str(error)) from None
        except (ModelDataError, AccessDeniedError) as error:
            raise OrderError(
                f"Failed to download model data for container container_1. {error} Please ensure that there"
                " is an object located at the URL and that the role passed to CreateModel has permissions to"
                " download the model."
            ) from None
        token = await self.tokens.issue(placement.run_id, role)
        job = JobFile(
            run_id=placement.run_id,
            purpose="serve",
            program=program,
            endpoint_url=self.endpoint_url,
            region=endpoint.region,
            credentials_url=f"{self.endpoint_url}{self.credentials_path}/{placement.run_id}",
            log_path=str(stream.path),
            model=model,
            stop_grace_seconds=_STOP_GRACE_SECONDS,
            limits=Limits(memory_bytes=self.memory_bytes),
            isolated=plan.isolated,
            sandbox=self.sandbox,
            host_proxy=proxy,
            facts={
                "image": facts_of(image),
                "instance_type": plan.instance_type,
                "variant": placement.variant,
                "log_stream": placement.log_stream,
            },
        )
        return Order(job, token)

    async def settle(self, run_id: str) -> None:
        """End the credentials of a worker that has ended."""
        await self.tokens.database.write(lambda t: RunTokens.revoke(t, run_id))
        await self.keys.revoke_bound(run_id)


async def _requirements(
    objects: ObjectAccess, image: ResolvedImage, plan: VariantPlan, model: tuple[InputObject, ...]
) -> Requirements:
    if image.environment is None or image.algorithm:
        return NONE
    environment = plan.container.get("Environment", {})
    return await RequirementsFinder(objects, environment, isolated=plan.isolated).of_model(model)


def _program(image: ResolvedImage, placement: Placement, plan: VariantPlan, *, has_proxy: bool) -> Program:
    program = image.program("serve")
    port = str(program.port or placement.port)
    environment = {
        "SAGEMAKER_REGION": placement.endpoint.region,
        # A container that makes a socket (WILDSAGE_BIND_SOCKET) needs no port.
        "SAGEMAKER_BIND_TO_PORT": port,
        "SAGEMAKER_SAFE_PORT_RANGE": f"{port}-{port}",
        **plan.container.get("Environment", {}),
    }
    return program_of(program, environment, has_proxy=has_proxy)
