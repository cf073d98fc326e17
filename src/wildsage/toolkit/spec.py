"""What an algorithm declares about itself. The control plane, the container and the documentation read it.

A declaration imports neither numpy nor the algorithm's own code: `train` and `serve` are names, resolved in the
container only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from wildsage.formats.content_types import media_type
from wildsage.toolkit import hyperparameters
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.hyperparameters import Hyperparameter

InputMode = Literal["File", "Pipe", "FastFile"]


@dataclass(frozen=True, slots=True)
class Image:
    """The images of an algorithm: a repository of the registry, and its tags (empty: any)."""

    repository: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """An input channel.

    Attributes
    ----------
    content_types
        Media types without parameters; the first is read where the job gives none.
    modes
        What the algorithm understands here.
    """

    name: str
    content_types: tuple[str, ...]
    required: bool = False
    modes: tuple[InputMode, ...] = ("File", "FastFile")
    description: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as the log shows it.

    Attributes
    ----------
    pattern
        Regular expression with one group, searched in each line of the log.
    goal
        What a tuning job does with it; None: it cannot be an objective.
    """

    name: str
    pattern: str
    goal: Literal["Minimize", "Maximize"] | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A small job that the conformance suite runs.

    Attributes
    ----------
    hyperparameters
        As a user would send them.
    label_column
        The first column of the rows is a label.
    """

    hyperparameters: Mapping[str, str]
    label_column: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmSpec:
    """One built-in algorithm.

    Attributes
    ----------
    module
        The package that holds `SPEC`: ``wildsage.algorithms.kmeans``.
    images
        Where its images live; the registry finds the algorithm by them.
    train, serve
        ``module:function``. `train` takes a `TrainingRun`; `serve` takes the model's folder and returns a
        `Predictor`.
    log_name
        As ``#metrics`` lines call it.
    request_types, response_types
        Media types of ``/invocations``; the first response type is the default.
    check
        Rules between hyperparameters: raises `UserError`.
    sample
        For the conformance suite.
    inline_bytes
        Requests up to this size are answered on the server's own thread: for predictions that take well under
        a millisecond.
    requires
        Modules that must be importable, and how to install each.
    """

    name: str
    module: str
    title: str
    images: tuple[Image, ...]
    hyperparameters: tuple[Hyperparameter, ...]
    channels: tuple[Channel, ...]
    metrics: tuple[Metric, ...]
    train: str
    serve: str
    log_name: str
    request_types: tuple[str, ...]
    response_types: tuple[str, ...]
    sample: Sample
    check: Callable[[Mapping[str, Any]], None] | None = None
    inline_bytes: int = 0
    requires: Mapping[str, str] = field(default_factory=dict)

    def validate(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Turn a job's hyperparameters into values.

        Raises
        ------
        UserError
            With every mistake in it.
        """
        values = hyperparameters.validate(self.hyperparameters, given)
        if self.check is not None:
            self.check(values)
        return values

    def validate_channels(self, given: Mapping[str, str | None]) -> None:
        """Check the channels of a job: their names and media types (None: not given).

        Raises
        ------
        UserError
            For unknown or missing channels and media types that the algorithm does not read.
        """
        declared = {channel.name: channel for channel in self.channels}
        problems = []
        unknown = [name for name in given if name not in declared]
        if unknown:
            problems.append(f"Additional channels are not allowed ({_quoted(unknown)} unexpected)")
        missing = [
            channel.name for channel in self.channels if channel.required and channel.name not in given
        ]
        if missing:
            problems.append(f"{_quoted(missing)} is a required channel")
        for name, content_type in given.items():
            if name in declared and content_type is not None:
                allowed = declared[name].content_types
                if media_type(content_type) not in allowed:
                    problems.append(
                        f"The content type '{content_type}' of channel '{name}' is not one of {_quoted(allowed)}"
                    )
        if problems:
            raise UserError("Failed to validate input data configuration. " + "; ".join(problems))

    def channel(self, name: str) -> Channel:
        """Return the declaration of a channel."""
        return next(channel for channel in self.channels if channel.name == name)

    def metric_definitions(self) -> list[dict[str, str]]:
        """Metrics as ``AlgorithmSpecification.MetricDefinitions`` shows them."""
        return [{"Name": metric.name, "Regex": metric.pattern} for metric in self.metrics]


def _quoted(values: Sequence[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)
