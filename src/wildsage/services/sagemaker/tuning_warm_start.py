"""Warm start: what may differ between a tuning job and its parents.

Source: "Run a Warm Start Hyperparameter Tuning Job" (SageMaker Developer Guide).
"""

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.core.states import is_terminal
from wildsage.services.operation import Request
from wildsage.services.sagemaker.common import key_of
from wildsage.services.sagemaker.tuning_definitions import Definition, definitions_of
from wildsage.services.sagemaker.tuning_limits import MOST_TRAINING_JOBS
from wildsage.store.resources import Resource, Resources
from wildsage.store.tuning_trials import TUNING_JOB, TuningTrials

IDENTICAL = "IdenticalDataAndAlgorithm"
_MOST_CHANGES = 10
_KEPT = ("Environment", "RetryStrategy", "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption")
"""Members of a definition that AWS's list of what may change leaves out, besides those with rules of their own."""
_CODE = ("code", "sm_drivers")
"""Channels by which SDK v3 brings a script: each tuning job has its own copy."""


def parent_names(members: Request) -> list[str]:
    """Return the names of the parents, in their order."""
    given = members.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", ())
    return [one.get("HyperParameterTuningJobName", "") for one in given]


class WarmStart:
    """Checks a request against its parents."""

    def __init__(self, resources: Resources, trials: TuningTrials) -> None:
        self._resources = resources
        self._trials = trials

    def check(self, context: RequestContext, request: Request) -> None:
        """Refuse parents that a tuning job cannot learn from.

        Raises
        ------
        ValidationError
            Naming the parent and the rule.
        """
        if "WarmStartConfig" not in request:
            return
        if "TrainingJobDefinitions" in request:
            raise ValidationError(
                "WarmStartConfig cannot be used with TrainingJobDefinitions: warm start is for one definition"
            )
        (definition,) = definitions_of(request)
        kind = request["WarmStartConfig"]["WarmStartType"]
        names = parent_names(request)
        for name in names:
            if names.count(name) > 1:
                raise ValidationError(f"The parent tuning job [{name}] is given twice: name each once")
        parents = [self._parent(context, name) for name in names]
        for parent in parents:
            _check_parent(definition, parent, is_identical=kind == IDENTICAL)
        self._check_total(request, parents)

    def _parent(self, context: RequestContext, name: str) -> Resource:
        parent = self._resources.get(key_of(context, TUNING_JOB, name))
        if parent is None:
            raise ValidationError(
                f"The parent tuning job [{name}] does not exist in {context.region}: check its name"
            )
        if not is_terminal(TUNING_JOB, parent.status):
            raise ValidationError(
                f"The parent tuning job [{name}] is {parent.status}: parents must be Completed, Stopped or Failed"
            )
        if "TrainingJobDefinitions" in parent.body:
            raise ValidationError(
                f"The parent tuning job [{name}] has several training job definitions: it cannot be a parent"
            )
        return parent

    def _check_total(self, request: Request, parents: list[Resource]) -> None:
        """The training jobs of parents count against the limit."""
        config = request["HyperParameterTuningJobConfig"]
        most = MOST_TRAINING_JOBS[config["Strategy"]]
        asked = config["ResourceLimits"].get("MaxNumberOfTrainingJobs", 0)
        total = asked + sum(len(self._trials.of(parent.key)) for parent in parents)
        if total > most:
            raise ValidationError(
                f"The training jobs of all parents count: {total} together are more than {most}."
                " Name fewer parents, or lower MaxNumberOfTrainingJobs"
            )


def _check_parent(definition: Definition, parent: Resource, *, is_identical: bool) -> None:
    (other,) = definitions_of(parent.body)
    name = parent.key.name
    if dict(definition.objective) != dict(other.objective):
        raise ValidationError(
            f"The objective metric must be the one of the parent tuning job [{name}]:"
            f" {_objective(other)}, not {_objective(definition)}"
        )
    _check_kept(definition, other, name)
    _check_names(definition, other, name)
    _check_kinds(definition, other, name)
    changes = _changes(definition, other)
    if changes > _MOST_CHANGES:
        raise ValidationError(
            f"{changes} changes of static hyperparameters since the parent tuning job [{name}] are more than"
            f" {_MOST_CHANGES} (each that was tunable, or has another value, counts as 2)"
        )
    if is_identical:
        _check_identical(definition, other, name)


def _objective(definition: Definition) -> str:
    return f"[{definition.objective['Type']} {definition.objective['MetricName']}]"


def _check_kept(definition: Definition, other: Definition, parent: str) -> None:
    """Refuse what must not change. The text: https://github.com/aws/sagemaker-python-sdk/issues/3693."""
    changed = [name for name in _KEPT if _given(definition, name) != _given(other, name)]
    if changed:
        raise ValidationError(
            "Only the following fields in TrainingJobDefinition are allowed to change: [algorithmSpecification,"
            " inputDataConfig, outputDataConfig, staticHyperParameters, roleArn, resourceConfig, stoppingCondition,"
            " vpcConfig, enableManagedSpotTraining, checkpointConfig]."
            f" Of the parent tuning job [{parent}] differ: [{', '.join(changed)}]"
        )


def _given(definition: Definition, member: str) -> object:
    """Return a member; None where it is left out, off or empty."""
    return definition.members.get(member) or None


def _names(definition: Definition) -> set[str]:
    return {one.name for one in definition.ranges} | set(definition.static)


def _check_names(definition: Definition, other: Definition, parent: str) -> None:
    differing = sorted(_names(definition) ^ _names(other))
    if differing:
        raise ValidationError(
            "The set of tunable plus static HyperParameter names is not the same across current and parent tuning"
            " jobs. Please ensure this set is constant when warm starting. Note that previously static HyperParameters"
            f" can be tuned in warm start jobs and vice versa. Of [{parent}] and this one differ: [{', '.join(differing)}]"
        )


def _check_kinds(definition: Definition, other: Definition, parent: str) -> None:
    kinds = {one.name: one.kind for one in other.ranges}
    for one in definition.ranges:
        before = kinds.get(one.name, one.kind)
        if before != one.kind:
            raise ValidationError(
                f"The type of hyperparameter [{one.name}] must not change: it is {before} in the parent tuning job"
                f" [{parent}], and {one.kind} here"
            )


def _changes(definition: Definition, other: Definition) -> int:
    """Count as AWS does: a static hyperparameter that was tunable, or has another value now, counts as 2."""
    tunable = {one.name for one in other.ranges}
    changed = [
        name
        for name, value in definition.static.items()
        if name in tunable or other.static.get(name) != value
    ]
    return 2 * len(changed)


def _check_identical(definition: Definition, other: Definition, parent: str) -> None:
    if definition.image != other.image:
        raise ValidationError(
            f"IdenticalDataAndAlgorithm needs the TrainingImage of the parent tuning job [{parent}], {other.image},"
            f" not {definition.image}: use it, or TransferLearning"
        )
    if _data(definition) != _data(other):
        raise ValidationError(
            f"IdenticalDataAndAlgorithm needs the InputDataConfig of the parent tuning job [{parent}]: use it, or"
            " TransferLearning"
        )


def _data(definition: Definition) -> list[tuple[str, object]]:
    """Return where the data is; how it is read may change, and so may the place of the code."""
    channels = definition.members.get("InputDataConfig", ())
    places = ((one["ChannelName"], _place(one["DataSource"])) for one in channels)
    return sorted((name, place) for name, place in places if name not in _CODE)


def _place(source: dict[str, dict[str, object]]) -> object:
    s3 = source.get("S3DataSource")
    if s3 is None:
        return repr(source)
    return str(s3["S3Uri"]).rstrip("/")
