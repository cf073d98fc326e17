"""What an instance type promises: cores, memory, accelerators.

Here an instance type is a label for a slot of this size. Which names are legal for an operation says the
service model; `capacity_of` gives the size of each of them.

Sizes follow from the name: the size gives the cores, the family the memory per core. Families and types
that break the rule are in the tables. Figures are those of the Amazon EC2 instance type pages.
"""

import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Capacity:
    """The size of one instance: virtual cores, memory in GiB, NVIDIA GPUs."""

    vcpus: int
    memory_gib: float
    gpus: int = 0


_NAME = re.compile(r"ml\.(?P<family>[a-z][a-z0-9-]*)\.(?P<size>[a-z0-9]+)")
_SIZE = re.compile(r"(?P<factor>\d*)xlarge")
_CORES = {"micro": 2, "small": 2, "medium": 1, "large": 2}

_EXACT = {
    "ml.t2.medium": Capacity(2, 4),
    "ml.t3.micro": Capacity(2, 1),
    "ml.t3.small": Capacity(2, 2),
    "ml.t3.medium": Capacity(2, 4),
    "ml.c4.8xlarge": Capacity(36, 60),
    "ml.p2.xlarge": Capacity(4, 61, 1),
    "ml.p2.8xlarge": Capacity(32, 488, 8),
    "ml.p2.16xlarge": Capacity(64, 732, 16),
    "ml.p3.2xlarge": Capacity(8, 61, 1),
    "ml.p3.8xlarge": Capacity(32, 244, 4),
    "ml.p3.16xlarge": Capacity(64, 488, 8),
    "ml.p3dn.24xlarge": Capacity(96, 768, 8),
    "ml.p4d.24xlarge": Capacity(96, 1152, 8),
    "ml.p4de.24xlarge": Capacity(96, 1152, 8),
    "ml.p5.4xlarge": Capacity(16, 256, 1),
    "ml.p5.48xlarge": Capacity(192, 2048, 8),
    "ml.p5e.48xlarge": Capacity(192, 2048, 8),
    "ml.p5en.48xlarge": Capacity(192, 2048, 8),
    "ml.p6-b200.48xlarge": Capacity(192, 2048, 8),
    "ml.p6-b300.48xlarge": Capacity(192, 4096, 8),
    "ml.p6e-gb200.36xlarge": Capacity(144, 960, 4),
    "ml.trn2.3xlarge": Capacity(12, 128),
    "ml.trn2.48xlarge": Capacity(192, 2048),
    "ml.geospatial.interactive": Capacity(4, 16),
}

_MEMORY_PER_CORE = {
    "t2": 4.0,
    "t3": 4.0,
    "c4": 1.875,
    "c5n": 2.625,
    "i3en": 8.0,
    "dl1": 8.0,
    "inf1": 2.0,
    "inf2": 4.0,
    "trn1": 4.0,
    "trn1n": 4.0,
    "g4dn": 4.0,
    "g5": 4.0,
    "g6": 4.0,
    "gr6": 8.0,
    "g6e": 8.0,
    "g7": 4.0,
    "g7e": 8.0,
}
"""GiB. Families that are not here follow their letter."""

_MEMORY_PER_CORE_BY_LETTER = {"c": 2.0, "m": 4.0, "r": 8.0}

_GPUS = {
    "g4dn": {"12xlarge": 4},
    "g5": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g6": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "gr6": {},
    "g6e": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g7": {"12xlarge": 2, "24xlarge": 4, "48xlarge": 8},
    "g7e": {"12xlarge": 2, "24xlarge": 4, "48xlarge": 8},
}
"""By family and size; sizes that are not here have one."""


@lru_cache(maxsize=1024)
def capacity_of(instance_type: str) -> Capacity:
    """Return the size of an instance type such as ``ml.m5.xlarge``.

    Raises
    ------
    ValueError
        If it is no instance type that this catalogue can size.
    """
    exact = _EXACT.get(instance_type)
    if exact is not None:
        return exact
    name = _NAME.fullmatch(instance_type)
    cores = _cores(name["size"]) if name else None
    memory = _memory_per_core(name["family"]) if name else None
    if name is None or cores is None or memory is None:
        raise ValueError(f"{instance_type!r} is no instance type: give one such as 'ml.m5.xlarge'")
    gpus = _GPUS.get(name["family"])
    return Capacity(cores, cores * memory, 0 if gpus is None else gpus.get(name["size"], 1))


def _cores(size: str) -> int | None:
    if size in _CORES:
        return _CORES[size]
    found = _SIZE.fullmatch(size)
    return 4 * int(found["factor"] or 1) if found else None


def _memory_per_core(family: str) -> float | None:
    if family in _MEMORY_PER_CORE:
        return _MEMORY_PER_CORE[family]
    return _MEMORY_PER_CORE_BY_LETTER.get(family[0]) if re.fullmatch(r"[cmr]\d.*", family) else None
