"""A storm with clients in it, then a calm in which only workers and supervisors die, then the check."""

import os
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.platform import Platform, let_pass, until
from tests.faults.soak.chaos import Chaos
from tests.faults.soak.check import check
from tests.faults.soak.clients import crowd
from tests.faults.soak.ledger import Ledger

STORM_SHARE = 0.5
GROWTH_BYTES = 24e6
GROWTH_DESCRIPTORS = 12


@dataclass
class Calm:
    """What one life of the server takes, over time."""

    memory: list[float] = field(default_factory=list)
    """Resident bytes."""
    descriptors: list[int] = field(default_factory=list)

    def sample(self, process: int) -> None:
        """Look at the server."""
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        self.memory.append(pages * os.sysconf("SC_PAGE_SIZE"))
        self.descriptors.append(len(list(Path(f"/proc/{process}/fd").iterdir())))

    def quarters(self) -> dict[str, tuple[float, float]]:
        """Return the medians of the second and of the last quarter; the first warms up."""
        quarter = max(1, len(self.memory) // 4)
        return {
            name: (
                statistics.median(values[quarter : 2 * quarter] or values),
                statistics.median(values[-quarter:]),
            )
            for name, values in (("memory", self.memory), ("descriptors", self.descriptors))
        }

    def growth(self) -> list[str]:
        """Say what grew."""
        quarters = self.quarters()
        limits = {"memory": GROWTH_BYTES, "descriptors": GROWTH_DESCRIPTORS}
        return [
            f"the server's {name} grew from {early:.0f} to {late:.0f}"
            for name, (early, late) in quarters.items()
            if late - early > limits[name]
        ]


def soak(platform: Platform, seconds: float, seed: int = 0) -> dict[str, Any]:
    """Run a soak on a started platform.

    Parameters
    ----------
    seconds
        How long clients act: half of it in the storm, in which the server is killed too, half in the calm.

    Returns
    -------
    dict
        ``broken``: every promise that was not kept; and figures.
    """
    ledger = Ledger()
    for service in ("s3", "sagemaker", "sagemaker-runtime"):
        platform.client(service)  # made once: making one is not safe among threads
    platform.make_endpoint_parts(count=2)
    platform.client("sagemaker").create_endpoint(EndpointName="endpoint", EndpointConfigName="config")
    until(lambda: platform.endpoint_status() == "InService")
    chaos, calm, clients = Chaos(platform, ledger, seed), Calm(), crowd(platform, ledger)
    for client in clients:
        client.start()
    began = time.monotonic()
    while (age := time.monotonic() - began) < seconds:
        let_pass(min(chaos.pause(), seconds - age))
        storm = age < seconds * STORM_SHARE
        chaos.strike(server=storm)
        if not storm and platform.process is not None:
            calm.sample(platform.process.pid)
    for client in clients:
        client.stop()
    return {
        "seconds": round(time.monotonic() - began),
        "seed": seed,
        "acknowledged": dict(sorted(ledger.calls.items())),
        "unsure": {
            "jobs": len(ledger.unsure_jobs),
            "objects": sum(len(v) > 1 for v in ledger.objects.values()),
        },
        "kills": dict(sorted(Counter(kill.what for kill in ledger.kills).items())),
        "failed invocations": dict(Counter("answered" if f.is_answer else "lost" for f in ledger.failures)),
        "calm": calm.quarters() if calm.memory else {},
        "broken": [*check(platform, ledger), *(calm.growth() if calm.memory else [])],
    }
