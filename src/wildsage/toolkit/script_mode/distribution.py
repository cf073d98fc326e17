"""Distributed training: how a script is started where its job asks for a launcher, and where its hosts meet.

The hyperparameters are those of the SDK's ``distribution``; the launch is meant to equal that of AWS's training
toolkit (https://github.com/aws/sagemaker-training-toolkit), but for the port.
"""

import importlib.util
import socket
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final

from wildsage.toolkit.script_mode.errors import DistributionError

_TORCHRUN: Final = ("torch_distributed", "pytorch_ddp")
_THEMSELVES: Final = (
    "remove `distribution` from the estimator and let the processes find each other, for which the script gets"
    " SM_HOSTS, SM_CURRENT_HOST, MASTER_ADDR and MASTER_PORT"
)
_TORCH_INSTEAD: Final = 'use distribution={"torch_distributed": {"enabled": True}}'
_UNAVAILABLE: Final[Mapping[str, str]] = {
    "parameter_server": f"TensorFlow has given it up: {_THEMSELVES}",
    "multi_worker_mirrored_strategy": f"set TF_CONFIG in the script: {_THEMSELVES}",
    "distributed_dataparallel": f"smdistributed is AWS's own library and needs its GPUs: {_TORCH_INSTEAD}",
    "pytorch_xla_multi_worker": f"it needs AWS's build of PyTorch/XLA and GPUs: {_TORCH_INSTEAD}",
}
"""By the name of its hyperparameter, without ``sagemaker_`` and ``_enabled``: what to do instead."""

PROCESSES = "sagemaker_mpi_num_of_processes_per_host"
_USUAL_PORT: Final = 7777
"""On AWS."""

_FIRST_PORT, _PORTS, _STRIDE = 10_000, 20_000, 31


def refuse_unavailable(own: Mapping[str, Any]) -> None:
    """Refuse what this image cannot launch.

    Parameters
    ----------
    own
        The hyperparameters of the platform, ``sagemaker_…``.

    Raises
    ------
    DistributionError
        Naming the launcher and what to do instead.
    """
    for launcher, instead in _UNAVAILABLE.items():
        if _is_on(own, launcher):
            raise DistributionError(f"the distribution {launcher!r} is not available here: {instead}")
    for launcher in _TORCHRUN:
        if _is_on(own, launcher) and importlib.util.find_spec("torch") is None:
            raise DistributionError(
                f"the distribution {launcher!r} needs PyTorch, which this image does not have"
            )


def interpreter(python: str, facts: Mapping[str, Any]) -> list[str]:
    """Return what runs a Python script on this host: the interpreter, or ``torchrun`` on the hosts it is for.

    Parameters
    ----------
    facts
        As ``SM_TRAINING_ENV`` has them.
    """
    if not is_launched(facts, *_TORCHRUN):
        return [python]
    own, hosts = facts["additional_framework_parameters"], facts["distribution_hosts"]
    processes = int(own.get(PROCESSES) or facts["num_gpus"] or 1)
    command = [python, "-m", "torch.distributed.run"]
    command += ["--nnodes", str(len(hosts)), "--nproc_per_node", str(processes)]
    rank = hosts.index(facts["current_host"])
    return [*command, *_flags(meeting_point(hosts)), "--node_rank", str(rank)]


def is_launched(facts: Mapping[str, Any], *launchers: str) -> bool:
    """Tell whether one of the launchers is asked for, and for this host."""
    own = facts["additional_framework_parameters"]
    return (
        any(_is_on(own, name) for name in launchers) and facts["current_host"] in facts["distribution_hosts"]
    )


def _flags(variables: Mapping[str, str]) -> Sequence[str]:
    return [word for name, value in variables.items() for word in (f"--{name.lower()}", value)]


def meeting_point(hosts: Sequence[str]) -> dict[str, str]:
    """Return ``MASTER_ADDR`` and ``MASTER_PORT``: where the processes of all hosts meet.

    A host that is alone takes a port that is free now.
    """
    if len(hosts) == 1:
        with socket.create_server(("127.0.0.1", 0)) as free:
            return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    return {"MASTER_ADDR": hosts[0], "MASTER_PORT": str(port_of_job(hosts[0], _USUAL_PORT))}


def port_of_job(host: str, port: int) -> int:
    """Return the port that a job has in the place of one that all jobs would have.

    PyTorch's store listens on all addresses of the machine, so jobs that run at once must not have one port. It
    follows from the first host's address, which is of this job alone.
    """
    address = int(ip_address(socket.gethostbyname(host)))
    return _FIRST_PORT + ((address >> 8 & 0xFFFF) * _STRIDE + port) % _PORTS


def with_own_port(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of ``torchrun`` with a port of the job's own, where they name one and another host."""
    words = [part for word in arguments for part in _parted(word)]
    places = {
        word.replace("-", "_"): place + 1
        for place, word in reversed(list(enumerate(words)))  # the first counts: the script's own come after
        if word.startswith("--master")
    }
    host, port = (places.get(name, len(words)) for name in ("__master_addr", "__master_port"))
    if max(host, port) >= len(words) or not words[port].isdigit() or not _is_of_job(words[host]):
        return list(arguments)
    words[port] = str(port_of_job(words[host], int(words[port])))
    return words


def _parted(word: str) -> Sequence[str]:
    """Part ``--master-port=1`` in two."""
    return word.split("=", 1) if word.startswith("--master") and "=" in word else [word]


def _is_of_job(host: str) -> bool:
    """Tell whether a host is one of several of this job."""
    try:
        address = socket.gethostbyname(host)
    except OSError:
        return False
    return ip_address(address).is_loopback and address != "127.0.0.1"


def _is_on(own: Mapping[str, Any], launcher: str) -> bool:
    return own.get(f"sagemaker_{launcher}_enabled") in (True, "true", "True")
