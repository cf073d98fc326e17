"""All operations of ECR together."""

from collections.abc import Mapping

from wildsage.services.ecr.image import Images
from wildsage.services.ecr.policies import RepositoryPolicies
from wildsage.services.ecr.push import Pushes
from wildsage.services.ecr.registry import Registries
from wildsage.services.ecr.repository import Repositories
from wildsage.services.operation import Handler, operations_of
from wildsage.services.rooms import ServiceRooms


def handlers(rooms: ServiceRooms) -> Mapping[str, Handler]:
    """Return the handler of each operation that exists, by its name."""
    registries = Registries(rooms.resources, rooms.images.registered, rooms.images.platform)
    return operations_of(
        Repositories(registries, rooms.tags),
        RepositoryPolicies(registries),
        Images(registries),
        Pushes(registries),
    )
