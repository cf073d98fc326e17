"""CreateModel, DescribeModel, ListModels, DeleteModel."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import AccessDeniedError, ValidationError
from wildsage.images.catalogue import ImageCatalogue, UnknownImageError
from wildsage.services.operation import Request, Response, operation
from wildsage.services.sagemaker.common import (
    RequirePassableRole,
    could_not_find,
    key_of,
    list_page,
    new_tags,
    require_isolation,
    sagemaker_arn,
)
from wildsage.serving.model_data import ModelDataError, ObjectIndex, location_of, require_model_data
from wildsage.serving.orders import image_of
from wildsage.store.database import Transaction
from wildsage.store.resources import AlreadyExistsError, Resource, Resources
from wildsage.store.tags import Tags

MODEL = "model"
_NOT_STORED = ("ModelName", "Tags")

ObjectsSeen = Callable[[RequestContext, str | None], ObjectIndex]
"""The stored objects as a role may use them; None: as the caller."""


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What a create request is checked against.

    Attributes
    ----------
    can_isolate
        Whether this machine can run a container without a network.
    """

    images: ImageCatalogue
    objects: ObjectsSeen
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
        role_arn = request.get("ExecutionRoleArn")
        if role_arn is not None:
            await self._rules.require_passable_role(context, role_arn)
        for container in containers_of(request):
            await check_container(self._rules.images, self._rules.objects, context, container, role_arn)
        arn = sagemaker_arn(context, MODEL, request["ModelName"])
        body = {name: value for name, value in request.items() if name not in _NOT_STORED}
        body.setdefault("EnableNetworkIsolation", False)
        tags = new_tags(request)

        def store(transaction: Transaction) -> None:
            key = key_of(context, MODEL, request["ModelName"])
            at = context.clock.now()
            Resources.insert(transaction, key, arn=arn, status="", at=at, body=body, tags=tags)

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
        at = context.clock.now()

        def store(transaction: Transaction) -> None:
            Resources.delete(transaction, model.key, at=at)
            Tags.remove_all(transaction, model.arn)

        await self._resources.database.write(store)
        return {}


async def check_container(
    images: ImageCatalogue,
    objects: ObjectsSeen,
    context: RequestContext,
    container: Mapping[str, Any],
    role_arn: str | None,
) -> None:
    """Check that a container's image serves, and that its role finds the model data.

    Raises
    ------
    ValidationError
        In AWS's words where it has some.
    """
    await images.look_up(container["Image"])
    try:
        image_of(images, container).program("serve")
        require_model_data(objects(context, role_arn), container)
    except AccessDeniedError as error:
        location, _ = location_of(container) or ("", False)
        raise ValidationError(
            f'Could not access model data at {location}. Please ensure that the role "{role_arn}" exists and that'
            ' its trust relationship policy allows the action "sts:AssumeRole" for the service principal'
            ' "sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject" permissions and that the'
            f" object is located in {context.region}. ({error.message})"
        ) from None
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
