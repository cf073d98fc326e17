"""Everything that is known of a job or an endpoint, in one mapping: what ``wildsage explain`` shows."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wildsage.compute.plain import Plain
from wildsage.core.clock import Clock
from wildsage.core.errors import NotFoundError, ValidationError
from wildsage.core.instance_types import capacity_of
from wildsage.core.next_steps import next_step
from wildsage.core.states import is_terminal
from wildsage.jobs.history import Phase
from wildsage.jobs.kinds import KINDS, kind_of
from wildsage.jobs.training import TRAINING
from wildsage.services.members import recorded
from wildsage.services.sagemaker.endpoint_config import ENDPOINT_CONFIG
from wildsage.services.sagemaker.model import MODEL
from wildsage.services.sagemaker.tuning_trials import counters
from wildsage.serving.deployments import ENDPOINT
from wildsage.serving.placements import Placements
from wildsage.store.layout import Layout
from wildsage.store.log_groups import GroupNotFoundError
from wildsage.store.logs import LogStreams
from wildsage.store.resources import Key, Resource, Resources
from wildsage.store.run_records import RunRecords
from wildsage.store.runs import PROCESSING_JOB, TRAINING_JOB, Runs
from wildsage.store.tuning_trials import TUNING_JOB, TuningTrials
from wildsage.supervisor.folder import RunFolder
from wildsage.supervisor.kept import KeptRuns
from wildsage.supervisor.summary import summarize

_OUT_OF_TIME: Mapping[Phase, str] = {"timed_out": "MaxRuntimeExceeded", "overdue": "MaxWaitTimeExceeded"}
_TAIL_LINES = 20
_TAIL_STREAMS = 4
_SHOWN_FAILURES = 5
_KINDS = {
    "job": TRAINING_JOB,
    "processing-job": PROCESSING_JOB,
    "tuning-job": TUNING_JOB,
    "endpoint": ENDPOINT,
}


@dataclass(frozen=True, slots=True)
class Explanations:
    """Explains jobs and endpoints from what the store and the runs' folders know. Changes nothing."""

    resources: Resources
    logs: LogStreams
    layout: Layout
    clock: Clock

    async def explain(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer ``{"account", "region", "name", "kind"}``; kind is one of `_KINDS`, or absent.

        Raises
        ------
        NotFoundError
            If there is none.
        ValidationError
            If there are several and no kind is given.
        """
        found = self._find(request)
        if found.key.kind == TUNING_JOB:
            return self._of_tuning_job(found)
        return self._of_job(found) if found.key.kind in KINDS else self._of_endpoint(found)

    async def regions(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer ``{"account"}`` with the regions that have jobs or endpoints."""
        account = str(request["account"])
        return {"regions": self.resources.regions_of(account, list(_KINDS.values()))}

    def _find(self, request: Mapping[str, Any]) -> Resource:
        name, kind = str(request.get("name", "")), request.get("kind")
        wanted = [_KINDS[kind]] if kind in _KINDS else list(_KINDS.values())
        keys = [Key(str(request["account"]), str(request["region"]), one, name) for one in wanted]
        found = [one for one in map(self.resources.get, keys) if one is not None]
        if not found:
            what = "job or endpoint" if len(wanted) > 1 else wanted[0].replace("-", " ")
            raise NotFoundError(
                f"there is no {what} named {name} in {request['region']}: --region looks in another"
            )
        if len(found) > 1:
            options = " or ".join(f"--{option}" for option in _KINDS)
            raise ValidationError(f"there are several things named {name}: say which with {options}")
        return found[0]

    def _of_job(self, job: Resource) -> dict[str, Any]:
        kind, body, runs = kind_of(job.key), job.body, self._runs_of(job)
        steps = [(s["Status"], s["StartTime"], s.get("StatusMessage")) for s in body[kind.history.steps]]
        explanation = self._common(job, steps, runs, ended=is_terminal(kind.name, job.status))
        explanation["status"] = f"{job.status} ({body[kind.history.current]})"
        explanation["image"] = kind.image_uri(body)
        types = Counter(kind.cluster_of(body).instance_types)
        explanation["instances"] = [_instance(one, count, runs) for one, count in types.items()]
        explanation["recorded_only"] = _recorded(f"Create{kind.word}", body)
        explanation["log"] = self._log(job, kind.log_group, f"{job.key.name}/")
        if "ModelArtifacts" in body:
            explanation["model"] = body["ModelArtifacts"]["S3ModelArtifacts"]
        elif kind.name == PROCESSING_JOB:
            explanation["outputs"] = [delivery.uri for delivery in kind.deliveries_of(job)]
        kept = KeptRuns(self.layout.kept).newest_of({run["run_id"] for run in runs})
        if kept is not None:
            explanation["kept"] = {"path": str(kept.path), "bytes": kept.size, "has_inputs": kept.has_inputs}
        for phase, cause in _OUT_OF_TIME.items():
            if kind.history.is_at(job, phase):
                explanation["next_step"] = _step(cause, job.key.name)
        return explanation

    def _runs_of(self, job: Resource) -> list[Mapping[str, Any]]:
        """Return the records of the runs that are over, then what is known of the others."""
        over = RunRecords(self.resources.database).of(job.key)
        known = {record["run_id"] for record in over}
        return over + [
            {"attempt": run.attempt, **summarize(RunFolder(self.layout.runs / run.run_id))}
            for run in Runs(self.resources.database).of(job.key)
            if run.run_id not in known and run.state != "settled"
        ]

    def _of_tuning_job(self, job: Resource) -> dict[str, Any]:
        steps: list[tuple[str, float, str | None]] = [("InProgress", job.created_at, None)]
        steps += [(status, at, None) for status, at in self.resources.history(job.key)]
        explanation = self._common(job, steps, (), ended=is_terminal(TUNING_JOB, job.status))
        records = TuningTrials(self.resources.database).of(job.key)
        failed = [one for one in records if one.outcome is not None and one.outcome.status == "Failed"]
        explanation["status"] = job.status
        explanation["recorded_only"] = _recorded("CreateHyperParameterTuningJob", job.body)
        explanation["trials"] = counters(records)["TrainingJobStatusCounters"]
        explanation["failures"] = [
            {"job": one.training_job, "reason": one.outcome.reason}
            for one in failed[:_SHOWN_FAILURES]
            if one.outcome is not None
        ]
        explanation["log"] = self._log(job, TRAINING.log_group, f"{job.key.name}-")
        if failed and job.status == "Failed":
            step = f"look at the first one that failed: `wildsage explain {failed[0].training_job}`"
            explanation["next_step"] = {"cause": "tuning", "step": step}
        return explanation

    def _of_endpoint(self, endpoint: Resource) -> dict[str, Any]:
        steps: list[tuple[str, float, str | None]] = [("Creating", endpoint.created_at, None)]
        steps += [(status, at, None) for status, at in self.resources.history(endpoint.key)]
        database = self.resources.database
        runs = RunRecords(database).of(endpoint.key) + [
            summarize(RunFolder(self.layout.runs / placement.run_id))
            for placement in Placements(database).of(endpoint.key)
        ]
        explanation = self._common(endpoint, steps, runs, ended=False)
        explanation["status"] = endpoint.status
        explanation["config"] = endpoint.body.get("EndpointConfigName", "")
        explanation["recorded_only"] = self._recorded_of_endpoint(endpoint)
        explanation["log"] = self._log(endpoint, f"/aws/sagemaker/Endpoints/{endpoint.key.name}", "")
        return explanation

    def _recorded_of_endpoint(self, endpoint: Resource) -> list[dict[str, str]]:
        """Return the members that are only recorded: of the endpoint, its configuration and its models."""
        found = _recorded("CreateEndpoint", endpoint.body)
        config = self._sibling(endpoint, ENDPOINT_CONFIG, endpoint.body.get("EndpointConfigName", ""))
        if config is None:
            return found
        found += _recorded("CreateEndpointConfig", config.body)
        names = {variant.get("ModelName", "") for variant in config.body["ProductionVariants"]}
        for name in sorted(names):
            model = self._sibling(endpoint, MODEL, name)
            found += [] if model is None else _recorded("CreateModel", model.body)
        return found

    def _sibling(self, of: Resource, kind: str, name: str) -> Resource | None:
        return self.resources.get(Key(of.key.account, of.key.region, kind, name))

    def _common(
        self,
        resource: Resource,
        steps: Sequence[tuple[str, float, str | None]],
        runs: Sequence[Mapping[str, Any]],
        *,
        ended: bool,
    ) -> dict[str, Any]:
        end = resource.modified_at if ended else self.clock.now()
        explanation: dict[str, Any] = {
            "kind": resource.key.kind,
            "name": resource.key.name,
            "arn": resource.arn,
            "created_at": resource.created_at,
            "transitions": list(_timed(steps, end, ended=ended)),
            "runs": list(runs),
            "warnings": list(_warnings(runs)),
        }
        reason = resource.body.get("FailureReason")
        if reason:
            explanation["failure_reason"] = reason
            explanation["next_step"] = _step(reason, resource.key.name)
        return explanation

    def _log(self, resource: Resource, group_name: str, prefix: str) -> dict[str, Any]:
        try:
            group = self.logs.group(resource.key.account, resource.key.region, group_name)
            streams = self.logs.streams(group, prefix)
        except GroupNotFoundError:
            streams = []
        streams.sort(key=lambda stream: stream.last_event_ms or stream.created_at * 1000)
        newest = streams[-_TAIL_STREAMS:]
        frames = [frame for stream in newest for frame in self.logs.read_backward(stream, None, _TAIL_LINES)]
        frames.sort(key=lambda frame: frame.timestamp_ms)
        return {
            "group": group_name,
            "streams": [stream.name for stream in streams],
            "tail": [frame.message for frame in frames[-_TAIL_LINES:]],
        }


def _timed(
    steps: Sequence[tuple[str, float, str | None]], end: float, *, ended: bool
) -> Iterator[dict[str, Any]]:
    """Give each step the seconds until the next one. The last one of what has ended took no time."""
    last = steps[-1][1] if ended else end
    nexts = [*(at for _, at, _ in steps[1:]), last]
    yield from (
        {"status": status, "at": at, "seconds": round(max(0.0, following - at), 3), "message": message or ""}
        for (status, at, message), following in zip(steps, nexts, strict=True)
    )


def _step(reason: str, name: str) -> dict[str, str]:
    cause, _, written = reason.rpartition("Next step: ")
    found = next_step(cause or reason, name)
    if found.cause == "other":  # its step leads here
        return {
            "cause": found.cause,
            "step": f"look at what it left behind: `wildsage replay {name} --shell`",
        }
    return {"cause": found.cause, "step": written.rstrip(".") if cause else found.step}


def _instance(instance_type: str, count: int, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    capacity = capacity_of(instance_type)
    promised = {"vcpus": capacity.vcpus, "memory_gib": capacity.memory_gib, "gpus": capacity.gpus}
    limits: list[Mapping[str, Any]] = [
        run["limits"] for run in runs if run.get("instance_type") == instance_type and "limits" in run
    ]
    return {"type": instance_type, "count": count, **promised, "limits": limits[-1] if limits else {}}


def _recorded(operation: str, body: Mapping[str, Any]) -> list[dict[str, str]]:
    found = recorded("sagemaker", operation, body)
    return [{"member": path, "reason": reason} for path, reason in found.items()]


def _warnings(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say where a run got less than was asked for; each thing once."""
    found: dict[str, None] = {}
    for run in runs:
        image = run.get("image", {})
        promised, versions = image.get("promised"), image.get("versions", {})
        if promised and versions and promised not in versions.values():
            found[f"the image {image['name']} promises {promised}; the nearest that runs here is used"] = None
        for limit, holder in run.get("held_by", {}).items():
            if holder.startswith("not held"):
                found[f"the limit of {limit} is {holder}"] = None
        if run.get("sandbox", {}).get("name") == Plain.name:
            found["there is no sandbox on this machine: see `wildsage doctor`"] = None
        if run.get("usage", {}).get("out_of_memory"):
            found["the kernel ended a process at the memory limit"] = None
        instance_type = run.get("instance_type")
        if instance_type and capacity_of(instance_type).gpus:
            found[f"{instance_type} has GPUs on AWS; here it runs on what this machine has"] = None
        dropped = [line for line in run.get("log_tail", ()) if line.startswith("[wildsage] ")]
        found.update(dict.fromkeys(dropped))
    yield from found
