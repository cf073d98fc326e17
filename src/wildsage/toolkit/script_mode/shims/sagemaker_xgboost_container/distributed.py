"""Run a training function on the hosts of a job."""

import importlib
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

load = importlib.import_module("wildsage_package").load
_log = logging.getLogger(__name__)


def rabit_run(
    exec_fun: Callable[..., Any],
    args: dict[str, Any],
    include_in_training: bool,
    hosts: Sequence[str],
    current_host: str,
    update_rabit_args: bool = False,
    **_: Any,
) -> None:
    """Run `exec_fun` on the hosts that have training data, with the library connected between them.

    Waiting times and ports of AWS's cluster play no part.

    Parameters
    ----------
    include_in_training
        Whether this host has data; one that has none ends here, with exit code 0.
    update_rabit_args
        The function wants to know whether it is on the host that saves the model: ``is_master``.

    Raises
    ------
    RuntimeError
        If no host has data.
    """
    names = sorted(hosts)
    if len(names) == 1:
        _run(exec_fun, args, [0] if include_in_training else [], 0, update_rabit_args)
        return
    numpy = load("numpy")
    collective, network = load("wildsage.toolkit.collective"), load("wildsage.toolkit.xgboost_network")
    with collective.join(names, current_host) as those:
        flags = those.sum(numpy.eye(len(names), dtype=int)[those.rank] * int(include_in_training))
        ranks = numpy.flatnonzero(flags).tolist()
        with network.together(those, names, ranks):
            if include_in_training or not ranks:
                _run(exec_fun, args, ranks, those.rank, update_rabit_args)
    if not include_in_training:
        _log.warning("Host %s has no data: it took no part in the training", current_host)
        sys.exit(0)


def _run(
    exec_fun: Callable[..., Any], args: dict[str, Any], ranks: Sequence[int], rank: int, with_master: bool
) -> None:
    if not ranks:
        raise RuntimeError("no host has training data")
    exec_fun(**{**args, **({"is_master": rank == ranks[0]} if with_master else {})})
