"""A simple model of what a platform holds, and a machine that drives both and compares them.

The model knows names alone: which resources were acknowledged and not taken back. What the platform says of a
status is held against the transition table, from the last status that was seen.
"""

from collections import defaultdict
from typing import Any

from botocore.exceptions import ClientError
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from wildsage.core.errors import ServiceError
from wildsage.core.states import STATES

NAMES = st.sampled_from(["a", "b", "c"])
ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
ENDED = frozenset({"Completed", "Failed", "Stopped"})


class RefusedError(Exception):
    """The platform said no: code and text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


class LostError(Exception):
    """Nobody knows whether the request was carried out."""


def reachable(kind: str) -> dict[str, set[str]]:
    """Return which statuses may be seen after each, however many steps were missed."""
    found = {status: {status} for status in STATES[kind]}
    for _ in STATES[kind]:
        for seen in found.values():
            seen |= {step for status in list(seen) for step in STATES[kind][status]}
    return found


REACHABLE = {kind: reachable(kind) for kind in STATES}

KINDS = {
    "training-job": ("TrainingJob", "TrainingJobSummaries", "TrainingJobStatus"),
    "model": ("Model", "Models", None),
    "endpoint-config": ("EndpointConfig", "EndpointConfigs", None),
    "endpoint": ("Endpoint", "Endpoints", "EndpointStatus"),
}
"""Operation's noun, member of the list, member of the status."""


class PlatformMachine(RuleBasedStateMachine):
    """Drives a platform. A subclass says how to call and to restart it."""

    image = "fault:1"

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, set[str]] = {kind: set() for kind in KINDS}
        self.seen: dict[str, dict[str, str]] = defaultdict(dict)
        self.unknown: set[tuple[str, str]] = set()

    # What a subclass has

    def call(self, operation: str, **members: Any) -> dict[str, Any]:
        """Call the platform. Raises `RefusedError` or `LostError`."""
        raise NotImplementedError

    def restart(self) -> None:
        """End the server and start another one on the same data directory."""
        raise NotImplementedError

    # Helpers of the rules

    def refusal(self, operation: str, **members: Any) -> RefusedError | None:
        """Call the platform; return why it refused, None where it did not."""
        try:
            self.call(operation, **members)
        except RefusedError as error:
            return error
        return None

    def create(self, kind: str, name: str, code: str, **members: Any) -> None:
        noun = KINDS[kind][0]
        try:
            refusal = self.refusal(f"Create{noun}", **{f"{noun}Name": name}, **members)
        except LostError:
            self.unknown.add((kind, name))
            return
        assert (refusal is not None) == (name in self.names[kind]), refusal
        if refusal is None:
            self.names[kind].add(name)
            self.seen[kind].pop(name, None)
        else:
            assert refusal.code == code, refusal

    def describe(self, kind: str, name: str) -> dict[str, Any] | None:
        noun = KINDS[kind][0]
        try:
            return self.call(f"Describe{noun}", **{f"{noun}Name": name})
        except RefusedError as error:
            if "not found" in error.text or "Could not find" in error.text:
                return None
            raise

    def saw(self, kind: str, name: str, status: str) -> None:
        last = self.seen[kind].get(name)
        assert last is None or status in REACHABLE[kind][last], f"{kind} {name}: {last} became {status}"
        self.seen[kind][name] = status

    def forget(self, kind: str, name: str) -> None:
        self.names[kind].discard(name)
        self.seen[kind].pop(name, None)

    def delete_record(self, kind: str, name: str) -> None:
        noun = KINDS[kind][0]
        refusal = self.refusal(f"Delete{noun}", **{f"{noun}Name": name})
        assert (refusal is None) == (name in self.names[kind]), refusal
        self.forget(kind, name)

    # Training jobs

    @rule(name=NAMES, hold=st.booleans())
    def create_job(self, name: str, *, hold: bool) -> None:
        self.create("training-job", name, "ResourceInUse", **self.job_members(hold=hold))

    def job_members(self, *, hold: bool) -> dict[str, Any]:
        return {
            "AlgorithmSpecification": {"TrainingImage": self.image, "TrainingInputMode": "File"},
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": "s3://out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "Environment": {"HOLD": "1"} if hold else {},
        }

    @rule(name=NAMES)
    def stop_job(self, name: str) -> None:
        refusal = self.refusal("StopTrainingJob", TrainingJobName=name)
        if refusal is None:
            assert name in self.names["training-job"]
            self.saw("training-job", name, "Stopping")
        elif name in self.names["training-job"]:
            job = self.describe("training-job", name)
            assert job is not None
            assert job["TrainingJobStatus"] in ENDED, refusal

    @rule(name=NAMES)
    def delete_job(self, name: str) -> None:
        last = self.seen["training-job"].get(name)
        refusal = self.refusal("DeleteTrainingJob", TrainingJobName=name)
        if refusal is None:
            assert name in self.names["training-job"]
            self.forget("training-job", name)
        elif name in self.names["training-job"]:
            assert refusal.code == "ResourceInUse"
            assert last not in ENDED, refusal

    # Models and configurations

    @rule(name=NAMES)
    def create_model(self, name: str) -> None:
        container = {"Image": self.image}
        self.create("model", name, "ValidationException", ExecutionRoleArn=ROLE, PrimaryContainer=container)

    @rule(name=NAMES)
    def delete_model(self, name: str) -> None:
        self.delete_record("model", name)

    @rule(name=NAMES, model=NAMES)
    def create_config(self, name: str, model: str) -> None:
        variant = {
            "VariantName": "v", "ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1,
            "InitialVariantWeight": 1.0,
        }  # fmt: skip
        if model in self.names["model"]:
            self.create("endpoint-config", name, "ValidationException", ProductionVariants=[variant])

    @rule(name=NAMES)
    def delete_config(self, name: str) -> None:
        self.delete_record("endpoint-config", name)

    # Endpoints

    @precondition(lambda self: self.names["endpoint-config"])
    @rule(name=NAMES, data=st.data())
    def create_endpoint(self, name: str, data: Any) -> None:
        config = data.draw(st.sampled_from(sorted(self.names["endpoint-config"])))
        self.notice_gone()
        refusal = self.refusal("CreateEndpoint", EndpointName=name, EndpointConfigName=config)
        if refusal is not None:
            # It may be there, or its configuration names a model that was deleted meanwhile.
            assert name in self.names["endpoint"] or "Could not find model" in refusal.text, refusal
        else:
            # One that was deleted may have gone between the look and the call.
            assert name not in self.names["endpoint"] or self.seen["endpoint"].get(name) == "Deleting"
            self.forget("endpoint", name)
            self.names["endpoint"].add(name)

    @rule(name=NAMES)
    def delete_endpoint(self, name: str) -> None:
        refusal = self.refusal("DeleteEndpoint", EndpointName=name)
        if refusal is None:
            assert name in self.names["endpoint"]
            self.saw("endpoint", name, "Deleting")
        else:
            going = self.seen["endpoint"].get(name) == "Deleting"
            assert name not in self.names["endpoint"] or going, refusal

    def notice_gone(self) -> None:
        """An endpoint that is deleted goes by itself; any other stays."""
        for name in sorted(self.names["endpoint"]):
            found = self.describe("endpoint", name)
            if found is None:
                assert self.seen["endpoint"].get(name) == "Deleting", f"endpoint {name} is lost"
                self.forget("endpoint", name)
            else:
                self.saw("endpoint", name, found["EndpointStatus"])

    # The platform

    @rule()
    def restarts(self) -> None:
        self.restart()

    def settle_unknown(self) -> None:
        """Of what nobody was told, either outcome is right; from now on it is known."""
        for kind, name in sorted(self.unknown):
            if self.describe(kind, name) is not None:
                self.names[kind].add(name)
        self.unknown.clear()

    @invariant()
    def exactly_what_was_acknowledged_is_there(self) -> None:
        self.settle_unknown()
        self.notice_gone()
        for kind, (noun, member, status) in KINDS.items():
            listed = self.call(f"List{noun}s", MaxResults=100)[member]
            found = {item[f"{noun}Name"]: item for item in listed}
            going = {name for name, last in self.seen[kind].items() if last == "Deleting"}
            assert found.keys() | going == self.names[kind], f"{kind}: {sorted(found)}"
            for name, item in found.items():
                described = self.describe(kind, name)
                if described is None:
                    assert name in going
                    continue
                assert described[f"{noun}Arn"] == item[f"{noun}Arn"]
                assert described["CreationTime"] == item["CreationTime"]
                if status is not None:
                    self.saw(kind, name, item[status])
                    self.saw(kind, name, described[status])

    @initialize()
    def begins_empty(self) -> None:
        assert all(not names for names in self.names.values())


def refused(error: ServiceError | ClientError) -> RefusedError:
    """Return either kind of error in one shape."""
    if isinstance(error, ServiceError):
        return RefusedError(error.code, error.message)
    return RefusedError(error.response["Error"]["Code"], error.response["Error"]["Message"])
