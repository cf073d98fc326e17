"""The training job definitions of a tuning job, and the ranges that are searched, as its members say them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from wildsage.store.resources import Body
from wildsage.toolkit.hyperparameters import Scale

Members = Mapping[str, Any]
RangeKind = Literal["Integer", "Continuous", "Categorical"]
RANGE_KINDS: tuple[RangeKind, ...] = ("Integer", "Continuous", "Categorical")


@dataclass(frozen=True, slots=True)
class TunedRange:
    """One hyperparameter that is searched, in the texts of its range.

    Attributes
    ----------
    low, high
        Bounds of numbers.
    values
        Choices of a categorical range.
    """

    name: str
    kind: RangeKind
    low: str = ""
    high: str = ""
    scale: Scale = "Auto"
    values: tuple[str, ...] = ()

    @property
    def count(self) -> int | None:
        """How many values it has; None: not to be counted."""
        if self.kind == "Categorical":
            return len(self.values)
        return int(self.high) - int(self.low) + 1 if self.kind == "Integer" else None

    @property
    def ends(self) -> tuple[str, ...]:
        """The texts that are given: of its bounds, or of all choices."""
        return self.values or (self.low, self.high)


@dataclass(frozen=True, slots=True)
class Definition:
    """What the training jobs of a tuning job are like.

    Attributes
    ----------
    name
        Empty where a tuning job has but one and gave it none.
    members
        ``HyperParameterTrainingJobDefinition``.
    objective
        ``HyperParameterTuningJobObjective``.
    ranges
        What is searched.
    """

    name: str
    members: Members
    objective: Members
    ranges: tuple[TunedRange, ...]

    @property
    def static(self) -> Mapping[str, str]:
        """The hyperparameters that are the same for all."""
        given: Mapping[str, str] = self.members.get("StaticHyperParameters", {})
        return given

    @property
    def image(self) -> str:
        """The image's URI; empty where there is none."""
        return str(self.members["AlgorithmSpecification"].get("TrainingImage", ""))

    @property
    def count(self) -> int | None:
        """How many points there are; None: not to be counted."""
        counts = [one.count for one in self.ranges if one.count is not None]
        return prod(counts) if len(counts) == len(self.ranges) else None

    def said(self, text: str) -> str:
        """Return a text of an error, which names this definition where there are several."""
        return f"TrainingJobDefinition {self.name!r}: {text}" if self.name else text


def definitions_of(body: Body) -> tuple[Definition, ...]:
    """Return the definitions of a tuning job, or of a request that has been checked for having them."""
    config = body["HyperParameterTuningJobConfig"]
    several = body.get("TrainingJobDefinitions")
    if several:
        return tuple(
            Definition(
                one["DefinitionName"], one, one["TuningObjective"], ranges_of(one["HyperParameterRanges"])
            )
            for one in several
        )
    one = body["TrainingJobDefinition"]
    objective = config.get("HyperParameterTuningJobObjective") or one["TuningObjective"]
    given = config.get("ParameterRanges") or one.get("HyperParameterRanges", {})
    return (Definition(one.get("DefinitionName", ""), one, objective, ranges_of(given)),)


def ranges_of(given: Members) -> tuple[TunedRange, ...]:
    """Return the ranges of ``ParameterRanges``: whole numbers first, then numbers, then choices."""
    found = []
    for kind in RANGE_KINDS:
        found += [_range(kind, one) for one in given.get(f"{kind}ParameterRanges", ())]
    return tuple(found)


def members_of(ranges: Sequence[TunedRange]) -> dict[str, list[dict[str, Any]]]:
    """Return ranges as ``ParameterRanges`` has them."""
    members: dict[str, list[dict[str, Any]]] = {}
    for one in ranges:
        if one.kind == "Categorical":
            said: dict[str, Any] = {"Name": one.name, "Values": list(one.values)}
        else:
            said = {
                "Name": one.name,
                "MinValue": one.low,
                "MaxValue": one.high,
                "ScalingType": one.scale,
            }
        members.setdefault(f"{one.kind}ParameterRanges", []).append(said)
    return members


def completed_ranges(given: Members) -> dict[str, Any]:
    """Return ``ParameterRanges`` as Describe shows them: all kinds, and the scale of each range of numbers."""
    return {**given, **{f"{kind}ParameterRanges": [] for kind in RANGE_KINDS}, **members_of(ranges_of(given))}


def training_request(definition: Definition, name: str, point: Mapping[str, str]) -> dict[str, Any]:
    """Return the request that creates the training job of a trial."""
    members = definition.members
    specification = dict(members["AlgorithmSpecification"])
    request = {member: members[member] for member in _SHARED if member in members}
    request["TrainingJobName"] = name
    request["AlgorithmSpecification"] = specification
    request["HyperParameters"] = {**definition.static, **point}
    request["ResourceConfig"] = resources_of(members)
    if "CheckpointConfig" in request:
        # A training job goes on from what it finds there: not from the checkpoints of another trial.
        config = request["CheckpointConfig"]
        request["CheckpointConfig"] = {**config, "S3Uri": f"{config['S3Uri'].rstrip('/')}/{name}"}
    return request


_SHARED = (
    "RoleArn",
    "InputDataConfig",
    "VpcConfig",
    "OutputDataConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "RetryStrategy",
    "Environment",
)
"""Members that a definition and a training job have alike."""


def resources_of(members: Members) -> Members:
    """Return ``ResourceConfig``: of several instance configurations the first, for all are available here."""
    flexible = members.get("HyperParameterTuningResourceConfig")
    if flexible is None:
        given: Members = members.get("ResourceConfig", {})
        return {name: value for name, value in given.items() if name != "KeepAlivePeriodInSeconds"}
    chosen = flexible.get("InstanceConfigs", [flexible])[0]
    config = {name: chosen[name] for name in ("InstanceType", "InstanceCount") if name in chosen}
    volume = chosen.get("VolumeSizeInGB", flexible.get("VolumeSizeInGB"))
    if volume:
        config["VolumeSizeInGB"] = volume
    if "VolumeKmsKeyId" in flexible:
        config["VolumeKmsKeyId"] = flexible["VolumeKmsKeyId"]
    return config


def _range(kind: RangeKind, given: Members) -> TunedRange:
    if kind == "Categorical":
        return TunedRange(given["Name"], kind, values=tuple(given["Values"]))
    scale = given.get("ScalingType", "Auto")
    return TunedRange(given["Name"], kind, given["MinValue"], given["MaxValue"], scale)
