"""Envelopes: every kind that is reported has one."""

import pytest

from wildsage.core.states import STATES
from wildsage.services.events.envelope import envelope
from wildsage.store.events import DETAIL_TYPES, Event


def event(kind, status, body=None):
    subject = {
        "kind": kind, "name": "n", "arn": f"arn:aws:sagemaker:r:1:{kind}/n", "status": status, "created_at": 1.5,
        "tags": {},
    }  # fmt: skip
    return Event(7, "1", "r", "default", 2.0, "aws.sagemaker", DETAIL_TYPES[kind], subject, body or {})


@pytest.mark.parametrize("kind", DETAIL_TYPES)
def test_every_kind_has_its_name_its_arn_and_milliseconds(kind):
    detail = envelope(event(kind, ""))["detail"]
    assert "n" in detail.values()
    assert f"arn:aws:sagemaker:r:1:{kind}/n" in detail.values()
    assert detail["CreationTime"] == 1500


def test_every_kind_of_sagemaker_that_has_a_status_is_reported():
    assert STATES.keys() - {"alarm"} <= DETAIL_TYPES.keys()


@pytest.mark.parametrize(
    ("status", "shown"),
    [("InService", "IN_SERVICE"), ("UpdateRollbackFailed", "UPDATE_ROLLBACK_FAILED"), ("Deleted", "DELETED")],
)
def test_the_status_of_an_endpoint_is_written_as_aws_does(status, shown):
    assert envelope(event("endpoint", status))["detail"]["EndpointStatus"] == shown


def test_only_times_become_milliseconds():
    body = {
        "HyperParameters": {"Time": "3"},
        "FinalMetricDataList": [{"MetricName": "a", "Value": 0.5, "Timestamp": 3.25}],
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "_ImageKind": "private",
    }
    detail = envelope(event("training-job", "Completed", body))["detail"]
    assert detail["HyperParameters"] == {"Time": "3"}
    assert detail["FinalMetricDataList"] == [{"MetricName": "a", "Value": 0.5, "Timestamp": 3250}]
    assert detail["StoppingCondition"] == {"MaxRuntimeInSeconds": 60}
    assert detail["LastModifiedTime"] == 2000
    assert "_ImageKind" not in detail
