"""``train``: read what the job says, run the algorithm, and end with the right exit code."""

import signal
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

from wildsage.formats.content_types import ContentType
from wildsage.toolkit import logs
from wildsage.toolkit.channels import Channel, ChannelReader, Pipe
from wildsage.toolkit.collective import Collective, join
from wildsage.toolkit.environment import Paths, TrainingEnvironment
from wildsage.toolkit.errors import LONGEST_FAILURE, AlgorithmError, ContainerError, UserError, failure_text
from wildsage.toolkit.hyperparameters import TUNING_OBJECTIVE
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.metrics import MetricLog
from wildsage.toolkit.resolve import check_requirements, resolve
from wildsage.toolkit.spec import AlgorithmSpec
from wildsage.toolkit.spec import Channel as ChannelSpec

_TOO_LARGE = ("array is too big", "Maximum allowed dimension exceeded")
"""What numpy says, as a ValueError, of arrays that no machine could hold."""


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """What an algorithm's ``train`` function gets.

    Attributes
    ----------
    hyperparameters
        Validated values, defaults filled in.
    channels
        Those that the job has.
    """

    spec: AlgorithmSpec
    environment: TrainingEnvironment
    hyperparameters: Mapping[str, Any]
    metrics: MetricLog
    channels: Mapping[str, Channel]

    @property
    def paths(self) -> Paths:
        """Folders of the contract."""
        return self.environment.paths

    @property
    def objective(self) -> str:
        """The metric that the job's tuning job goes by; empty: it has none."""
        return str(self.hyperparameters.get(TUNING_OBJECTIVE) or "")

    def collective(self) -> AbstractContextManager[Collective]:
        """Meet the other hosts of the job, for as long as the block lasts."""
        return join(self.environment.hosts, self.environment.current_host)

    def channel(self, name: str) -> Channel | None:
        """Return a channel; None if the job has no such channel."""
        return self.channels.get(name)

    def required_channel(self, name: str) -> Channel:
        """Return a channel that validation has made sure of."""
        channel = self.channel(name)
        if channel is None:
            raise AlgorithmError(f"channel '{name}' is not declared as required")
        return channel


def train(spec: AlgorithmSpec, environment: Mapping[str, str]) -> int:
    """Run a training job of an algorithm; returns the exit code.

    The only place where the container side catches every exception: it must tell the platform why it ends.
    """
    logs.configure()
    signal.signal(signal.SIGTERM, _stop)
    paths = Paths.from_environment(environment)
    try:
        check_requirements(spec)
        _run(spec, TrainingEnvironment.read(environment))
    except ContainerError as error:
        return _fail(paths, error)
    except Exception as error:  # noqa: BLE001 - the boundary of the container
        if _is_out_of_memory(error):
            hint = "Out of Memory. Please use a larger instance type or reduce batch size."
            return _fail(paths, _caused(UserError(hint), error))
        LOGGER.exception("the algorithm failed")
        return _fail(paths, _caused(AlgorithmError(f"Internal error: {error}"), error))
    return 0


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or (
        isinstance(error, ValueError) and str(error).startswith(_TOO_LARGE)
    )


def _run(spec: AlgorithmSpec, environment: TrainingEnvironment) -> None:
    LOGGER.info(
        "%s, training job %s on %s", spec.title, environment.job_name or "-", environment.current_host
    )
    LOGGER.info("Configuration of the job: %s", dict(environment.hyperparameters))
    values = spec.validate(environment.hyperparameters)
    LOGGER.info("Final configuration: %s", values)
    log_unused(spec, values, environment.hyperparameters)
    LOGGER.setLevel(str(values.get("_log_level", "info")).upper())
    spec.validate_channels({name: config.content_type for name, config in environment.channels.items()})
    spec.validate_distributions({name: config.distribution for name, config in environment.channels.items()})
    spec.validate_objective(values, environment.channels)
    environment.paths.model.mkdir(parents=True, exist_ok=True)
    metrics = MetricLog(environment.current_host, spec.log_name)
    channels = {name: _reader(spec.channel(name), environment, spec.largest) for name in environment.channels}
    entry: Callable[[TrainingRun], None] = resolve(spec.train)
    entry(TrainingRun(spec, environment, values, metrics, channels))


def log_unused(spec: AlgorithmSpec, values: Mapping[str, Any], given: Collection[str]) -> None:
    """Say which hyperparameters of a job mean nothing with the others."""
    unused = spec.without_effect(values, given)
    if unused:
        LOGGER.info("Without effect beside the other hyperparameters: %s", ", ".join(unused))


def _reader(declared: ChannelSpec, environment: TrainingEnvironment, largest: float) -> ChannelReader:
    name, config = declared.name, environment.channels[declared.name]
    if config.mode not in declared.modes:
        raise UserError(
            f"Channel '{name}' has the input mode {config.mode}; supported: {', '.join(declared.modes)}"
        )
    content_type = ContentType.parse(config.content_type or declared.content_types[0])
    if content_type.ignored:
        LOGGER.info("Without effect in channel '%s': %s", name, ", ".join(content_type.ignored))
    place = environment.paths.data / name
    pipe = Pipe(place) if config.mode == "Pipe" else None
    return ChannelReader(name, place, content_type, largest=largest, pipe=pipe)


def _caused(error: ContainerError, cause: BaseException) -> ContainerError:
    error.__cause__ = cause
    return error


def _fail(paths: Paths, error: ContainerError) -> int:
    text = failure_text(error)
    LOGGER.error("%s: %s", type(error).__name__, text)
    try:
        paths.output.mkdir(parents=True, exist_ok=True)
        paths.failure.write_text(text[:LONGEST_FAILURE])
    except OSError as unwritable:
        LOGGER.error("%s cannot be written: %s", paths.failure, unwritable)
    return error.exit_code


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    LOGGER.info("Stopped by the platform (SIGTERM)")
    sys.exit(128 + signal.SIGTERM)
