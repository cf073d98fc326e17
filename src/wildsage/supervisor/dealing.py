"""In which order a channel's parts come, and which of them a host gets."""

import random
from collections.abc import Sequence
from typing import TypeVar

from wildsage.supervisor.contract import Share

T = TypeVar("T")


def deal(parts: Sequence[T], share: Share, seed: int | None = None, epoch: int = 0) -> Sequence[T]:
    """Return what a host gets of a channel, in the order of this epoch.

    Every host shuffles all of them alike before they are dealt one by one, so that together the hosts have each
    part once, and with a seed another host may have it in the next epoch.

    Parameters
    ----------
    seed
        Of ``ShuffleConfig``; None: the order stays as it is.
    """
    if seed is not None:
        parts = list(parts)
        random.Random(f"{seed}/{epoch}").shuffle(parts)  # noqa: S311 - repeatable, keeps no secret
    return parts if share.count == 1 else parts[share.index :: share.count]
