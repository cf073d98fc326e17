"""SageMaker Python SDK v2 and v3: functions run as jobs, and their results and errors come back."""

import json
import sys
import time
from pathlib import Path

import boto3
import numpy as np

try:
    from sagemaker.core.helper.session_helper import Session, get_execution_role
    from sagemaker.core.remote_function import CustomFileFilter, RemoteExecutor, remote
except ImportError:
    from sagemaker import Session, get_execution_role
    from sagemaker.remote_function import CustomFileFilter, RemoteExecutor, remote

settings = {
    "instance_type": "ml.m5.large",
    "role": "arn:aws:iam::123456789012:role/service-role/MySageMakerRole",
    "sagemaker_session": Session(boto3.Session(region_name="us-west-2")),
}
bucket = settings["sagemaker_session"].default_bucket()


class NoFitError(Exception):
    def __init__(self, loss):
        super().__init__(loss)
        self.loss = loss


@remote(
    **settings,
    dependencies="requirements.txt",
    include_local_workdir=True,
    custom_file_filter=CustomFileFilter(ignore_name_patterns=["*.txt"]),
    pre_execution_commands=["echo made before the function > prepared.txt"],
    environment_variables={"UNIT": "inch"},
)
def convert(values, scale):
    import os
    from pathlib import Path

    import ruler
    import tinywheel

    print("converting", len(values), "values")
    said = {
        "tinywheel": tinywheel.VERSION,
        "prepared": Path("prepared.txt").read_text(),
        "unit": os.environ["UNIT"],
        # Both ask STS at its own host name, whatever AWS_ENDPOINT_URL says.
        "bucket": Session(boto3.Session()).default_bucket(),
        "role": get_execution_role(),
    }
    return ruler.measure(values, scale), said


@remote(**settings, dependencies="plain.txt")
def layered():
    import wildwords

    return wildwords.VERSION, wildwords.__file__


@remote(**settings)
def fit(loss):
    raise NoFitError(loss)


@remote(**settings, pre_execution_commands=["echo no such disk >&2", "exit 3"])
def unreachable():
    return 1


def meet(own, other, bucket):
    """Return when the other one has come too: only two that run at once can do that."""
    s3 = boto3.client("s3")
    s3.put_object(Bucket=bucket, Key=f"meeting/{own}", Body=b"")
    s3.get_waiter("object_exists").wait(
        Bucket=bucket, Key=f"meeting/{other}", WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    return own


results = {}
began = time.monotonic()
values = np.arange(1_000_000, dtype=np.float64)
converted, results["said"] = convert(values, scale=2.54)
results["converted"] = bool(np.array_equal(converted, values * 2.54))
results["seconds"] = time.monotonic() - began

results["layered"] = layered()

try:
    fit(0.25)
except NoFitError as error:
    results["loss"] = error.loss

try:
    unreachable()
except Exception as error:
    results["unreachable"] = [type(error).__name__, str(error)]

with RemoteExecutor(max_parallel_jobs=2, **settings) as executor:
    futures = [executor.submit(meet, "a", "b", bucket), executor.submit(meet, "b", "a", bucket=bucket)]
    results["met"] = [future.result() for future in futures]

Path(sys.argv[1]).write_text(json.dumps(results))
