"""Moved to `wildsage.core.instance_types`."""

from wildsage.core.instance_types import Capacity, capacity_of

__all__ = ["Capacity", "capacity_of"]
