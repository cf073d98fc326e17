"""In which order a channel's parts come, and which of them a host gets."""

import random
from array import array
from collections.abc import Iterator, Sequence
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


def deal_lines(
    lines: Iterator[tuple[int, bytes]], share: Share, seed: int | None, epoch: int
) -> Iterator[tuple[int, bytes]]:
    """Yield what a host gets of numbered lines, as `deal` does.

    Without a seed they pass one by one. A shuffle holds all of them in memory: a line may come first or last.
    """
    if seed is None:
        for place, numbered in enumerate(lines):
            if place % share.count == share.index:
                yield numbered
        return
    text, numbers, ends = bytearray(), array("Q"), array("Q", [0])
    for number, line in lines:
        text += line
        numbers.append(number)
        ends.append(len(text))
    for place in deal(range(len(numbers)), share, seed, epoch):
        yield numbers[place], bytes(text[ends[place] : ends[place + 1]])
