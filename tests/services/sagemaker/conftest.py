"""The control plane of hosting on a real store, without anything that runs."""

import asyncio
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from tests.services.sagemaker.tuning import Tuning

from wildsage.core.context import RequestContext
from wildsage.core.errors import AccessDeniedError, ValidationError
from wildsage.images.catalogue import ImageCatalogue
from wildsage.images.environments import Environments
from wildsage.images.registered import RegisteredImages
from wildsage.services.operation import operations_of
from wildsage.services.sagemaker.endpoint import Endpoints
from wildsage.services.sagemaker.endpoint_config import EndpointConfigs
from wildsage.services.sagemaker.endpoint_plan import EndpointPlanner, EndpointRules
from wildsage.services.sagemaker.model import ModelRules, Models
from wildsage.store.database import Database
from wildsage.store.object_index import ObjectRecord
from wildsage.store.resources import Resources

ROLE = "arn:aws:iam::123456789012:role/Execution"
IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/server:1"


class Index:
    """Objects of one bucket by their keys; what they hold does not matter here."""

    def __init__(self, *keys: str) -> None:
        self.keys = list(keys)
        self.denied = ""

    def head(self, bucket: str, key: str) -> ObjectRecord | None:
        if self.denied:
            raise AccessDeniedError(self.denied)
        found = bucket == "models" and key in self.keys
        return ObjectRecord(bucket, key, "", "", 1, "etag", 0.0, "STANDARD", {}) if found else None

    def exists_under(self, bucket: str, prefix: str) -> bool:
        return any(True for _ in self.list_objects(bucket, prefix))

    def list_objects(self, bucket: str, prefix: str = "") -> Iterator[ObjectRecord]:
        for key in self.keys:
            record = self.head(bucket, key)
            if record is not None and key.startswith(prefix):
                yield record


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

    def __init__(self, state: Database, images: ImageCatalogue, context: RequestContext) -> None:
        self.context = context
        self.resources = Resources(state)
        self.images = images
        self.index = Index("m/model.tar.gz", "plain/a", "plain/sub/b")
        self.can_isolate = True
        self.seen_as: list[str | None] = []
        self.wire()

    def wire(self) -> None:
        models = Models(self.resources, ModelRules(self.images, self._seen, self._passable, self.can_isolate))
        planner = EndpointPlanner(self.resources, EndpointRules(self.images, self._seen, self.can_isolate))
        self._handlers = operations_of(
            models,
            EndpointConfigs(self.resources, self._passable),
            Endpoints(self.resources, planner),
        )

    def _seen(self, _context: RequestContext, role_arn: str | None) -> Index:
        self.seen_as.append(role_arn)
        return self.index

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


@pytest.fixture(scope="session")
def hosting_images(tmp_path_factory: pytest.TempPathFactory) -> ImageCatalogue:
    root = tmp_path_factory.mktemp("images")
    registered = RegisteredImages(root / "registered")
    for name, executable in (("server", "serve"), ("trainer", "train")):
        folder = root / name
        folder.mkdir()
        (folder / executable).write_text("#!/bin/sh\n")
        (folder / executable).chmod(0o755)
        registered.add_directory(f"{name}:1", folder)
    return ImageCatalogue({}, registered, Environments(root / "cache"), account="123456789012")


@pytest.fixture
def hosting(state: Database, hosting_images: ImageCatalogue, context: RequestContext) -> Hosting:
    return Hosting(state, hosting_images, context)


@pytest.fixture
def tuning(state, context, tmp_path):
    return Tuning(state, context, tmp_path)
