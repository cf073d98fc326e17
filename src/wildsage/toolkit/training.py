"""``train``: read what the job says, run the algorithm, and end with the right exit code."""

import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

from wildsage.formats.content_types import ContentType
from wildsage.toolkit import logs
from wildsage.toolkit.channels import ChannelReader, Pipe
from wildsage.toolkit.environment import Paths, TrainingEnvironment
from wildsage.toolkit.errors import LONGEST_FAILURE, AlgorithmError, ContainerError, UserError, failure_text
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.metrics import MetricLog
from wildsage.toolkit.resolve import check_requirements, resolve
from wildsage.toolkit.spec import AlgorithmSpec


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """What an algorithm's ``train`` function gets.

    Attributes
    ----------
    hyperparameters
        Validated values, defaults filled in.
    """

    spec: AlgorithmSpec
    environment: TrainingEnvironment
    hyperparameters: Mapping[str, Any]
    metrics: MetricLog

    @property
    def paths(self) -> Paths:
        """Folders of the contract."""
        return self.environment.paths

    def channel(self, name: str) -> ChannelReader | None:
        """Return the reader of a channel; None if the job has no such channel."""
        config = self.environment.channels.get(name)
        if config is None:
            return None
        declared = self.spec.channel(name)
        if config.mode not in declared.modes:
            raise UserError(
                f"Channel '{name}' has the input mode {config.mode}; supported: {', '.join(declared.modes)}"
            )
        try:
            content_type = ContentType.parse(config.content_type or declared.content_types[0])
        except ValueError as error:
            raise UserError(f"Channel '{name}' has a malformed content type") from error
        place = self.paths.data / name
        return ChannelReader(name, place, content_type, pipe=Pipe(place) if config.mode == "Pipe" else None)

    def required_channel(self, name: str) -> ChannelReader:
        """Return the reader of a channel that validation has made sure of."""
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
    except MemoryError as error:
        hint = "Out of Memory. Please use a larger instance type or reduce batch size."
        return _fail(paths, _caused(UserError(hint), error))
    except Exception as error:  # noqa: BLE001 - the boundary of the container
        LOGGER.exception("the algorithm failed")
        return _fail(paths, _caused(AlgorithmError(f"Internal error: {error}"), error))
    return 0


def _run(spec: AlgorithmSpec, environment: TrainingEnvironment) -> None:
    LOGGER.info(
        "%s, training job %s on %s", spec.title, environment.job_name or "-", environment.current_host
    )
    LOGGER.info("Configuration of the job: %s", dict(environment.hyperparameters))
    values = spec.validate(environment.hyperparameters)
    LOGGER.info("Final configuration: %s", values)
    LOGGER.setLevel(str(values.get("_log_level", "info")).upper())
    spec.validate_channels({name: config.content_type for name, config in environment.channels.items()})
    environment.paths.model.mkdir(parents=True, exist_ok=True)
    metrics = MetricLog(environment.current_host, spec.log_name)
    entry: Callable[[TrainingRun], None] = resolve(spec.train)
    entry(TrainingRun(spec, environment, values, metrics))


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
