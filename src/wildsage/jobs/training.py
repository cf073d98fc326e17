"""From what a user asked for to the one file that describes a run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wildsage.images.catalogue import ImageCatalogue, ResolvedImage, brings_script
from wildsage.images.facts import facts_of
from wildsage.jobs.capacity import Slot
from wildsage.jobs.inputs import input_mode
from wildsage.store.resources import Resource
from wildsage.store.run_tokens import RunRole
from wildsage.supervisor.contract import Channel, JobFile, Limits
from wildsage.supervisor.program import program_of

HOST = "algo-1"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run needs to know of this server."""

    endpoint_url: str
    credentials_url: str
    log_path: str
    sandbox: str


def image_of(images: ImageCatalogue, body: Mapping[str, Any]) -> ResolvedImage:
    """Find the image of a training job (a create request, or a stored body).

    Raises
    ------
    wildsage.images.catalogue.UnknownImageError
        If no such image runs here.
    """
    specification = body["AlgorithmSpecification"]
    script = brings_script(
        body.get("HyperParameters", {}),
        body.get("Environment", {}),
        specification.get("ContainerEntrypoint", ()),
    )
    return images.resolve(specification["TrainingImage"], script=script)


def role_of(job: Resource) -> RunRole:
    """Return the role that everything of a training job is done as."""
    return RunRole(job.key.account, job.body["RoleArn"])


def describe_run(
    run_id: str,
    job: Resource,
    image: ResolvedImage,
    channels: tuple[Channel, ...],
    slot: Slot,
    around: Surroundings,
) -> JobFile:
    """Make the job file of a training run."""
    body = job.body
    specification = body["AlgorithmSpecification"]
    program = image.program(
        "train",
        entrypoint=specification.get("ContainerEntrypoint", ()),
        arguments=specification.get("ContainerArguments", ()),
    )
    return JobFile(
        run_id=run_id,
        purpose="train",
        program=program_of(program, {**_environment(job), **body.get("Environment", {})}),
        endpoint_url=around.endpoint_url,
        region=job.key.region,
        credentials_url=around.credentials_url,
        log_path=around.log_path,
        channels=channels,
        config_files=_config_files(body),
        compress_output=body["OutputDataConfig"].get("CompressionType", "GZIP") == "GZIP",
        max_runtime_seconds=body["StoppingCondition"]["MaxRuntimeInSeconds"],
        limits=Limits(cpus=slot.cores, memory_bytes=slot.memory_bytes),
        isolated=body.get("EnableNetworkIsolation", False),
        sandbox=around.sandbox,
        hostname=HOST,
        hosts={HOST: "127.0.0.1"},
        facts={"image": facts_of(image), "instance_type": body["ResourceConfig"].get("InstanceType", "")},
    )


def _environment(job: Resource) -> dict[str, str]:
    return {
        "TRAINING_JOB_NAME": job.key.name,
        "TRAINING_JOB_ARN": job.arn,
        "SAGEMAKER_REGION": job.key.region,
    }


def _config_files(body: Mapping[str, Any]) -> dict[str, str]:
    """Return what the container reads below ``/opt/ml/input/config``."""
    instance_type = body["ResourceConfig"].get("InstanceType", "")
    resource_config = {
        "current_host": HOST,
        "current_instance_type": instance_type,
        "current_group_name": "homogeneousCluster",
        "hosts": [HOST],
        "instance_groups": [
            {"instance_group_name": "homogeneousCluster", "instance_type": instance_type, "hosts": [HOST]}
        ],
        "network_interface_name": "lo",
    }
    return {
        "hyperparameters.json": json.dumps(body.get("HyperParameters", {})),
        "inputdataconfig.json": json.dumps(
            {
                channel["ChannelName"]: _channel_config(channel, body)
                for channel in body.get("InputDataConfig", [])
            }
        ),
        "resourceconfig.json": json.dumps(resource_config),
    }


def _channel_config(channel: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, str]:
    source = channel["DataSource"].get("S3DataSource", {})
    config = {
        "TrainingInputMode": input_mode(channel, body["AlgorithmSpecification"]),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    if "ContentType" in channel:
        config["ContentType"] = channel["ContentType"]
    return config
