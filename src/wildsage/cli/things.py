"""What commands show, follow and end: jobs of each kind, and endpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Thing:
    """One kind of thing, and how a client of SageMaker asks for it.

    Attributes
    ----------
    option
        Says that it is meant where others have the same name: ``--job``.
    noun
        What people call one.
    word
        Begins its members: ``TrainingJob`` of ``TrainingJobName``.
    method
        Ends the client's methods: ``training_job`` of ``describe_training_job``.
    summaries
        The member of a list's page.
    ending
        The method that ends one.
    group, prefix
        Its log group, and how the names of its streams begin; ``{name}`` is the thing. Empty: it has no log.
    """

    option: str
    noun: str
    word: str
    method: str
    summaries: str
    ending: str
    group: str
    prefix: str = "{name}/"

    @property
    def kind(self) -> str:
        """As ARNs have it."""
        return self.noun.replace(" ", "-")

    def describe(self, sagemaker: Any, name: str) -> Any:
        """Describe one."""
        return getattr(sagemaker, f"describe_{self.method}")(**{f"{self.word}Name": name})

    def end(self, sagemaker: Any, name: str) -> None:
        """Stop or delete one."""
        getattr(sagemaker, self.ending)(**{f"{self.word}Name": name})


THINGS = (
    Thing(
        "job", "training job", "TrainingJob", "training_job", "TrainingJobSummaries", "stop_training_job",
        "/aws/sagemaker/TrainingJobs",
    ),
    Thing(
        "processing-job", "processing job", "ProcessingJob", "processing_job", "ProcessingJobSummaries",
        "stop_processing_job", "/aws/sagemaker/ProcessingJobs",
    ),
    Thing(
        "tuning-job", "hyper-parameter tuning job", "HyperParameterTuningJob", "hyper_parameter_tuning_job",
        "HyperParameterTuningJobSummaries", "stop_hyper_parameter_tuning_job", "",
    ),
    Thing(
        "endpoint", "endpoint", "Endpoint", "endpoint", "Endpoints", "delete_endpoint",
        "/aws/sagemaker/Endpoints/{name}", prefix="",
    ),
)  # fmt: skip


def choices(things: Sequence[Thing] = THINGS) -> str:
    """Say with which options one of them is meant."""
    return " or ".join(f"--{thing.option}" for thing in things)
