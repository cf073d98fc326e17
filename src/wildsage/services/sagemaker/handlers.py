"""All operations of SageMaker together."""

from collections.abc import Mapping

from wildsage.services.operation import Handler, operations_of
from wildsage.services.rooms import ServiceRooms
from wildsage.services.sagemaker.endpoint import Endpoints
from wildsage.services.sagemaker.endpoint_config import EndpointConfigs
from wildsage.services.sagemaker.endpoint_plan import EndpointPlanner, EndpointRules
from wildsage.services.sagemaker.model import ModelRules, Models
from wildsage.services.sagemaker.processing_job import ProcessingJobRules, ProcessingJobs
from wildsage.services.sagemaker.tags import ResourceTags
from wildsage.services.sagemaker.training_job import training_jobs
from wildsage.services.sagemaker.tuning_job import TuningJobs
from wildsage.services.sagemaker.tuning_plan import TuningPlanner, TuningRules
from wildsage.services.sagemaker.tuning_warm_start import WarmStart


def handlers(rooms: ServiceRooms) -> Mapping[str, Handler]:
    """Return the handler of each operation that exists, by its name."""
    resources, images, isolates = rooms.resources, rooms.images, rooms.can_isolate
    require_role, seen = rooms.roles.require_passable, rooms.objects.of_request
    processing_rules = ProcessingJobRules(images, require_role, isolates, rooms.capacity.ahead_for)
    endpoint_rules = EndpointRules(images, seen, isolates)
    trainings = training_jobs(rooms)
    warm_start = WarmStart(resources, rooms.tuning_trials)
    planner = TuningPlanner(TuningRules(images, rooms.declaration, trainings, warm_start))
    return operations_of(
        trainings,
        TuningJobs(resources, rooms.tuning_trials, planner),
        ProcessingJobs(resources, processing_rules),
        Models(resources, ModelRules(images, seen, require_role, isolates)),
        EndpointConfigs(resources, require_role),
        Endpoints(resources, EndpointPlanner(resources, endpoint_rules)),
        ResourceTags(resources, rooms.tags),
    )
