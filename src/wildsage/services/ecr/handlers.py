"""All operations of ECR together."""

from collections.abc import Mapping

from wildsage.images.catalogue import ImageCatalogue
from wildsage.services.ecr.image import Images
from wildsage.services.ecr.policies import RepositoryPolicies
from wildsage.services.ecr.push import Pushes
from wildsage.services.ecr.registry import Registries
from wildsage.services.ecr.repository import Repositories
from wildsage.services.operation import Handler, operations_of
from wildsage.store.resources import Resources
from wildsage.store.tags import Tags


def ecr_handlers(resources: Resources, tags: Tags, images: ImageCatalogue) -> Mapping[str, Handler]:
    """Return the handler of each operation that exists, by its name."""
    registries = Registries(resources, images.registered, images.platform)
    return operations_of(
        Repositories(registries, tags), RepositoryPolicies(registries), Images(registries), Pushes(registries)
    )
