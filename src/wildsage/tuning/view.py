"""A tuning job with its trials, as the tuner looks at them: which questions it has for the search."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from wildsage.search.trial import Trial
from wildsage.services.sagemaker.tuning_definitions import Definition, Members, definitions_of
from wildsage.services.sagemaker.tuning_limits import resources_of
from wildsage.services.sagemaker.tuning_trials import seen
from wildsage.services.sagemaker.tuning_warm_start import IDENTICAL, parent_names
from wildsage.store.resources import Key, Resource, Resources
from wildsage.store.tuning_trials import TrialRecord, TuningTrials
from wildsage.tuning.endings import most
from wildsage.tuning.question import Question

Reports = Mapping[int, Sequence[float]]
"""What trials have reported by now, by their numbers."""


@dataclass(frozen=True, slots=True)
class Parents:
    """What the parents of a warm start tried."""

    identical: tuple[Trial, ...] = ()
    transfer: tuple[tuple[Trial, ...], ...] = ()

    @classmethod
    def of(cls, job: Resource, resources: Resources, trials: TuningTrials) -> "Parents":
        """Read the trials of a tuning job's own parents; of a parent's parents nothing is taken."""
        found = []
        for name in parent_names(job.body):
            parent = resources.get(Key(job.key.account, job.key.region, job.key.kind, name))
            if parent is not None:
                found.append(_tried(parent, trials.of(parent.key)))
        if job.body.get("WarmStartConfig", {}).get("WarmStartType") == IDENTICAL:
            return cls(identical=tuple(one for parent in found for one in parent))
        return cls(transfer=tuple(found))


@dataclass(frozen=True, slots=True)
class View:
    """A tuning job at one moment."""

    job: Resource
    records: tuple[TrialRecord, ...]
    parents: Parents = Parents()

    @property
    def config(self) -> Members:
        """``HyperParameterTuningJobConfig``."""
        members: Members = self.job.body["HyperParameterTuningJobConfig"]
        return members

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """Its training job definitions."""
        return definitions_of(self.job.body)

    @property
    def stops_early(self) -> bool:
        """Whether trials are judged while they run."""
        is_auto = self.config.get("TrainingJobEarlyStoppingType") == "Auto"
        return is_auto or self.config["Strategy"] == "Hyperband"

    @property
    def wants_convergence(self) -> bool:
        """Whether it ends when little more is expected."""
        criteria = self.config.get("TuningJobCompletionCriteria", {})
        given: str = criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence", "Disabled")
        return given == "Enabled"

    @property
    def open(self) -> list[TrialRecord]:
        """Trials that have not ended."""
        return [one for one in self.records if one.state != "ended"]

    @property
    def room(self) -> int:
        """How many trials may be planned now."""
        parallel: int = self.config["ResourceLimits"]["MaxParallelTrainingJobs"]
        return min(parallel - len(self.open), most(self.job) - len(self.records))

    def of(self, definition: Definition) -> list[TrialRecord]:
        """Return the trials of a definition, in the order in which they were planned."""
        return [one for one in self.records if one.definition == definition.name]

    def allotted(self) -> dict[str, int]:
        """Return how many of the next trials each definition gets: always the one that has the fewest."""
        counts = {one.name: len(self.of(one)) for one in self.definitions}
        limits = {one.name: one.count for one in self.definitions}
        shares = dict.fromkeys(counts, 0)
        for _ in range(self.room):
            free = [
                name for name, count in counts.items() if limits[name] is None or count < (limits[name] or 0)
            ]
            if free:
                chosen = min(free, key=lambda name: counts[name])
                counts[chosen] += 1
                shares[chosen] += 1
        return {name: share for name, share in shares.items() if share}

    def question(self, definition: Definition, reports: Reports | None = None) -> Question:
        """Return what is to be asked of the search over a definition.

        Parameters
        ----------
        reports
            Where trials are judged.
        """
        trials = (_with_reports(one, reports or {}) for one in self.of(definition))
        is_hyperband = self.config["Strategy"] == "Hyperband"
        return Question(
            strategy=self.config["Strategy"],
            ranges=definition.ranges,
            goal=definition.objective["Type"],
            seed=self._seed(definition),
            trials=tuple(trials),
            identical=self.parents.identical,
            transfer=self.parents.transfer,
            resources=resources_of(self.config, definition) if is_hyperband else (1, 1),
        )

    def trial(self, number: int, definition: str, point: Mapping[str, str], at: float) -> TrialRecord:
        """Return a new trial. Its training job's name tells it from those of a deleted tuning job of the same name."""
        job = self.job
        digest = hashlib.sha256(f"{job.arn}/{job.created_at}/{job.body['_Seed']}/{number}".encode())
        name = f"{job.key.name}-{number:03d}-{digest.hexdigest()[:8]}"
        return TrialRecord(number, definition, name, point, at)

    def _seed(self, definition: Definition) -> int:
        seed: int = self.job.body["_Seed"]
        if "TrainingJobDefinitions" not in self.job.body:
            return seed
        # Definitions with the same ranges are not to try the same points.
        return int.from_bytes(hashlib.sha256(f"{seed}/{definition.name}".encode()).digest()[:4])


def _with_reports(record: TrialRecord, reports: Reports) -> Trial:
    trial = seen(record)
    return replace(trial, reports=tuple(reports[record.number])) if record.number in reports else trial


def _tried(parent: Resource, records: Sequence[TrialRecord]) -> tuple[Trial, ...]:
    """Return a parent's trials with their static hyperparameters: what was static there may be searched now."""
    (definition,) = definitions_of(parent.body)
    return tuple(
        replace(seen(one), values={**definition.static, **one.point}) for one in records if one.outcome
    )
