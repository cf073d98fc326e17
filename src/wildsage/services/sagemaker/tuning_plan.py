"""What becomes of a request for a tuning job: completed, checked, and ready to be stored."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.images.catalogue import ImageCatalogue, ResolvedImage, UnknownImageError
from wildsage.jobs.training import TRAINING
from wildsage.services.operation import Request
from wildsage.services.sagemaker.training_job import TrainingJobs
from wildsage.services.sagemaker.tuning_algorithms import (
    check_custom_objective,
    check_declared,
    check_early_stopping,
)
from wildsage.services.sagemaker.tuning_autotune import autotuned, refuse_examples
from wildsage.services.sagemaker.tuning_definitions import (
    Definition,
    Members,
    completed_ranges,
    definitions_of,
    resources_of,
    training_request,
)
from wildsage.services.sagemaker.tuning_limits import check_limits
from wildsage.services.sagemaker.tuning_ranges import check_ranges
from wildsage.services.sagemaker.tuning_warm_start import WarmStart
from wildsage.store.resources import Body
from wildsage.toolkit.hyperparameters import TUNING_OBJECTIVE
from wildsage.toolkit.spec import AlgorithmSpec

_SWITCHES = (
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
)
"""Off unless a definition says otherwise."""


@dataclass(frozen=True, slots=True)
class TuningRules:
    """What a request is checked against.

    Attributes
    ----------
    declaration
        The declaration of a built-in algorithm, by its module.
    training_jobs
        Checks the training jobs of its definitions.
    """

    images: ImageCatalogue
    declaration: Callable[[str], AlgorithmSpec]
    training_jobs: TrainingJobs
    warm_start: WarmStart


class TuningPlanner:
    """Completes and checks requests."""

    def __init__(self, rules: TuningRules) -> None:
        self._rules = rules

    async def plan(self, context: RequestContext, request: Request) -> Request:
        """Return a request as it is stored: with what Autotune chose, and the hyperparameters that tuning adds.

        Raises
        ------
        ServiceError
            Naming what cannot be tuned.
        """
        given = _given_definitions(request)
        _check_structure(request, given)
        await self.look_up(request)
        specs = [self._declaration(one) for one in given]
        if request.get("Autotune", {}).get("Mode") == "Enabled":
            request = autotuned(request, specs)
        else:
            refuse_examples(request)
        request = self._completed(request, specs)
        config, definitions = request["HyperParameterTuningJobConfig"], definitions_of(request)
        for definition, spec in zip(definitions, specs, strict=True):
            check_ranges(definition)
            if spec is None:
                check_custom_objective(definition)
            else:
                check_declared(definition, spec)
                if config.get("TrainingJobEarlyStoppingType") == "Auto":
                    check_early_stopping(definition, spec)
        _check_goals(definitions)
        check_limits(config, definitions)
        self._rules.warm_start.check(context, request)
        for definition in definitions:
            point = {one.name: one.ends[0] for one in definition.ranges}
            await self._rules.training_jobs.check(context, training_request(definition, "trial", point))
        return request

    def _declaration(self, definition: Members) -> AlgorithmSpec | None:
        """Return what a built-in algorithm declares; None: the image is the user's, or runs the user's script."""
        image = self._image(definition)
        return self._rules.declaration(image.algorithm) if image.kind == "algorithm" else None

    def _image(self, definition: Members) -> ResolvedImage:
        if not definition["AlgorithmSpecification"].get("TrainingImage"):
            raise ValidationError(
                "AlgorithmSpecification needs TrainingImage, the URI of an image."
                " AlgorithmName (Marketplace and own algorithm resources) is not available here"
            )
        body = {**definition, "HyperParameters": definition.get("StaticHyperParameters", {})}
        try:
            return TRAINING.image_of(self._rules.images, body)
        except UnknownImageError as error:
            raise ValidationError(str(error)) from None

    async def look_up(self, body: Body) -> None:
        """Let the image catalogue know what is about to be asked of it."""
        uris = [one["AlgorithmSpecification"].get("TrainingImage") for one in _given_definitions(body)]
        await self._rules.images.look_up(*filter(None, uris))

    def described(self, body: Body) -> Body:
        """Return the members of a stored tuning job with the metrics of its built-in algorithms."""
        shown = [self._with_metrics(one) for one in _given_definitions(body)]
        if "TrainingJobDefinitions" in body:
            return {**body, "TrainingJobDefinitions": shown}
        return {**body, "TrainingJobDefinition": shown[0]}

    def _with_metrics(self, definition: Members) -> Members:
        try:
            spec = self._declaration(definition)
        except ValidationError:  # the image was removed meanwhile
            return definition
        if spec is None:
            return definition
        specification = definition["AlgorithmSpecification"]
        metrics = spec.metric_definitions()
        return {**definition, "AlgorithmSpecification": {**specification, "MetricDefinitions": metrics}}

    def _completed(self, request: Request, specs: list[AlgorithmSpec | None]) -> Request:
        """Return a request with AWS's defaults, and what tuning adds to its definitions."""
        objectives = _objectives(request)
        filled = [
            self._with_additions(one, objective, spec)
            for one, objective, spec in zip(_given_definitions(request), objectives, specs, strict=True)
        ]
        config = {"TrainingJobEarlyStoppingType": "Off", **request["HyperParameterTuningJobConfig"]}
        if "ParameterRanges" in config:
            config["ParameterRanges"] = completed_ranges(config["ParameterRanges"])
        completed = {**request, "HyperParameterTuningJobConfig": config}
        if "TrainingJobDefinitions" in request:
            return {**completed, "TrainingJobDefinitions": filled}
        return {**completed, "TrainingJobDefinition": filled[0]}

    def _with_additions(
        self, definition: Members, objective: Members, spec: AlgorithmSpec | None
    ) -> dict[str, Any]:
        static = dict(definition.get("StaticHyperParameters", {}))
        for name, value in (spec.fixed_by_tuning if spec else {}).items():
            static.setdefault(name, value)
        static[TUNING_OBJECTIVE] = objective["MetricName"]
        completed = {
            **dict.fromkeys(_SWITCHES, False),
            **definition,
            "StaticHyperParameters": static,
            "ResourceConfig": resources_of(definition),
        }
        if "HyperParameterRanges" in definition:
            completed["HyperParameterRanges"] = completed_ranges(definition["HyperParameterRanges"])
        specification = definition["AlgorithmSpecification"]
        if spec is None and not specification.get("MetricDefinitions"):
            metrics = self._metrics_of_library(specification["TrainingImage"])
            if metrics:
                completed["AlgorithmSpecification"] = {**specification, "MetricDefinitions": metrics}
        return completed

    def _metrics_of_library(self, uri: str) -> list[dict[str, str]]:
        """Return the metrics of an image that is both an algorithm and a framework: its library reports the same."""
        try:
            image = self._rules.images.resolve(uri)
        except UnknownImageError:
            return []
        return self._rules.declaration(image.algorithm).metric_definitions() if image.algorithm else []


def _given_definitions(request: Request) -> list[Members]:
    several = request.get("TrainingJobDefinitions")
    if several:
        return list(several)
    return [request["TrainingJobDefinition"]] if "TrainingJobDefinition" in request else []


def _objectives(request: Request) -> list[Members]:
    if "TrainingJobDefinitions" in request:
        return [one["TuningObjective"] for one in request["TrainingJobDefinitions"]]
    config, one = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
    return [config.get("HyperParameterTuningJobObjective") or one["TuningObjective"]]


def _check_structure(request: Request, definitions: list[Members]) -> None:
    """Refuse what has no definition, no objective, or either of them in two places."""
    config = request["HyperParameterTuningJobConfig"]
    has_one, has_several = "TrainingJobDefinition" in request, bool(request.get("TrainingJobDefinitions"))
    if has_one == has_several:
        raise ValidationError(
            "Provide either TrainingJobDefinition or TrainingJobDefinitions, and"
            f" {'not both' if has_one else 'one of them is needed'}"
        )
    for one in definitions:
        _check_resources(one)
    if has_several:
        _check_several(config, definitions, warm="WarmStartConfig" in request)
        return
    (one,) = definitions
    for outer, inner in (
        ("HyperParameterTuningJobObjective", "TuningObjective"),
        ("ParameterRanges", "HyperParameterRanges"),
    ):
        if outer in config and inner in one:
            raise ValidationError(
                f"{outer} of HyperParameterTuningJobConfig and {inner} of TrainingJobDefinition say the same:"
                " leave one of them out"
            )
    if "HyperParameterTuningJobObjective" not in config and "TuningObjective" not in one:
        raise ValidationError(
            "HyperParameterTuningJobConfig needs HyperParameterTuningJobObjective: the metric, and whether to"
            " Minimize or Maximize it"
        )


def _check_resources(definition: Members) -> None:
    """Refuse instances that are said in two places, and not alike as Describe says them."""
    flexible = definition.get("HyperParameterTuningResourceConfig", {})
    if flexible and definition.get("ResourceConfig", {}) not in ({}, resources_of(definition)):
        raise ValidationError(
            "ResourceConfig and HyperParameterTuningResourceConfig name different instances: leave one of them out"
        )
    both = [name for name in ("InstanceType", "InstanceCount", "VolumeSizeInGB") if name in flexible]
    if both and "InstanceConfigs" in flexible:
        raise ValidationError(
            f"[{', '.join(both)}] of HyperParameterTuningResourceConfig cannot be used with InstanceConfigs: each of"
            " them has its own"
        )


def _check_several(config: Members, definitions: list[Members], *, warm: bool) -> None:
    for member in ("HyperParameterTuningJobObjective", "ParameterRanges"):
        if member in config:
            raise ValidationError(
                f"{member} of HyperParameterTuningJobConfig cannot be used with TrainingJobDefinitions:"
                " each of them has its own"
            )
    for member in ("DefinitionName", "TuningObjective", "HyperParameterRanges"):
        if any(member not in one for one in definitions):
            raise ValidationError(f"each of TrainingJobDefinitions needs {member}")
    names = [one["DefinitionName"] for one in definitions]
    if len(set(names)) < len(names):
        raise ValidationError(
            f"the DefinitionNames [{', '.join(names)}] must be different: they tell training jobs apart"
        )
    if warm:
        raise ValidationError(
            "WarmStartConfig cannot be used with TrainingJobDefinitions: warm start is for one definition"
        )
    if config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        raise ValidationError(
            "TrainingJobEarlyStoppingType must be Off with TrainingJobDefinitions: early stopping is for one definition"
        )


def _check_goals(definitions: tuple[Definition, ...]) -> None:
    goals = {one.objective["Type"] for one in definitions}
    if len(goals) > 1:
        raise ValidationError(
            "the TuningObjectives must be all Minimize or all Maximize: the best training job is chosen among all"
        )
