"""What a tuning job may ask for as a whole: its strategy, its limits, when it ends.

Sources: "Resource Limits for Automatic Model Tuning", "How Hyperparameter Tuning Works", "Track and set completion
criteria for your tuning job" (SageMaker Developer Guide), `HyperbandStrategyConfig` (API reference).
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from wildsage.core.errors import ResourceLimitExceededError, ValidationError
from wildsage.search.resource import EPOCH_NAMES, most_resource
from wildsage.services.sagemaker.tuning_definitions import Definition, Members

MOST_TRAINING_JOBS: Mapping[str, int] = {"Bayesian": 750, "Random": 10_000, "Hyperband": 750, "Grid": 750}
"""Of one tuning job, by its strategy. AWS begins with 750 for Random, and raises it up to this on request."""
MOST_TUNING_JOBS = 100
"""At a time, of one account and region."""
MOST_RESOURCE = 20_000

_MOST_PARALLEL = 100
"""AWS allows 10, and raises it up to this on request."""
_JOBS = "Training Jobs"
_NAMES_OF_LIMITS = {"Bayesian": "Bayesian optimization", "Random": "Random search"}


def check_limits(config: Members, definitions: Sequence[Definition]) -> None:
    """Refuse limits and strategies that do not go together.

    Raises
    ------
    ValidationError
        Naming the member, the value and the rule.
    ResourceLimitExceededError
        If too many training jobs are asked for.
    """
    limits = config["ResourceLimits"]
    number, parallel = limits.get("MaxNumberOfTrainingJobs"), limits["MaxParallelTrainingJobs"]
    strategy = config["Strategy"]
    _check_training_jobs(strategy, number or 0)
    check_quota(
        "Number of parallel training jobs per hyperparameter tuning job", _JOBS, parallel, _MOST_PARALLEL
    )
    if "StrategyConfig" in config and strategy != "Hyperband":
        raise ValidationError(
            f"StrategyConfig is for the strategy Hyperband, and Strategy is {strategy}: leave it out"
        )
    if strategy == "Grid":
        _check_grid(number, definitions)
    else:
        _check_end(config)
        _check_combinations(number, definitions)
    if strategy == "Hyperband":
        _check_hyperband(config, definitions)
    _check_libraries(config)


def has_end(config: Members) -> bool:
    """Whether a limit or a criterion ends a tuning job that is no grid."""
    limits, criteria = config["ResourceLimits"], config.get("TuningJobCompletionCriteria", {})
    return (
        not limits.keys().isdisjoint(("MaxNumberOfTrainingJobs", "MaxRuntimeInSeconds"))
        or "TargetObjectiveMetricValue" in criteria
        or "MaxNumberOfTrainingJobsNotImproving" in criteria.get("BestObjectiveNotImproving", {})
        or _converges(config)
    )


def training_jobs(config: Members, definitions: Sequence[Definition]) -> int:
    """Return how many training jobs a tuning job may have."""
    if config["Strategy"] == "Grid":
        return sum(one.count or 0 for one in definitions)
    most = MOST_TRAINING_JOBS[config["Strategy"]]
    limit: int = config["ResourceLimits"].get("MaxNumberOfTrainingJobs", most)
    return limit


def resources_of(config: Members, definition: Definition) -> tuple[int, int]:
    """Return how much each training job of Hyperband may use at least and at most.

    Raises
    ------
    ValidationError
        If the most is said nowhere, or is less than the least.
    """
    given = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
    least, most = given.get("MinResource", 1), given.get("MaxResource") or most_resource(definition.static)
    if most is None:
        raise ValidationError(
            definition.said(
                "MaxResource parameter is not provided and could not be inferred from provided static hyperparameters"
                f" of TrainingJobDefinition. Give it in HyperbandStrategyConfig, or one of [{', '.join(EPOCH_NAMES)}]"
            )
        )
    if most > MOST_RESOURCE:
        raise ValidationError(
            definition.said(f"MaxResource [{most}] is more than {MOST_RESOURCE}: make it smaller")
        )
    if not 1 <= least <= most:
        raise ValidationError(
            definition.said(f"MinResource [{least}] must be at least 1 and at most MaxResource [{most}]")
        )
    return least, most


def check_quota(name: str, unit: str, asked: int, limit: int, used: int = 0) -> None:
    """Refuse what goes beyond a limit of the account, as SageMaker words it.

    The words: https://github.com/aws/amazon-sagemaker-examples/pull/3396 (CreateTrial). The names: the guide's.

    Raises
    ------
    ResourceLimitExceededError
        Naming the limit, what is used and what is asked for.
    """
    if used + asked > limit:
        what_to_do = "Wait for one to end, or stop one" if used else "Ask for fewer"
        raise ResourceLimitExceededError(
            f"The account-level service limit '{name}' is {limit} {unit}, with current utilization of {used} {unit}"
            f" and a request delta of {asked} {unit}. {what_to_do}"
        )


def _check_training_jobs(strategy: str, asked: int) -> None:
    kind = _NAMES_OF_LIMITS.get(strategy, strategy)
    check_quota(
        f"[{kind}] Number of training jobs per hyperparameter tuning job",
        _JOBS,
        asked,
        MOST_TRAINING_JOBS[strategy],
    )


def _check_grid(number: int | None, definitions: Sequence[Definition]) -> None:
    for one in definitions:
        others = [item.name for item in one.ranges if item.kind != "Categorical"]
        if others:
            raise ValidationError(
                one.said(
                    "The strategy Grid is for categorical ranges only, and these are none:"
                    f" [{', '.join(others)}]. List their values, or choose another strategy"
                )
            )
    combinations = sum(one.count or 0 for one in definitions)
    _check_training_jobs("Grid", combinations)
    if number is not None and number != combinations:
        raise ValidationError(
            f"MaxNumberOfTrainingJobs [{number}] must be the number of combinations of the grid, [{combinations}]:"
            " correct it or leave it out"
        )


def _check_combinations(number: int | None, definitions: Sequence[Definition]) -> None:
    counts = [one.count for one in definitions]
    known = [count for count in counts if count is not None]
    if number is not None and len(known) == len(counts) and sum(known) < number:
        raise ValidationError(
            "You don't have enough combinations of hyperparameter ranges. The total number of hyperparameter"
            f" combinations for the provided ranges [{sum(known)}] must be equal or greater than the value of"
            f" MaxNumberOfTrainingJobs, [{number}]. Provide additional ranges."
        )


def _check_end(config: Members) -> None:
    if not has_end(config):
        raise ValidationError(
            "ResourceLimits needs MaxNumberOfTrainingJobs: with the strategy"
            f" {config['Strategy']} nothing else ends this tuning job. Or give MaxRuntimeInSeconds or one of"
            " TuningJobCompletionCriteria"
        )


def _converges(config: Members) -> bool:
    criteria = config.get("TuningJobCompletionCriteria", {})
    return bool(criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence") == "Enabled")


def _check_hyperband(config: Members, definitions: Sequence[Definition]) -> None:
    if config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        raise ValidationError(
            "TrainingJobEarlyStoppingType must be Off with the strategy Hyperband, which stops training jobs by itself"
        )
    for one in definitions:
        resources_of(config, one)


def _check_libraries(config: Members) -> None:
    """Refuse what needs a library that is not installed here."""
    converges = _converges(config)
    if (config["Strategy"] == "Bayesian" or converges) and find_spec("scipy") is None:
        what = "CompleteOnConvergence" if converges else "The strategy Bayesian"
        raise ValidationError(
            f"{what} needs scipy on the server: pip install 'wildsage[tuning]', or choose Random, Grid or Hyperband"
        )
