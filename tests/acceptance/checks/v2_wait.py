"""SDK v2 waits for a job and shows its log, while another client asks all the time; nobody notices a restart."""

import json
import sys
import threading
import time

import boto3
import sagemaker
from sagemaker.estimator import Estimator

session = sagemaker.Session(boto3.Session(region_name="us-west-2"))
estimator = Estimator(
    image_uri="steps:1",
    role="arn:aws:iam::123456789012:role/service-role/MySageMakerRole",
    instance_count=1,
    instance_type="ml.m5.large",
    environment={"STEPS": sys.argv[2], "PAUSE": "0.1"},
    sagemaker_session=session,
)
estimator.fit(job_name=sys.argv[1], wait=False)

over = threading.Event()
seconds = []


def ask():
    client = boto3.client("sagemaker", region_name="us-west-2")
    while not over.wait(0.2):
        began = time.monotonic()
        client.describe_training_job(TrainingJobName=sys.argv[1])
        seconds.append(time.monotonic() - began)


asking = threading.Thread(target=ask)
asking.start()
try:
    estimator.latest_training_job.wait(logs="All")
finally:
    over.set()
    asking.join()
print(json.dumps({"longest": max(seconds)}))
