"""Holds the platform to the ledger once the storm is over."""

from collections.abc import Iterator

from tests.faults.platform import TERMINAL, Platform, until
from tests.faults.soak.clients import digest_of
from tests.faults.soak.ledger import Ledger

_LONGEST_END_SECONDS = 300.0


def check(platform: Platform, ledger: Ledger) -> list[str]:
    """Return every promise that was broken."""
    return [
        *ledger.violations,
        *_jobs(platform, ledger),
        *_objects(platform, ledger),
        *_endpoint(platform, ledger),
        *_leftovers(platform),
    ]


def _listed(platform: Platform) -> dict[str, str]:
    pages = platform.client("sagemaker").get_paginator("list_training_jobs").paginate()
    return {
        job["TrainingJobName"]: job["TrainingJobStatus"]
        for page in pages
        for job in page["TrainingJobSummaries"]
    }


def _jobs(platform: Platform, ledger: Ledger) -> Iterator[str]:
    """Every accepted job is there and ended, once; one that nothing touched completed, whole."""
    until(lambda: set(_listed(platform).values()) <= TERMINAL, _LONGEST_END_SECONDS, pause=0.5)
    found = _listed(platform)
    for name in sorted(ledger.jobs - found.keys()):
        yield f"job {name} was accepted and is gone"
    for name in sorted(found.keys() - ledger.jobs - ledger.unsure_jobs):
        yield f"job {name} was never created"
    for name, status in found.items():
        if ledger.terminal.get(name, status) != status:
            yield f"job {name} was {ledger.terminal[name]} and is {status}"
        if name not in ledger.disturbed_jobs:
            if status != "Completed":
                yield f"job {name} is {status} and nothing touched it: {platform.job(name).get('FailureReason')}"
                continue
            try:
                platform.assert_ran_once(name, ledger.steps[name])
            except AssertionError as error:
                yield f"job {name} did not run once: {error}"
        elif status == "Failed" and not platform.job(name).get("FailureReason"):
            yield f"job {name} failed without a reason"


def _objects(platform: Platform, ledger: Ledger) -> Iterator[str]:
    """Every object reads as its last acknowledged upload, or as one that nobody was told of."""
    for key, allowed in ledger.objects.items():
        found = digest_of(platform, key)
        if found not in allowed:
            yield f"object {key} reads as {found or 'absent'}, of {sorted(allowed)}"


def _endpoint(platform: Platform, ledger: Ledger) -> Iterator[str]:
    """It serves with all its workers; a killed worker failed at most the invocation that it had."""
    until(lambda: platform.endpoint_status() == "InService", 30)
    until(lambda: len(platform.supervisors()) == 2, 30)
    if not platform.invoke():
        yield "the endpoint answers with nothing"
    kills = sum(kill.what.startswith("endpoint's") for kill in ledger.kills)
    answers = [failure for failure in ledger.failures if failure.is_answer]
    if len(answers) > kills:
        yield f"{len(answers)} invocations failed at {kills} kills of workers, the last: {answers[-1].text}"
    downs = [(kill.at, kill.back) for kill in ledger.kills if kill.back]
    for failure in ledger.failures:
        if not failure.is_answer and not any(
            failure.began <= back and failure.ended >= at for at, back in downs
        ):
            yield f"an invocation lost its connection while the server lived: {failure.text}"


def _leftovers(platform: Platform) -> Iterator[str]:
    """No run is open, and both databases are sound."""
    unsettled = platform.rows("state.db", "SELECT run_id FROM job_run WHERE state <> 'settled'")
    yield from (f"run {row['run_id']} is not settled" for row in unsettled)
    for database in ("state.db", "telemetry.db"):
        said = platform.rows(database, "PRAGMA integrity_check")[0][0]
        if said != "ok":
            yield f"{database}: {said}"
