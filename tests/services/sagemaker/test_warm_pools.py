"""Warm pools: their states, who takes one over, and how they end."""

import pytest

from wildsage.core.errors import ValidationError
from wildsage.services.sagemaker.warm_pools import check_keep_alive, kept_for, warm_pool_status, with_pool
from wildsage.store.resources import Key, Resources
from wildsage.store.runs import TRAINING_JOB

PERIOD = "KeepAlivePeriodInSeconds"
USUAL = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}


class Account:
    """Training jobs that are created and ended at moments of the test's choice."""

    def __init__(self, state):
        self.state, self.resources = state, Resources(state)

    @staticmethod
    def key(name):
        return Key("123456789012", "us-west-2", TRAINING_JOB, name)

    def create(self, name, at, period=None, **changes):
        config = {**USUAL, **changes.pop("ResourceConfig", {})} | ({} if period is None else {PERIOD: period})
        body = {"RoleArn": "role", "EnableNetworkIsolation": False, **changes, "ResourceConfig": config}

        def store(transaction):
            whole = with_pool(transaction, self.key(name), body, at)
            Resources.insert(
                transaction, self.key(name), arn=f"arn:{name}", status="InProgress", at=at, body=whole
            )

        self.state.write_blocking(store)

    def end(self, name, at, status="Completed", **members):
        body = {"TrainingStartTime": at - 1, **self.job(name).body, "TrainingEndTime": at, **members}
        self.state.write_blocking(
            lambda t: Resources.transition(t, self.key(name), to=status, at=at, body=body)
        )

    def job(self, name):
        return self.resources.get(self.key(name))

    def status(self, name, at):
        return warm_pool_status(self.job(name), at)

    def update(self, name, period, at):
        body = kept_for(self.job(name), period, at)
        self.state.write_blocking(lambda t: Resources.update(t, self.key(name), at=at, body=body))

    def delete(self, name):
        self.state.write_blocking(lambda t: Resources.delete(t, self.key(name)))


@pytest.fixture
def account(state):
    return Account(state)


def test_a_pool_is_in_use_available_and_terminated(account):
    account.create("one", 100, period=60)
    assert account.status("one", 110) == {"Status": "InUse"}
    account.end("one", 200)
    assert account.status("one", 259.9) == {"Status": "Available"}
    assert account.status("one", 260) == {
        "Status": "Terminated",
        "ResourceRetainedBillableTimeInSeconds": 60,
    }


def test_a_job_without_a_period_has_no_pool(account):
    for name, period in (("one", None), ("two", 0)):
        account.create(name, 100, period=period)
        account.end(name, 200)
        assert account.status(name, 200) == {}


def test_a_job_that_matches_takes_the_pool_over(account):
    account.create("one", 100, period=60)
    account.end("one", 200)
    account.create("two", 230, period=300)
    assert account.status("one", 230) == {
        "Status": "Reused",
        "ResourceRetainedBillableTimeInSeconds": 30,
        "ReusedByJob": "two",
    }
    assert account.status("two", 230) == {"Status": "InUse"}
    account.end("two", 240)
    assert account.status("two", 539) == {"Status": "Available"}
    account.create("three", 300)
    assert account.status("two", 300)["ReusedByJob"] == "three"
    assert account.status("three", 301) == {"Status": "InUse"}
    account.end("three", 310)
    assert account.status("three", 310) == {
        "Status": "Terminated",
        "ResourceRetainedBillableTimeInSeconds": 0,
    }


@pytest.mark.parametrize(
    "other",
    [
        {"RoleArn": "another"},
        {"EnableNetworkIsolation": True},
        {"EnableInterContainerTrafficEncryption": True},
        {"VpcConfig": {"Subnets": ["s"], "SecurityGroupIds": ["g"]}},
        {"ResourceConfig": {"InstanceCount": 2}},
        {"ResourceConfig": {"InstanceType": "ml.m5.xlarge"}},
        {"ResourceConfig": {"VolumeSizeInGB": 50}},
        {"ResourceConfig": {"VolumeKmsKeyId": "key"}},
    ],
    ids=str,
)
def test_a_job_that_differs_takes_none(account, other):
    account.create("one", 100, period=60)
    account.end("one", 200)
    account.create("two", 210, **other)
    assert account.status("one", 210) == {"Status": "Available"}
    assert account.status("two", 210) == {}


def test_a_pool_that_is_used_over_or_unhealthy_is_not_taken(account):
    for name, period in (("busy", 60), ("over", 60), ("lost", 600), ("wrong", 600)):
        account.create(name, 100, period=period)
    account.end("over", 110)
    account.end("lost", 150, "Failed", FailureReason="InternalServerError: the process is gone")
    account.end("wrong", 150, "Failed", FailureReason="ClientError: no data")
    account.create("next", 180, period=60)
    assert account.status("busy", 180) == {"Status": "InUse"}
    ended = {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 0}
    assert account.status("lost", 180) == ended
    assert account.status("over", 180) == {**ended, "ResourceRetainedBillableTimeInSeconds": 60}
    assert account.status("wrong", 180)["ReusedByJob"] == "next", "a user's error leaves instances well"


def test_one_pool_has_one_successor(account):
    account.create("one", 100, period=60)
    account.end("one", 200)
    account.create("two", 210)
    account.create("three", 211)
    assert account.status("one", 212)["ReusedByJob"] == "two"
    assert account.status("three", 212) == {}


def test_a_pool_lasts_seven_days_at_most(account):
    account.create("one", 0, period=3600)
    account.end("one", 7 * 86_400 - 100)
    account.create("two", 7 * 86_400 - 50, period=3600)
    assert account.status("one", 7 * 86_400)["Status"] == "Reused"
    account.end("two", 7 * 86_400 - 10)
    account.create("three", 7 * 86_400 + 1)
    assert account.status("three", 7 * 86_400 + 2) == {}


def test_the_period_of_a_pool_that_is_available_can_be_changed(account):
    account.create("one", 100, period=60)
    with pytest.raises(ValidationError, match="and the warm pool of one is InUse"):
        account.update("one", 10, 110)
    account.end("one", 200)
    account.update("one", 600, 250)
    assert account.status("one", 799) == {"Status": "Available"}
    account.update("one", 0, 300)
    assert account.status("one", 300) == {
        "Status": "Terminated",
        "ResourceRetainedBillableTimeInSeconds": 100,
    }
    with pytest.raises(ValidationError, match="and the warm pool of one is Terminated"):
        account.update("one", 600, 301)


def test_a_job_that_was_deleted_leaves_no_pool(account):
    account.create("one", 100, period=60)
    account.end("one", 200)
    account.delete("one")
    account.create("one", 210, period=60)
    account.create("two", 211)
    assert account.status("two", 211) == {}
    assert account.status("one", 211) == {"Status": "InUse"}


@pytest.mark.parametrize(
    ("request_", "member"),
    [
        ({"EnableManagedSpotTraining": True, "ResourceConfig": {PERIOD: 60}}, "EnableManagedSpotTraining"),
        ({"ResourceConfig": {PERIOD: 60, "InstanceGroups": [{}]}}, "ResourceConfig.InstanceGroups"),
    ],
)
def test_what_cannot_have_a_pool_is_refused(request_, member):
    with pytest.raises(ValidationError, match=f"60, and warm pools cannot be used with {member}"):
        check_keep_alive(request_)
    request_["ResourceConfig"][PERIOD] = 0
    check_keep_alive(request_)
