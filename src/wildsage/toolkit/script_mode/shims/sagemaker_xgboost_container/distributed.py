"""Run a training function on the hosts of a job."""

from collections.abc import Callable, Sequence
from typing import Any


def rabit_run(
    exec_fun: Callable[..., Any],
    args: dict[str, Any],
    include_in_training: bool,
    hosts: Sequence[str],
    current_host: str,
    update_rabit_args: bool = False,
    **_: Any,
) -> None:
    """Run `exec_fun` on the one host of a job; waiting times and ports of a cluster play no part.

    Raises
    ------
    RuntimeError
        If the job has more hosts: this image has no cluster.
    """
    if len(hosts) > 1:
        raise RuntimeError(
            f"{current_host} is one of {len(hosts)} hosts: distributed XGBoost is not available here"
        )
    if not include_in_training:
        raise RuntimeError("no host has training data")
    exec_fun(**{**args, **({"is_master": True} if update_rabit_args else {})})
