"""All operations of SageMaker together."""

from collections.abc import Mapping

from wildsage.services.operation import Handler, operations_of
from wildsage.services.rooms import ServiceRooms
from wildsage.services.sagemaker.endpoint import Endpoints
from wildsage.services.sagemaker.endpoint_config import EndpointConfigs
from wildsage.services.sagemaker.endpoint_plan import EndpointPlanner, EndpointRules
from wildsage.services.sagemaker.model import ModelRules, Models
from wildsage.services.sagemaker.tags import ResourceTags
from wildsage.services.sagemaker.training_job import TrainingJobRules, TrainingJobs


def handlers(rooms: ServiceRooms) -> Mapping[str, Handler]:
    """Return the handler of each operation that exists, by its name."""
    resources, images, isolates = rooms.resources, rooms.images, rooms.can_isolate
    require_role, seen = rooms.roles.require_passable, rooms.objects.of_request
    training_rules = TrainingJobRules(
        images,
        rooms.objects,
        require_role,
        isolates,
        rooms.metric_definitions,
        rooms.capacity.ahead_for,
        rooms.file_systems,
    )
    endpoint_rules = EndpointRules(images, seen, isolates)
    return operations_of(
        TrainingJobs(resources, training_rules),
        Models(resources, ModelRules(images, seen, require_role, isolates)),
        EndpointConfigs(resources, require_role),
        Endpoints(resources, EndpointPlanner(resources, endpoint_rules)),
        ResourceTags(resources, rooms.tags),
    )
