"""What an algorithm declares about itself. The control plane, the container and the documentation read it.

A declaration imports neither numpy nor the algorithm's own code: `train` and `serve` are names, resolved in the
container only.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from wildsage.formats.content_types import CSV, ContentType
from wildsage.toolkit import hyperparameters
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.hyperparameters import TUNING_OBJECTIVE, Hyperparameter

InputMode = Literal["File", "Pipe", "FastFile"]
Distribution = Literal["FullyReplicated", "ShardedByS3Key"]


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
    label_sizes
        Counts of label columns that a row of CSV may have; empty: any.
    modes
        What the algorithm understands here.
    distribution
        How the objects have to come to several hosts; None: either way.
    """

    name: str
    content_types: tuple[str, ...]
    required: bool = False
    label_sizes: tuple[int, ...] = ()
    modes: tuple[InputMode, ...] = ("File", "FastFile")
    distribution: Distribution | None = None
    description: str = ""

    def refusal(self, content_type: str) -> str | None:
        """Say what is wrong with a content type that a job gives; None: the algorithm reads it."""
        subject = f"The content type '{content_type}' of channel '{self.name}'"
        try:
            found = ContentType.parse(content_type)
            if found.media_type not in self.content_types:
                return f"{subject} is not one of {_quoted(self.content_types)}"
            if found.format == CSV:
                self._check_parameters(found)
        except ValueError as error:
            return f"{subject} is not supported: {error}"
        return None

    def _check_parameters(self, content_type: ContentType) -> None:
        """Check what CSV knows: its labels and its charset."""
        size = content_type.label_size(self.label_sizes[0] if self.label_sizes else 0)
        if self.label_sizes and size not in self.label_sizes:
            raise ValueError(f"label_size must be {' or '.join(map(str, self.label_sizes))}")
        try:
            "0".encode(content_type.charset)
        except LookupError as error:
            raise ValueError(f"the charset {content_type.charset!r} is unknown: use utf-8") from error


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as the log shows it.

    Attributes
    ----------
    pattern
        Regular expression with one group, searched in each line of the log.
    goal
        What a tuning job does with it; None: it cannot be an objective.
    predictor_type
        The value of the hyperparameter of that name with which jobs report it; empty: all do.
    """

    name: str
    pattern: str
    goal: Literal["Minimize", "Maximize"] | None = None
    predictor_type: str = ""

    @property
    def channel(self) -> str:
        """The channel that it is measured on."""
        return self.name.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Sample:
    """A small job that the conformance suite runs.

    Attributes
    ----------
    hyperparameters
        As a user would send them.
    label_column
        The first column of the rows is a label.
    more
        Hyperparameters of further jobs, whose logs show metrics that the first one's does not.
    """

    hyperparameters: Mapping[str, str]
    label_column: bool = False
    more: tuple[Mapping[str, str], ...] = ()


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
        `Predictor`, mostly a `RowsPredictor`.
    log_name
        As ``#metrics`` lines call it.
    request_types, response_types
        Media types of ``/invocations``; the first response type is the default.
    response_root
        What a JSON answer calls its list.
    answer
        What one row is answered, as an example for the documentation: numbers, or lists of them, by name.
    check
        Rules between hyperparameters: raises `UserError`.
    only_with
        Hyperparameters that mean something beside another one only: that one, and its values as texts (none: any).
    sample
        For the conformance suite.
    inline_bytes
        Requests up to this size are answered on the server's own thread: for predictions that take well under
        a millisecond.
    saves_checkpoints
        It writes checkpoints to ``/opt/ml/checkpoints`` where its job wants them, and goes on from the last.
    largest
        The greatest absolute value of a feature that its mathematics takes; larger ones are refused.
    splits_by
        The hyperparameter with which a job validates on rows of its own ``train`` channel, without a ``validation``
        channel; empty: there is none.
    fixed_by_tuning
        Hyperparameters that a tuning job sets in its training jobs, unless it is told otherwise.
    early_stopping_metrics
        The objectives that are reported after each epoch, by which a tuning job may stop a training job early; None:
        all of them may be used.
    requires
        Modules that must be importable, and how to install each.
    leaves_out
        Modules that its libraries import where they find them, and that it has no use for: they would make each
        container's start longer, and are not found there.
    kernels
        ``module:function`` that loads its compiled kernels, see `wildsage.toolkit.kernels`; empty: it has none.
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
    response_root: str = "predictions"
    answer: Mapping[str, float | Sequence[float]] = field(default_factory=dict)
    check: Callable[[Mapping[str, Any]], None] | None = None
    only_with: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    inline_bytes: int = 0
    saves_checkpoints: bool = False
    largest: float = math.inf
    splits_by: str = ""
    fixed_by_tuning: Mapping[str, str] = field(default_factory=dict)
    early_stopping_metrics: tuple[str, ...] | None = None
    requires: Mapping[str, str] = field(default_factory=dict)
    leaves_out: tuple[str, ...] = ()
    kernels: str = ""

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

    def without_effect(self, values: Mapping[str, Any], given: Collection[str]) -> list[str]:
        """Return the hyperparameters that a job gives for nothing.

        Parameters
        ----------
        values
            As `validate` returns them.
        given
            Names in the job.
        """
        return [
            name
            for name, (other, texts) in self.only_with.items()
            if name in given and (other not in values or (texts and _text(values[other]) not in texts))
        ]

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
                problem = declared[name].refusal(content_type)
                problems += [problem] if problem else []
        if problems:
            raise UserError("Failed to validate input data configuration. " + "; ".join(problems))

    def validate_distributions(self, given: Mapping[str, str]) -> None:
        """Check ``S3DataDistributionType`` of the channels of a job.

        Raises
        ------
        UserError
            For another one than the channel's declaration names.
        """
        for channel in self.channels:
            found = given.get(channel.name)
            if found and channel.distribution not in {None, found}:
                sharded = ", from S3 (a file system is always fully replicated)"
                raise UserError(
                    "Failed to validate input data configuration. The S3DataDistributionType of channel "
                    f"'{channel.name}' is '{found}'; {self.title} reads it with '{channel.distribution}' only"
                    + (sharded if channel.distribution == "ShardedByS3Key" else "")
                )

    def validate_objective(self, values: Mapping[str, Any], channels: Collection[str]) -> None:
        """Check that a job of a tuning job reports the metric that this goes by.

        Parameters
        ----------
        values
            As `validate` returns them.
        channels
            Names of those that the job has.

        Raises
        ------
        UserError
            For a metric that is no objective of the algorithm, or not of a job with these hyperparameters and channels.
        """
        name = values.get(TUNING_OBJECTIVE)
        if not name:
            return
        predictor = values.get("predictor_type", "")
        objectives = {
            metric.name: metric
            for metric in self.metrics
            if metric.goal is not None and metric.predictor_type in {"", predictor}
        }
        refused = f"The value '{name}' is not valid for the '{TUNING_OBJECTIVE}' hyperparameter"
        if name not in objectives:
            of = f" with predictor_type '{predictor}'" if predictor else ""
            raise UserError(
                f"{refused}, which accepts one of the following{of}: {_quoted(list(objectives)) or 'none'}"
            )
        channel = objectives[name].channel
        if channel not in channels and not (self.splits_by and values.get(self.splits_by)):
            raise UserError(
                f"{refused}: that metric is measured on the channel '{channel}', which the job does not have. "
                f"Add the channel '{channel}', or choose another objective"
            )

    def channel(self, name: str) -> Channel:
        """Return the declaration of a channel."""
        return next(channel for channel in self.channels if channel.name == name)

    def metric_definitions(self) -> list[dict[str, str]]:
        """Metrics as ``AlgorithmSpecification.MetricDefinitions`` shows them."""
        return [{"Name": metric.name, "Regex": metric.pattern} for metric in self.metrics]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(values: Sequence[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)
