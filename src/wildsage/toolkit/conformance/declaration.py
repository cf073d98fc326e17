"""What holds for an algorithm's package and for what it declares."""

import doctest
import importlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from wildsage.toolkit.conformance.samples import sample_channels
from wildsage.toolkit.conformance.trained import TrainedAlgorithm
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.estimator import Estimator
from wildsage.toolkit.hyperparameters import (
    TUNING_OBJECTIVE,
    Boolean,
    Categorical,
    ChoiceList,
    Continuous,
    Hyperparameter,
    HyperparameterError,
    Integer,
    IntegerTuple,
    Text,
)
from wildsage.toolkit.local import Files, LocalContainer
from wildsage.toolkit.spec import AlgorithmSpec, Metric


def estimator_of(module: str) -> type[Estimator]:
    """Return the class on arrays that an algorithm's package gives.

    Raises
    ------
    LookupError
        If it gives none.
    """
    package = importlib.import_module(module)
    for found in vars(package).values():
        if isinstance(found, type) and issubclass(found, Estimator) and found is not Estimator:
            return found
    raise LookupError(f"{module} has no class on arrays: a subclass of Estimator")


def refused_values(item: Hyperparameter) -> Iterator[str]:
    """Yield texts outside a declaration: of another kind, and beside each bound; none of a free text."""
    if isinstance(item, Text):
        return
    yield "no such value"
    if isinstance(item, Integer):
        yield from ("1.5", "1_0")
        yield from (str(bound) for bound in _beside(item.low, item.high))
    elif isinstance(item, Continuous):
        yield from ("nan", "inf")
        yield from (str(bound) for bound in _beside(item.low, item.high))
        yield from (str(item.low),) if item.low_open else ()
        yield from (str(item.high),) if item.high_open else ()
    elif isinstance(item, Categorical):
        yield f"{item.choices[-1]}, {item.choices[0]}"
    elif isinstance(item, ChoiceList):
        yield from ("[]", "[1]", '["no such value"]', "[")
    elif isinstance(item, IntegerTuple):
        yield from ("()(", '["1"]', "{}")
    elif isinstance(item, Boolean):
        yield "2"


def objectives_of(spec: AlgorithmSpec) -> Iterator[tuple[Metric, dict[str, str]]]:
    """Yield each metric that a tuning job may go by, and a sample that reports it, as this job's training job."""
    for metric in spec.metrics:
        if metric.goal is not None:
            yield metric, _tuned_sample(spec, metric)


def _tuned_sample(spec: AlgorithmSpec, metric: Metric) -> dict[str, str]:
    for sample in (spec.sample.hyperparameters, *spec.sample.more):
        job = {**sample, TUNING_OBJECTIVE: metric.name}
        with suppress(UserError):
            spec.validate_objective(spec.validate(job), [channel.name for channel in spec.channels])
            return job
    raise LookupError(f"no sample reports {metric.name}: add one that does")


def _beside(low: float | None, high: float | None) -> Iterator[float]:
    if low is not None:
        yield low - 1
    if high is not None:
        yield high + 1


def _parsed(item: Hyperparameter, text: str, declared_as: str) -> Any:
    """Return what a text that is itself part of a declaration means there."""
    try:
        return item.parse(text)
    except HyperparameterError as error:
        raise AssertionError(f"{declared_as} of '{item.name}' is outside of its rule: {error}") from None


class DeclarationConformance(TrainedAlgorithm):
    """Names, defaults, rules and ranges; what is declared as wrong is refused by a job."""

    def test_the_examples_of_the_package_are_true(self) -> None:
        """Its docstrings hold examples, which give what they show."""
        assert doctest.testmod(importlib.import_module(self.module)).failed == 0

    def test_the_declaration_names_its_package(self, spec: AlgorithmSpec) -> None:
        """By that name its page, its container and its class find it."""
        assert spec.module == self.module

    def test_names_are_unique(self, spec: AlgorithmSpec) -> None:
        """No name or alias means two things."""
        names = [name for item in spec.hyperparameters for name in (item.name, *item.aliases)]
        assert len(names) == len(set(names))

    def test_defaults_are_valid(self, spec: AlgorithmSpec) -> None:
        """A default, sent as text, is accepted and means itself."""
        for item in spec.hyperparameters:
            if item.default is not None:
                text = item.default if isinstance(item.default, str) else json.dumps(item.default)
                assert _parsed(item, text, "the default") == item.default, item.name

    def test_the_samples_are_valid(self, spec: AlgorithmSpec) -> None:
        """They pass the declaration's own validation."""
        for hyperparameters in (spec.sample.hyperparameters, *spec.sample.more):
            assert spec.validate(hyperparameters)

    def test_all_is_described(self, spec: AlgorithmSpec) -> None:
        """The documentation is generated from it."""
        assert [item.name for item in spec.hyperparameters if not item.hidden and not item.description] == []
        assert [channel.name for channel in spec.channels if not channel.description] == []

    def test_tunable_ranges_are_within_the_declaration(self, spec: AlgorithmSpec) -> None:
        """A tuning job cannot propose what training refuses. Of numbers, it needs a range."""
        for item in spec.hyperparameters:
            if item.tunable is not None and isinstance(item, Integer | Continuous):
                for bound in (item.tunable.low, item.tunable.high):
                    assert bound is not None, f"'{item.name}' is a number: give Tunable(low, high)"
                    assert _parsed(item, str(bound), "the tunable range") == bound, item.name

    def test_what_tuning_relies_on_is_declared(self, spec: AlgorithmSpec) -> None:
        """What a tuning job fixes is a hyperparameter with that value; what it stops early by, an objective."""
        declared = {item.name: item for item in spec.hyperparameters}
        for name, text in spec.fixed_by_tuning.items():
            declared[name].parse(text)
        objectives = {metric.name for metric in spec.metrics if metric.goal is not None}
        assert objectives >= {*(spec.early_stopping_metrics or ())}

    def test_what_hyperparameters_depend_on_is_declared(self, spec: AlgorithmSpec) -> None:
        """What means something beside another one only names a value that this one may have."""
        declared = {item.name: item for item in spec.hyperparameters}
        for name, (other, texts) in spec.only_with.items():
            assert name in declared
            for text in texts:
                declared[other].parse(text)

    # A job that breaks a rule ends before it reads data.

    def test_each_bad_hyperparameter_is_a_client_error_that_names_it(
        self, spec: AlgorithmSpec, tmp_path: Path
    ) -> None:
        """Exit code 2, and a failure file with the name, the value and the rule."""
        container = LocalContainer(self.module, tmp_path)
        for item in spec.hyperparameters:
            for text in refused_values(item):
                failure = self._refused(container, spec, {**spec.sample.hyperparameters, item.name: text})
                assert f"The value '{text}' is not valid for the '{item.name}' hyperparameter" in failure
        assert not list(tmp_path.glob("model/*"))

    def test_an_objective_that_no_line_will_show_is_a_client_error(
        self, spec: AlgorithmSpec, tmp_path: Path
    ) -> None:
        """Of a tuning job: a metric that the algorithm does not have, and one whose channel the job lacks."""
        container = LocalContainer(self.module, tmp_path)
        least = {name: files for name, files in sample_channels(spec).items() if spec.channel(name).required}
        refused = "The value '{}' is not valid for the '_tuning_objective_metric' hyperparameter"
        unknown = {**spec.sample.hyperparameters, TUNING_OBJECTIVE: "test:colour"}
        assert refused.format("test:colour") in self._refused(container, spec, unknown)
        for metric, job in objectives_of(spec):
            failure = self._refused(container, spec, job, least)
            assert refused.format(metric.name) in failure
            assert f"Add the channel '{metric.channel}'" in failure

    def test_an_unknown_hyperparameter_is_a_client_error(self, spec: AlgorithmSpec, tmp_path: Path) -> None:
        """In the words of AWS."""
        container = LocalContainer(self.module, tmp_path)
        failure = self._refused(container, spec, {**spec.sample.hyperparameters, "colour": "blue"})
        assert "Additional hyperparameters are not allowed ('colour' was unexpected)" in failure

    def test_a_missing_hyperparameter_is_a_client_error(self, spec: AlgorithmSpec, tmp_path: Path) -> None:
        """Each that is required, by itself."""
        container = LocalContainer(self.module, tmp_path)
        for item in spec.hyperparameters:
            if item.required:
                rest = {name: text for name, text in spec.sample.hyperparameters.items() if name != item.name}
                assert f"No value(s) were specified for '{item.name}'" in self._refused(container, spec, rest)

    @staticmethod
    def _refused(
        container: LocalContainer,
        spec: AlgorithmSpec,
        hyperparameters: Mapping[str, str],
        channels: Mapping[str, Files] | None = None,
    ) -> str:
        container.prepare(hyperparameters, sample_channels(spec) if channels is None else channels)
        container.paths.failure.unlink(missing_ok=True)
        code, log = container.train_here()
        assert code == UserError.exit_code, f"{hyperparameters}: {log}"
        return container.failure
