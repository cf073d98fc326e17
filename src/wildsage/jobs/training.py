"""Training jobs: what their containers find, and what becomes of what they make."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wildsage.core.s3_uri import split_s3_uri
from wildsage.images.catalogue import ImageCatalogue, ResolvedImage, brings_script
from wildsage.images.program import ImageProgram
from wildsage.images.remote_functions import client_sdk
from wildsage.images.requirements import Requirements, RequirementsFinder
from wildsage.jobs.attempts import Attempts, local_path
from wildsage.jobs.history import History
from wildsage.jobs.inputs import input_mode
from wildsage.jobs.kind import Cluster, Delivery, Host, Input, JobKind, Members, Setting
from wildsage.store.logs import MetricPoint
from wildsage.store.object_access import ObjectAccess
from wildsage.store.resources import Body, Resource
from wildsage.store.runs import TRAINING_JOB
from wildsage.supervisor.contract import INPUT_CONFIG, INPUT_DATA, ExitRecord, archived_outputs


class TrainingKind(JobKind):
    """Training jobs."""

    name = TRAINING_JOB
    noun = "training job"
    word = "TrainingJob"
    log_group = "/aws/sagemaker/TrainingJobs"
    run_prefix = "train"
    start_time = "TrainingStartTime"
    history = History(
        steps="SecondaryStatusTransitions",
        current="SecondaryStatus",
        phases={
            "starting": ("Starting", "Preparing the instances for training"),
            "waiting": ("Pending", "Training job waiting for capacity"),
            "downloading": ("Downloading", "Downloading input data"),
            "preparing": ("DownloadingTrainingImage", "Downloading the training image"),
            "running": ("Training", "Training image download completed. Training in progress."),
            "uploading": ("Uploading", "Uploading generated training model"),
            "stopping": ("Stopping", "Stopping the training job"),
            "stopped": ("Stopped", "Training job stopped"),
            "completed": ("Completed", "Training job completed"),
            "failed": ("Failed", "Training job failed"),
            "timed_out": (
                "MaxRuntimeExceeded",
                "Training job runtime exceeded MaxRuntimeInSeconds provided",
            ),
            "overdue": (
                "MaxWaitTimeExceeded",
                "Training job ran longer than MaxWaitTimeInSeconds provided",
            ),
            "restarting": ("Restarting", "Restarting the training job"),
            "interrupted": ("Interrupted", "Training job interrupted: its spot capacity was taken back"),
        },
    )

    def image_uri(self, body: Members) -> str:
        """Return ``TrainingImage``."""
        return str(body["AlgorithmSpecification"]["TrainingImage"])

    def image_of(self, images: ImageCatalogue, body: Members) -> ResolvedImage:
        """Find the image; one that is both an algorithm and a framework is the latter with a script."""
        specification = body["AlgorithmSpecification"]
        entrypoint = specification.get("ContainerEntrypoint", ())
        script = brings_script(body.get("HyperParameters", {}), body.get("Environment", {}), entrypoint)
        sdk = client_sdk(entrypoint, specification.get("ContainerArguments", ()))
        return images.resolve(self.image_uri(body), script=script, sdk=sdk)

    def program_of(self, image: ResolvedImage, body: Members) -> ImageProgram:
        """Return the image's ``train``, or what the request puts in its place."""
        specification = body["AlgorithmSpecification"]
        return image.program(
            "train",
            entrypoint=specification.get("ContainerEntrypoint", ()),
            arguments=specification.get("ContainerArguments", ()),
        )

    async def requirements_of(self, job: Resource, objects: ObjectAccess) -> Requirements:
        """Return what the submitted code or the drivers of SDK v3 install."""
        environment = job.body.get("Environment", {})
        isolated = job.body.get("EnableNetworkIsolation", False)
        return await RequirementsFinder(objects, environment, isolated).of_training_job(job.body)

    def cluster_of(self, body: Members) -> Cluster:
        """Return what ``ResourceConfig`` says."""
        config = body["ResourceConfig"]
        if config.get("InstanceGroups"):
            return Cluster.of_groups(
                [
                    (group["InstanceGroupName"], group["InstanceType"], group["InstanceCount"])
                    for group in config["InstanceGroups"]
                ]
            )
        return Cluster.alike(config.get("InstanceType", ""), config.get("InstanceCount", 1))

    def inputs_of(self, body: Members) -> Sequence[Input]:
        """Return the channels."""
        specification = body["AlgorithmSpecification"]
        return [
            Input(item, input_mode(item, specification), groups=groups_of(item))
            for item in body.get("InputDataConfig", [])
        ]

    def setting_of(self, job: Resource, host: Host) -> Setting:
        """Return the contract of training containers ("How Amazon SageMaker Provides Training Information")."""
        body = job.body
        compressed = body["OutputDataConfig"].get("CompressionType", "GZIP") == "GZIP"
        own = {
            "TRAINING_JOB_NAME": job.key.name,
            "TRAINING_JOB_ARN": job.arn,
            "SAGEMAKER_REGION": job.key.region,
        }
        return Setting(
            purpose="train",
            environment={**own, **body.get("Environment", {})},
            folders=(INPUT_CONFIG, INPUT_DATA),
            config_files=self._config_files(body, host),
            outputs=archived_outputs(compressed=compressed),
            message_path="output/failure",
            max_runtime_seconds=body["StoppingCondition"]["MaxRuntimeInSeconds"],
            isolated=body.get("EnableNetworkIsolation", False),
        )

    def metric_definitions(self, body: Members) -> Sequence[Mapping[str, str]]:
        """Return the algorithm's own, or the user's."""
        found: Sequence[Mapping[str, str]] = body["AlgorithmSpecification"].get("MetricDefinitions", [])
        return found

    def retries(self, body: Members) -> int:
        """Return what ``RetryStrategy`` says."""
        return int(body.get("RetryStrategy", {}).get("MaximumRetryAttempts", 1))

    def times_of(self, job: Resource, at: float, record: ExitRecord | None) -> Body:
        """Return the end, and what would be billed of the containers that ran, of all attempts."""
        attempts = Attempts.of(job)
        if record is not None and record.exit_code is not None:
            attempts = attempts.ended(
                record.billable_seconds, interrupted=record.stop_reason == "interrupted"
            )
        # A clock that was set back must not make a job end before it began, nor shorter than it was.
        start = job.body.get(self.start_time)
        lasted = at if start is None else start + attempts.training_seconds
        times: Body = {"TrainingEndTime": max(at, lasted)}
        if attempts.training_seconds:
            times["TrainingTimeInSeconds"] = max(1, math.ceil(attempts.training_seconds))
            times["BillableTimeInSeconds"] = max(1, math.ceil(attempts.billable_seconds))
        return times

    def results_of(self, records: Sequence[ExitRecord], metrics: Sequence[MetricPoint]) -> Body:  # noqa: ARG002 - of the contract
        """Return the last value of each metric."""
        return {
            "FinalMetricDataList": [
                {"MetricName": point.name, "Value": point.value, "Timestamp": point.at}
                for point in metrics
                if math.isfinite(point.value)
            ]
        }

    def deliveries_of(self, job: Resource) -> Sequence[Delivery]:
        """Return the one place: everything goes below ``S3OutputPath/JOB/output``."""
        bucket, prefix = split_s3_uri(job.body["OutputDataConfig"]["S3OutputPath"])
        base = "/".join(part for part in (prefix.rstrip("/"), job.key.name, "output") if part)
        return [Delivery("", f"s3://{bucket}/{base}")]

    def delivered(self, job: Resource, out: Path) -> Body:
        """Return where the model is."""
        (delivery,) = self.deliveries_of(job)
        model = "model/" if (out / "model").is_dir() else "model.tar.gz"
        return {"ModelArtifacts": {"S3ModelArtifacts": f"{delivery.uri}/{model}"}}

    def _config_files(self, body: Members, host: Host) -> dict[str, str]:
        """Return what the container reads below ``/opt/ml/input/config``."""
        channels = [given.channel for given in self.inputs_of(body) if host.gets(given)]
        files: dict[str, Any] = {
            "hyperparameters.json": body.get("HyperParameters", {}),
            "inputdataconfig.json": {
                channel["ChannelName"]: _channel_config(channel, body) for channel in channels
            },
            "resourceconfig.json": self.cluster_of(body).resources_of(host),
        }
        if "CheckpointConfig" in body:
            config = body["CheckpointConfig"]
            files["checkpointconfig.json"] = {"S3Uri": config["S3Uri"], "LocalPath": local_path(config)}
        return {f"{INPUT_CONFIG}/{name}": json.dumps(content) for name, content in files.items()}


TRAINING = TrainingKind()


def groups_of(channel: Members) -> tuple[str, ...]:
    """Return the names of the instance groups that a channel is for; none: it is for all."""
    return tuple(channel["DataSource"].get("S3DataSource", {}).get("InstanceGroupNames", ()))


def _channel_config(channel: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, str]:
    """Return what ``inputdataconfig.json`` says of a channel.

    Every host sees all of a file system: AWS sets ``FullyReplicated`` for it, too ("How Amazon SageMaker Provides
    Training Information").
    """
    source = channel["DataSource"].get("S3DataSource", {})
    config = {
        "TrainingInputMode": input_mode(channel, body["AlgorithmSpecification"]),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    if "ContentType" in channel:
        config["ContentType"] = channel["ContentType"]
    return config
