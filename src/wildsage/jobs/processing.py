"""Processing jobs: what their containers find, and what becomes of what they make.

Source: "Build Your Own Processing Container" (SageMaker Developer Guide).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wildsage.core.s3_uri import split_s3_uri
from wildsage.images.catalogue import ImageCatalogue, ResolvedImage
from wildsage.images.program import ImageProgram
from wildsage.jobs.history import History
from wildsage.jobs.kind import Cluster, Delivery, Host, Input, JobKind, Members, Setting
from wildsage.store.logs import MetricPoint
from wildsage.store.resources import Body, Resource
from wildsage.store.runs import PROCESSING_JOB
from wildsage.supervisor.artifacts import FAILURE_CHARACTERS
from wildsage.supervisor.contract import ExitRecord, Output
from wildsage.supervisor.environment import ML_TARGET

LOCAL_ROOT = f"{ML_TARGET}/processing/"
"""Where inputs and outputs have to be."""

_CONFIG = "config"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class ProcessingKind(JobKind):
    """Processing jobs."""

    name = PROCESSING_JOB
    noun = "processing job"
    word = "ProcessingJob"
    log_group = "/aws/sagemaker/ProcessingJobs"
    run_prefix = "process"
    start_time = "ProcessingStartTime"
    # AWS shows the status alone; the steps are for `wildsage explain`.
    history = History(
        steps="_Steps",
        current="_Step",
        phases={
            "starting": ("Starting", "Preparing the instances for processing"),
            "waiting": ("Pending", "Processing job waiting for capacity"),
            "downloading": ("Downloading", "Downloading input data"),
            "preparing": ("DownloadingImage", "Downloading the processing image"),
            "running": ("Processing", "Processing in progress"),
            "uploading": ("Uploading", "Uploading outputs"),
            "stopping": ("Stopping", "Stopping the processing job"),
            "stopped": ("Stopped", "Processing job stopped"),
            "completed": ("Completed", "Processing job completed"),
            "failed": ("Failed", "Processing job failed"),
            "timed_out": (
                "MaxRuntimeExceeded",
                "Processing job runtime exceeded MaxRuntimeInSeconds provided",
            ),
            "restarting": ("Restarting", "Restarting the processing job"),
        },
    )

    def image_uri(self, body: Members) -> str:
        """Return ``ImageUri``."""
        return str(body["AppSpecification"]["ImageUri"])

    def image_of(self, images: ImageCatalogue, body: Members) -> ResolvedImage:
        """Find the image; a framework's is one, whatever else it is: processing runs no algorithm."""
        return images.resolve(self.image_uri(body), script=True)

    def program_of(self, image: ResolvedImage, body: Members) -> ImageProgram:
        """Return what the image runs without a word, or what the request puts in its place."""
        application = body["AppSpecification"]
        return image.program(
            "process",
            entrypoint=application.get("ContainerEntrypoint", ()),
            arguments=application.get("ContainerArguments", ()),
        )

    def cluster_of(self, body: Members) -> Cluster:
        """Return what ``ClusterConfig`` says."""
        config = body["ProcessingResources"]["ClusterConfig"]
        return Cluster.alike(config.get("InstanceType", ""), config.get("InstanceCount", 1))

    def inputs_of(self, body: Members) -> Sequence[Input]:
        """Return the inputs that are not the application's own business."""
        return [
            Input(_channel(item), item["S3Input"].get("S3InputMode", "File"), place_of(item["S3Input"]))
            for item in body.get("ProcessingInputs", [])
            if "S3Input" in item and not item.get("AppManaged")
        ]

    def setting_of(self, job: Resource, host: Host) -> Setting:
        """Return the contract of processing containers."""
        body = job.body
        return Setting(
            purpose="process",
            environment=body.get("Environment", {}),
            folders=(_CONFIG, "output", "processing"),
            config_files=_config_files(job, self.cluster_of(body).resources_of(host)),
            outputs=tuple(
                Output(place_of(place), name, is_continuous=place["S3UploadMode"] == "Continuous")
                for name, place in _uploads(body)
            ),
            message_path="output/message",
            max_runtime_seconds=body["StoppingCondition"]["MaxRuntimeInSeconds"],
            isolated=body.get("NetworkConfig", {}).get("EnableNetworkIsolation", False),
        )

    def times_of(self, job: Resource, at: float, record: ExitRecord | None) -> Body:
        """Return the end."""
        # A clock that was set back must not make a job end before it began, nor shorter than it was.
        start = job.body.get(self.start_time)
        lasted = at if record is None or start is None else start + record.billable_seconds
        return {"ProcessingEndTime": max(at, lasted)}

    def results_of(self, records: Sequence[ExitRecord], metrics: Sequence[MetricPoint]) -> Body:  # noqa: ARG002 - of the contract
        """Return what the containers said in ``/opt/ml/output/message``, one behind the other, cut as AWS does."""
        said = "".join(record.failure for record in records)
        return {"ExitMessage": said[:FAILURE_CHARACTERS]} if said else {}

    def deliveries_of(self, job: Resource) -> Sequence[Delivery]:
        """Return the place of each output."""
        return [
            Delivery(name, _s3_form(place["S3Uri"]), place["S3UploadMode"] == "Continuous")
            for name, place in _uploads(job.body)
        ]

    def failure_of(self, record: ExitRecord) -> str:  # noqa: ARG002 - of the contract
        """Return nothing: what the container said is its ``ExitMessage``."""
        return ""


PROCESSING = ProcessingKind()


def place_of(item: Members) -> str:
    """Return the ``LocalPath`` of an ``S3Input`` or ``S3Output``, below ``/opt/ml``."""
    path: str = item["LocalPath"]
    return path.removeprefix(f"{ML_TARGET}/").rstrip("/")


def _uploads(body: Members) -> Iterator[tuple[str, Members]]:
    """Yield the outputs that are not the application's own business, each with its name in the run's folder."""
    for number, item in enumerate(body.get("ProcessingOutputConfig", {}).get("Outputs", [])):
        if "S3Output" in item and not item.get("AppManaged"):
            is_plain = _NAME.fullmatch(item["OutputName"])
            yield item["OutputName"] if is_plain else f"output {number + 1}", item["S3Output"]


def _s3_form(uri: str) -> str:
    bucket, prefix = split_s3_uri(uri)
    return f"s3://{bucket}/{prefix}"


def _channel(item: Members) -> dict[str, Any]:
    """Return an input in the form of a training job's channel."""
    given = item["S3Input"]
    source = {
        "S3DataType": given["S3DataType"],
        "S3Uri": given["S3Uri"],
        "S3DataDistributionType": given.get("S3DataDistributionType", "FullyReplicated"),
    }
    return {
        "ChannelName": item["InputName"],
        "DataSource": {"S3DataSource": source},
        "CompressionType": given.get("S3CompressionType", "None"),
    }


def _config_files(job: Resource, resources: Mapping[str, Any]) -> dict[str, str]:
    """Return what the container reads below ``/opt/ml/config``."""
    files: dict[str, Any] = {
        "processingjobconfig.json": _job_config(job),
        "resourceconfig.json": resources,
    }
    return {f"{_CONFIG}/{name}": json.dumps(content) for name, content in files.items()}


def _job_config(job: Resource) -> dict[str, Any]:
    """Return the request as the container reads it: what is not there is null, as the guide shows it."""
    body = job.body
    application, cluster = body["AppSpecification"], body["ProcessingResources"]["ClusterConfig"]
    outputs = body.get("ProcessingOutputConfig", {})
    config: dict[str, Any] = {
        "ProcessingJobArn": job.arn,
        "ProcessingJobName": job.key.name,
        "AppSpecification": {"ContainerEntrypoint": None, "ContainerArguments": None, **application},
        "Environment": body.get("Environment", {}),
        "ProcessingInputs": [_input_config(item) for item in body.get("ProcessingInputs", [])],
        "ProcessingOutputConfig": {"Outputs": [], "KmsKeyId": None, **outputs},
        "ProcessingResources": {"ClusterConfig": {"VolumeKmsKeyId": None, **cluster}},
        "RoleArn": body["RoleArn"],
        "StoppingCondition": body["StoppingCondition"],
    }
    return config | {name: body[name] for name in ("NetworkConfig", "ExperimentConfig") if name in body}


def _input_config(item: Members) -> Mapping[str, Any]:
    if "S3Input" not in item:
        return item
    usual = {
        "S3DataDistributionType": "FullyReplicated",
        "S3InputMode": "File",
        "S3CompressionType": "None",
        "S3DownloadMode": "StartOfJob",
    }
    return {**item, "S3Input": {**usual, **item["S3Input"]}}
