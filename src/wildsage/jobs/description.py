"""From what a user asked for to the one file that describes a run."""

from collections.abc import Mapping
from dataclasses import dataclass

from wildsage.images.catalogue import ResolvedImage
from wildsage.images.facts import facts_of
from wildsage.jobs.capacity import Slot
from wildsage.jobs.kind import Host
from wildsage.jobs.kinds import kind_of
from wildsage.store.resources import Resource
from wildsage.supervisor.contract import Channel, JobFile, Limits
from wildsage.supervisor.program import program_of
from wildsage.supervisor.surroundings import HostProxyCommand


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run needs to know of this server and of its job's hosts.

    Attributes
    ----------
    addresses
        Of all hosts of the job, by name.
    host_proxy
        Answers AWS's own host names for containers; None: nothing does.
    """

    endpoint_url: str
    credentials_url: str
    log_path: str
    sandbox: str
    addresses: Mapping[str, str]
    host_proxy: HostProxyCommand | None


def describe_run(
    run_id: str,
    job: Resource,
    host: Host,
    image: ResolvedImage,
    channels: tuple[Channel, ...],
    slot: Slot,
    around: Surroundings,
) -> JobFile:
    """Make the job file of a run, which is a host of a job.

    Raises
    ------
    wildsage.images.catalogue.UnknownImageError
        If the image has nothing for this kind of job.
    """
    kind = kind_of(job.key)
    setting = kind.setting_of(job, host)
    return JobFile(
        run_id=run_id,
        purpose=setting.purpose,
        program=program_of(
            kind.program_of(image, job.body), setting.environment, has_proxy=around.host_proxy is not None
        ),
        endpoint_url=around.endpoint_url,
        region=job.key.region,
        credentials_url=around.credentials_url,
        log_path=around.log_path,
        channels=channels,
        folders=setting.folders,
        config_files=setting.config_files,
        outputs=setting.outputs,
        message_path=setting.message_path,
        max_runtime_seconds=setting.max_runtime_seconds,
        limits=Limits(cpus=slot.cores, memory_bytes=slot.memory_bytes),
        isolated=setting.isolated,
        sandbox=around.sandbox,
        hostname=host.name,
        hosts=around.addresses,
        host_proxy=around.host_proxy,
        facts={
            "image": facts_of(image),
            "instance_type": host.instance_type,
            **({"host": host.name} if len(around.addresses) > 1 else {}),
        },
    )
