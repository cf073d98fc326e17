"""The library XGBoost on several hosts, for the built-in algorithm and for scripts.

Each host has its part of the rows. The library adds up what all of them know of a split, so that every host grows
the same trees as one would that has all rows. What does so is `xgboost.collective` from 1.7 on, `xgboost.rabit` before.
"""

import importlib
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.toolkit.collective import Collective

_CONNECT_SECONDS = 300
_FAREWELL_SECONDS = 30


@contextmanager
def together(hosts: Collective, names: Sequence[str], ranks: Sequence[int]) -> Iterator[None]:
    """Connect the library on all hosts that boost, for as long as the block lasts. Every host has to come here.

    Parameters
    ----------
    names
        Of all hosts, by rank.
    ranks
        Of those that boost.
    """
    if len(ranks) < 2:
        yield
        return
    address = socket.gethostbyname(names[ranks[0]])
    tracker = _Tracker(len(ranks), address) if hosts.rank == ranks[0] else None
    (port,) = hosts.sum(np.array([0 if tracker is None else tracker.port], np.int64)).tolist()
    if hosts.rank not in ranks:
        yield
        return
    with _connected(address, port, ranks.index(hosts.rank)):
        yield
    if tracker is not None:
        tracker.wait()


def is_any(flag: bool) -> bool:
    """Tell whether a flag is set on any of the hosts that boost: all of them ask at the same time."""
    return bool(add_up(np.array([float(flag)]))[0])


def add_up(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up an array over the hosts that boost; with one host it is the sum."""
    if not is_distributed():
        return array
    network = _network()
    # Of rabit, the operations were constants of the module at first.
    total: NDArray[np.float64] = network.allreduce(array, getattr(network, "Op", network).SUM)
    return total


def is_distributed() -> bool:
    """Tell whether the library's part of this host is connected to others."""
    return bool(_network().get_world_size() > 1)


class _Tracker:
    """Where the library's processes find each other: on the first host, at an address that is its own."""

    def __init__(self, count: int, address: str) -> None:
        made = _tracker_class()
        if _is_new():
            self._tracker = made(n_workers=count, host_ip=address, sortby="task")
            self._tracker.start()
            self.port = int(self._tracker.worker_args()["dmlc_tracker_port"])
            return
        if hasattr(made, "worker_envs"):  # 1.6 to 2.0
            self._tracker = made(host_ip=address, n_workers=count, sortby="task")
        else:
            self._tracker = made(hostIP=address, nslave=count)
        self._tracker.start(count)
        self.port = int(self._tracker.port)

    def wait(self) -> None:
        """Wait until all have said farewell; one that is gone says none."""
        if _is_new():
            with suppress(ValueError):
                self._tracker.wait_for(_FAREWELL_SECONDS)
        else:
            self._tracker.thread.join(_FAREWELL_SECONDS)


@contextmanager
def _connected(address: str, port: int, rank: int) -> Iterator[None]:
    """Connect the library to a tracker."""
    arguments = {
        "dmlc_tracker_uri": address,
        "dmlc_tracker_port": port,
        "dmlc_task_id": f"{rank:04d}",  # sorted as text
    }
    network = _network()
    if hasattr(network, "CommunicatorContext"):
        upper = {name.upper(): value for name, value in arguments.items()}
        with network.CommunicatorContext(
            **({**arguments, "dmlc_timeout": _CONNECT_SECONDS} if _is_new() else upper)
        ):
            yield
        return
    network.init([f"{name.upper()}={value}".encode() for name, value in arguments.items()])
    try:
        yield
    finally:
        network.finalize()


def _network() -> Any:
    """Return the module that carries arrays between hosts."""
    has_collective = find_spec("xgboost.collective") is not None  # from 1.7 on
    return importlib.import_module("xgboost.collective" if has_collective else "xgboost.rabit")


def _tracker_class() -> Any:
    if find_spec("xgboost.tracker") is not None:
        return importlib.import_module("xgboost.tracker").RabitTracker
    # Before 1.0 the tracker lies beside the library's other sources, and is in no package.
    package = Path(str(importlib.import_module("xgboost").__file__)).parent
    source = package / "dmlc-core" / "tracker" / "dmlc_tracker" / "tracker.py"
    spec = spec_from_file_location("dmlc_tracker", source)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{source} is no module")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.RabitTracker


def _is_new() -> bool:
    """Whether the library is of 2.1 or later, where the tracker is another one."""
    return hasattr(_tracker_class(), "worker_args")
