"""Launchers of distributed training, and where hosts meet."""

import importlib.machinery
import importlib.util
import socket

import pytest

from wildsage.toolkit.script_mode import distribution
from wildsage.toolkit.script_mode.distribution import (
    interpreter,
    meeting_point,
    refuse_unavailable,
    with_own_port,
)
from wildsage.toolkit.script_mode.errors import ClientError

ADDRESSES = {"algo-1": "127.3.9.1", "algo-2": "127.3.9.2", "localhost": "127.0.0.1", "far": "10.0.0.7"}
TORCH = {"sagemaker_torch_distributed_enabled": True}


@pytest.fixture(autouse=True)
def _hosts(monkeypatch):
    monkeypatch.setattr(socket, "gethostbyname", ADDRESSES.__getitem__)


def facts(current="algo-1", hosts=("algo-1", "algo-2"), num_gpus=0, **own):
    return {
        "additional_framework_parameters": own,
        "distribution_hosts": list(hosts),
        "current_host": current,
        "num_gpus": num_gpus,
    }


def test_each_host_gets_its_rank_and_all_the_same_place():
    port = meeting_point(["algo-1", "algo-2"])["MASTER_PORT"]
    assert interpreter("python", facts("algo-2", **TORCH)) == [
        "python", "-m", "torch.distributed.run", "--nnodes", "2", "--nproc_per_node", "1",
        "--master_addr", "algo-1", "--master_port", port, "--node_rank", "1",
    ]  # fmt: skip
    assert interpreter("python", facts("algo-1", **TORCH))[-5:] == [
        "algo-1",
        "--master_port",
        port,
        "--node_rank",
        "0",
    ]


@pytest.mark.parametrize(
    ("own", "gpus", "processes"),
    [({}, 0, "1"), ({}, 4, "4"), ({"sagemaker_mpi_num_of_processes_per_host": 3}, 4, "3")],
)
def test_processes_of_a_host(own, gpus, processes):
    command = interpreter("python", facts(num_gpus=gpus, **TORCH, **own))
    assert command[command.index("--nproc_per_node") + 1] == processes


def test_a_host_that_the_launcher_is_not_for_runs_the_script_alone():
    assert interpreter("python", facts("algo-3", **TORCH)) == ["python"]
    assert interpreter("python", facts("algo-1")) == ["python"]
    assert interpreter("python", facts("algo-1", sagemaker_torch_distributed_enabled=False)) == ["python"]


def test_jobs_of_several_hosts_meet_at_ports_of_their_own(monkeypatch):
    found = set()
    for third in range(1, 255):
        monkeypatch.setattr(socket, "gethostbyname", lambda _, third=third: f"127.1.{third}.1")
        found.add(int(meeting_point(["algo-1", "algo-2"])["MASTER_PORT"]))
    assert len(found) == 254
    assert all(10_000 <= port < 30_000 for port in found)


def test_a_host_that_is_alone_takes_a_free_port():
    point = meeting_point(["algo-1"])
    assert point["MASTER_ADDR"] == "127.0.0.1"
    with socket.create_server(("127.0.0.1", int(point["MASTER_PORT"]))):
        assert meeting_point(["algo-1"]) != point


@pytest.mark.parametrize(
    ("launcher", "text"),
    [
        ("parameter_server", "'parameter_server' is not available here: TensorFlow"),
        ("multi_worker_mirrored_strategy", "set TF_CONFIG"),
        ("distributed_dataparallel", "smdistributed is AWS's own library.*torch_distributed"),
        ("pytorch_xla_multi_worker", "PyTorch/XLA"),
    ],
)
def test_what_cannot_be_launched_is_refused_by_name(launcher, text):
    refuse_unavailable({f"sagemaker_{launcher}_enabled": "false"})
    for value in (True, "true", "True"):
        with pytest.raises(ClientError, match=text):
            refuse_unavailable({f"sagemaker_{launcher}_enabled": value})


@pytest.mark.parametrize("launcher", ["torch_distributed", "pytorch_ddp"])
def test_torchrun_needs_torch(monkeypatch, launcher):
    own = {f"sagemaker_{launcher}_enabled": True}
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ClientError, match="needs PyTorch, which this image does not have"):
        refuse_unavailable(own)
    spec = importlib.machinery.ModuleSpec("torch", None)
    monkeypatch.setattr(distribution.importlib.util, "find_spec", lambda _name: spec)
    refuse_unavailable(own)


def test_torchrun_of_another_launcher_meets_where_the_job_does():
    port = meeting_point(["algo-1", "algo-2"])["MASTER_PORT"]
    wanted = [
        "--nnodes=2",
        "--master_addr",
        "algo-1",
        "--master_port",
        port,
        "--node_rank=1",
        "train.py",
        "--x=1",
    ]
    given = ["--nnodes=2", "--master_addr=algo-1", "--master_port=7777", "--node_rank=1", "train.py", "--x=1"]
    assert with_own_port(given) == wanted
    assert with_own_port(["--master-addr", "algo-1", "--master-port", "7777"]) == [
        "--master-addr", "algo-1", "--master-port", port
    ]  # fmt: skip
    other = with_own_port(["--master_addr=algo-1", "--master_port=7778"])
    assert int(other[-1]) == int(port) + 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nproc_per_node=2", "train.py"],
        ["--master_addr=localhost", "--master_port=7777"],
        ["--master_addr=far", "--master_port=7777"],
        ["--master_addr=algo-1"],
        ["--master_port=7777"],
        ["--master_addr=algo-1", "--master_port=auto"],
        ["--master_port"],
    ],
)
def test_any_other_torchrun_is_left_as_it_is(arguments):
    assert with_own_port(arguments) == arguments
