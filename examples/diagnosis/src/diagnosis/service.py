"""What the application calls. It knows the endpoint's name and nothing of where it runs."""

import json

import boto3


def is_benign(measurements, endpoint="diagnosis"):
    """Return a verdict for each tumour."""
    runtime = boto3.client("sagemaker-runtime")
    response = runtime.invoke_endpoint(
        EndpointName=endpoint,
        ContentType="application/json",
        Accept="application/json",
        Body=json.dumps([list(map(float, row)) for row in measurements]),
    )
    return [bool(verdict) for verdict in json.loads(response["Body"].read())]
