"""The control plane of hosting on a real store, without anything that runs."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.images.catalogue import ImageCatalogue
from wildsage.images.environments import Environments
from wildsage.images.registered import RegisteredImages
from wildsage.services.operation import operations_of
from wildsage.services.sagemaker.endpoint import Endpoints
from wildsage.services.sagemaker.endpoint_config import EndpointConfigs
from wildsage.services.sagemaker.endpoint_plan import EndpointPlanner, EndpointRules
from wildsage.services.sagemaker.model import ModelRules, Models
from wildsage.store.buckets import Buckets
from wildsage.store.database import Database
from wildsage.store.objects import Objects
from wildsage.store.resources import Resources

ROLE = "arn:aws:iam::123456789012:role/Execution"
IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/server:1"


class Hosting:
    """Calls operations by their names, as the gateway does after its checks."""

    role, image = ROLE, IMAGE
    container: ClassVar = {"Image": IMAGE, "ModelDataUrl": "s3://models/m/model.tar.gz"}
    variant: ClassVar = {
        "VariantName": "AllTraffic",
        "ModelName": "model",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }

    def __init__(self, root: Path, state: Database, context: RequestContext) -> None:
        self.context = context
        self.resources = Resources(state)
        self.objects = Objects(root / "objects")
        self.buckets = Buckets(state, self.objects, context.clock)
        registered = RegisteredImages(root / "images")
        for name, executable in (("server", "serve"), ("trainer", "train")):
            folder = root / name
            folder.mkdir()
            (folder / executable).write_text("#!/bin/sh\n")
            (folder / executable).chmod(0o755)
            registered.add_directory(f"{name}:1", folder)
        self.images = ImageCatalogue({}, registered, Environments(root / "cache"), account=context.account)
        self.can_isolate = True
        self.wire()
        asyncio.run(self._fill())

    def wire(self) -> None:
        models = Models(
            self.resources, ModelRules(self.images, self.buckets, self._passable, self.can_isolate)
        )
        planner = EndpointPlanner(self.resources, EndpointRules(self.images, self.buckets, self.can_isolate))
        self._handlers = operations_of(
            models,
            EndpointConfigs(self.resources, self._passable),
            Endpoints(self.resources, planner),
        )

    async def _fill(self) -> None:
        await self.buckets.create_bucket("models", "123456789012", "us-west-2")
        for key in ("m/model.tar.gz", "plain/a", "plain/sub/b"):
            await self.buckets.put_bytes("models", key, b"x")

    async def _passable(self, _context: RequestContext, role_arn: str) -> None:
        if role_arn != ROLE:
            raise ValidationError(f"Could not assume role {role_arn}.")

    def call(self, operation: str, **request: Any) -> Any:
        return asyncio.run(self.handle(operation, **request))

    async def handle(self, operation: str, **request: Any) -> Any:
        return await self._handlers[operation](self.context, request)

    def model(self, name: str = "model", **members: Any) -> None:
        given = {"PrimaryContainer": self.container, "ExecutionRoleArn": ROLE, **members}
        self.call("CreateModel", ModelName=name, **{k: v for k, v in given.items() if v is not None})

    def config(self, name: str = "config", variant: dict[str, Any] | None = None, **members: Any) -> None:
        variants = [{**self.variant, **(variant or {})}]
        self.call(
            "CreateEndpointConfig", **{"ProductionVariants": variants, **members}, EndpointConfigName=name
        )


@pytest.fixture
def hosting(tmp_path: Path, state: Database, context: RequestContext) -> Iterator[Hosting]:
    built = Hosting(tmp_path, state, context)
    yield built
    built.objects.close()
