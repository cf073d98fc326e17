"""CreateModel, DescribeModel, ListModels, DeleteModel."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.images.catalogue import ImageCatalogue, UnknownImageError
from wildsage.services.operation import Request, Response, operation
from wildsage.services.sagemaker.common import (
    could_not_find,
    key_of,
    list_page,
    put_new_tags,
    sagemaker_arn,
)
from wildsage.serving.model_data import ModelDataError, ObjectIndex, require_model_data
from wildsage.serving.orders import image_of
from wildsage.store.database import Transaction
from wildsage.store.resources import AlreadyExistsError, Resource, Resources
from wildsage.store.tags import Tags

MODEL = "model"
_NOT_STORED = ("ModelName", "Tags")

RequirePassableRole = Callable[[RequestContext, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What a create request is checked against.

    Attributes
    ----------
    require_passable_role
        Raises `ValidationError` unless the caller may pass the role and SageMaker may assume it.
    can_isolate
        Whether this machine can run a container without a network.
    """

    images: ImageCatalogue
    objects: ObjectIndex
    require_passable_role: RequirePassableRole
    can_isolate: bool


class Models:
    """Models: what to run, with which data and as whom. Nothing runs until an endpoint names one."""

    def __init__(self, resources: Resources, rules: ModelRules) -> None:
        self._resources = resources
        self._rules = rules

    @operation("CreateModel")
    async def create(self, context: RequestContext, request: Request) -> Response:
        """Check the containers and store the model."""
        _check_containers(request)
        if request.get("EnableNetworkIsolation"):
            require_isolation(can_isolate=self._rules.can_isolate)
        for container in containers_of(request):
            self._check_container(container)
        if "ExecutionRoleArn" in request:
            await self._rules.require_passable_role(context, request["ExecutionRoleArn"])
        arn = sagemaker_arn(context, MODEL, request["ModelName"])
        body = {name: value for name, value in request.items() if name not in _NOT_STORED}
        body.setdefault("EnableNetworkIsolation", False)

        def store(transaction: Transaction) -> None:
            key = key_of(context, MODEL, request["ModelName"])
            Resources.insert(transaction, key, arn=arn, status="", at=context.clock.now(), body=body)
            put_new_tags(transaction, arn, request)

        try:
            await self._resources.database.write(store)
        except AlreadyExistsError:
            raise ValidationError(f'Cannot create already existing model "{arn}".') from None
        return {"ModelArn": arn}

    @operation("DescribeModel")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """Return what the model was created with."""
        model = find_model(self._resources, context, request["ModelName"])
        return {
            "ModelName": model.key.name,
            "ModelArn": model.arn,
            "CreationTime": model.created_at,
            **model.body,
        }

    @operation("ListModels")
    async def list(self, context: RequestContext, request: Request) -> Response:
        """Return a page of summaries."""
        return list_page(self._resources, context, request, kind=MODEL, member="Models", summarize=_summary)

    @operation("DeleteModel")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove a model. Endpoints that run it have a copy of all they need."""
        model = find_model(self._resources, context, request["ModelName"])

        def store(transaction: Transaction) -> None:
            Resources.delete(transaction, model.key)
            Tags.remove_all(transaction, model.arn)

        await self._resources.database.write(store)
        return {}

    def _check_container(self, container: Mapping[str, Any]) -> None:
        try:
            image_of(self._rules.images, container).program("serve")
            require_model_data(self._rules.objects, container)
        except (UnknownImageError, ModelDataError) as error:
            raise ValidationError(str(error)) from None


def find_model(resources: Resources, context: RequestContext, name: str) -> Resource:
    """Return a model of the caller's.

    Raises
    ------
    ValidationError
        If there is none of this name.
    """
    model = resources.get(key_of(context, MODEL, name))
    if model is None:
        raise could_not_find(MODEL, sagemaker_arn(context, MODEL, name))
    return model


def containers_of(model: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the container definitions of a model (a create request, or a stored body)."""
    if "PrimaryContainer" in model:
        return [model["PrimaryContainer"]]
    containers: list[Mapping[str, Any]] = model.get("Containers", [])
    return containers


def require_isolation(*, can_isolate: bool) -> None:
    """Refuse ``EnableNetworkIsolation`` where it would be a promise that this machine cannot keep.

    Raises
    ------
    ValidationError
        With what to install.
    """
    if not can_isolate:
        raise ValidationError(
            "EnableNetworkIsolation is not possible on this machine: it offers no network namespaces."
            " `wildsage doctor` says what is missing; installing bubblewrap is usually enough"
        )


def _check_containers(request: Request) -> None:
    if "PrimaryContainer" in request and request.get("Containers"):
        raise ValidationError(
            "Both PrimaryContainer and Containers are given: give PrimaryContainer for a model with one"
            " container, or Containers for an inference pipeline"
        )
    containers = containers_of(request)
    if not containers:
        raise ValidationError("Neither PrimaryContainer nor Containers is given: a model needs a container")
    for container in containers:
        if not container.get("Image"):
            raise ValidationError("A container definition needs Image, the URI of an image")
        if "ModelDataUrl" in container and "ModelDataSource" in container:
            raise ValidationError(
                "Both ModelDataUrl and ModelDataSource are given for a container: give one of them"
            )
    names = [container["ContainerHostname"] for container in containers if "ContainerHostname" in container]
    for name in names:
        if names.count(name) > 1:
            raise ValidationError(f"Duplicate ContainerHostname: {name!r}. Give each container its own name")


def _summary(model: Resource) -> dict[str, Any]:
    return {"ModelName": model.key.name, "ModelArn": model.arn, "CreationTime": model.created_at}
