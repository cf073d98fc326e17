"""What may be changed of a training job that is there. How jobs are made and run: tests/test_app.py, tests/jobs."""

import asyncio

import pytest

from wildsage.core.errors import ValidationError
from wildsage.services.operation import operations_of
from wildsage.services.sagemaker.common import key_of
from wildsage.services.sagemaker.training_job import TrainingJobs
from wildsage.store.resources import Resources
from wildsage.store.runs import TRAINING_JOB


@pytest.fixture
def call(state, context):
    """Call an operation on the job ``job``, which runs."""
    resources = Resources(state)
    handlers = operations_of(TrainingJobs(resources, rules=None))
    key = key_of(context, TRAINING_JOB, "job")

    def insert(transaction):
        Resources.insert(transaction, key, arn="arn:job", status="InProgress", at=1.0, body={"RoleArn": "r"})

    state.write_blocking(insert)

    def call(operation, **request):
        return asyncio.run(handlers[operation](context, {"TrainingJobName": "job", **request}))

    return call


def test_a_running_jobs_profiler_is_recorded(call):
    answer = call("UpdateTrainingJob", ProfilerConfig={"DisableProfiler": True})

    assert answer == {"TrainingJobArn": "arn:job"}
    described = call("DescribeTrainingJob")
    assert described["ProfilerConfig"] == {"DisableProfiler": True}
    assert (described["RoleArn"], described["TrainingJobStatus"]) == ("r", "InProgress")
    assert described["LastModifiedTime"] > described["CreationTime"]


def test_a_job_that_ended_cannot_be_updated(call, state, context):
    state.write_blocking(
        lambda t: Resources.transition(t, key_of(context, TRAINING_JOB, "job"), to="Completed", at=2.0)
    )

    with pytest.raises(ValidationError, match="only be updated while it is InProgress; it is Completed"):
        call("UpdateTrainingJob", ProfilerConfig={"DisableProfiler": True})
    assert "ProfilerConfig" not in call("DescribeTrainingJob")


def test_a_warm_pool_that_is_not_there_cannot_be_kept_longer(call):
    with pytest.raises(
        ValidationError, match="can be changed while a warm pool is Available, and job has no warm pool"
    ):
        call("UpdateTrainingJob", ResourceConfig={"KeepAlivePeriodInSeconds": 60})


def test_an_absent_job_is_named(call):
    with pytest.raises(ValidationError, match="Requested resource not found"):
        call("UpdateTrainingJob", TrainingJobName="other")
